"""What students and the teacher read: everything escaped, nothing hidden told, misconceptions counted, copies found."""

from __future__ import annotations

import ast
import html
import json
import os
import re
from pathlib import Path

import pytest
from class_judge import PaperJudge
from class_of import notebook_of
from exercise_files import defined, mutants, solution_code

from speechnas_lab.grading import marking
from speechnas_lab.grading.classes import run
from speechnas_lab.grading.classes.alike import fingerprint, groups
from speechnas_lab.grading.classes.feedback import check_words, feedback
from speechnas_lab.grading.classes.marks import Row
from speechnas_lab.grading.classes.people import Student
from speechnas_lab.grading.classes.report import report, summary
from speechnas_lab.grading.classes.run import Settings, grade_class
from speechnas_lab.grading.course import EXERCISES, exercise
from speechnas_lab.grading.submission import Cell, Submission

ROOT = Path(__file__).resolve().parents[1]
LONG = """
def wer(reference, hypothesis):
    rows = [[max(i, j) if i * j == 0 else 0 for j in range(len(hypothesis) + 1)] for i in range(len(reference) + 1)]
    for i in range(1, len(rows)):
        for j in range(1, len(rows[0])):
            cost = reference[i - 1] != hypothesis[j - 1]
            rows[i][j] = min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + cost)
    return rows[-1][-1] / len(reference)
"""


def as_submission(code: str) -> Submission:
    return Submission((Cell("given", 1, "import torch", True), Cell("answer", 2, code, True)))


def text_of(page: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", " ", page))


@pytest.fixture
def classroom(tmp_path, monkeypatch):
    """Seven students; two copied, three share a misconception, one is the grader's fault."""
    monkeypatch.setattr(run, "find_spec", lambda name: None)
    monkeypatch.setattr(run, "write_autograder", lambda *_: None)
    renamed = LONG.replace("rows", "table").replace("cost", "c").replace("def wer", '# mine\ndef wer')
    work = {"anna": LONG + "# points: 5", "<b>bob</b>": renamed + "# points: 5", "carl": "# points: 2 # slip",
            "dora": "# points: 1 # slip", "emil": "# points: 0 # slip", "fred": "# points: fault", "gina": "x = 1"}
    for student, code in work.items():
        path = tmp_path / "in" / student.replace("/", "⁄") / "01-wer" / "01-wer.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(notebook_of("01-wer", code)), encoding="utf-8")
    return grade_class(tmp_path / "in", tmp_path / "out", Settings(judge=PaperJudge, seed=1)), tmp_path / "out"


# The teacher's report -------------------------------------------------------------------------------------------------
def test_the_report_counts_misconceptions_and_finds_the_hard_one(classroom):
    found, out = classroom
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page == report(found)
    words = " ".join(text_of(page).split())
    assert "3 01-wer it counts words, not letters" in words
    assert "too hard?" in words and "Waits for you: 1 without a mark" in words and "fred 01-wer grader's fault" in words
    assert "<b>bob" not in page and "&lt;b&gt;bob" in page
    assert "7 students, 7 notebooks" in summary(found) and "1 without a mark" in summary(found)


def test_pages_need_no_network_and_run_no_script(classroom):
    _, out = classroom
    for path in [out / "report.html", *(out / "feedback").iterdir()]:
        page = path.read_text(encoding="utf-8")
        assert "<script" not in page and "http://" not in page and "https://" not in page and "src=" not in page
        assert "Content-Security-Policy" in page and page.startswith("<!doctype html>")


def test_copies_are_found_through_names_comments_and_layout(classroom):
    found, out = classroom
    words = " ".join(text_of((out / "report.html").read_text(encoding="utf-8")).split())
    row = re.search(r"The same program.*?01-wer (\d+) (.*?) What was odd|The same program.*?01-wer (\d+) (.*)$", words)
    assert row and "anna" in row[0] and "bob" in row[0] and "carl" not in row[0]


# Copies ---------------------------------------------------------------------------------------------------------------
def test_equal_programs_have_equal_marks_and_others_have_not():
    same = [LONG, LONG.replace("rows", "d"), '"""text"""\n' + LONG.replace("):\n", "):  # here\n", 1),
            LONG.replace("reference", "a").replace("hypothesis", "b")]  # fmt: skip
    assert len({fingerprint(as_submission(code))[0] for code in same}) == 1
    others = [LONG, LONG.replace("+ 1, rows[i][j", "+ 2, rows[i][j"), LONG.replace("min(", "max("),
              LONG.replace("rows[i - 1][j]", "rows[j][i - 1]")]  # fmt: skip
    assert len({fingerprint(as_submission(code))[0] for code in others}) == len(others)


def test_every_answer_that_we_have_differs_from_every_other():
    prints = [fingerprint(as_submission(answer.code))[0] for answer in mutants("09-evolution")]
    assert len(set(prints)) == len(prints)


def test_short_blank_and_broken_answers_are_no_copies():
    prints = {("a", "01-wer"): ("x", 20), ("b", "01-wer"): ("x", 20), ("c", "01-wer"): ("blank", 99),
              ("d", "01-wer"): ("blank", 99), ("e", "01-wer"): ("", 0), ("f", "01-wer"): ("", 0),
              ("g", "01-wer"): ("y", 99), ("h", "01-wer"): ("y", 99), ("i", "02-count"): ("y", 99)}  # fmt: skip
    assert groups(prints, {"01-wer": "blank"}) == [("01-wer", 99, ["g", "h"])]
    assert fingerprint(as_submission("def f(:")) == ("", 0)
    assert fingerprint(as_submission("x = " + "(" * 500 + ")" * 500)) == ("", 0)


# What a student reads -------------------------------------------------------------------------------------------------
def test_feedback_escapes_what_came_from_outside():
    evil = "<script>alert(1)</script>"
    check = {"name": "n", "points": 5, "passed": False, "waits": False, "what": evil, "case": evil, "slip": evil}
    row = Row("a", "01-wer", 5, "wrong", auto=0, comment=evil, what=evil, notes=[evil], results=[check])
    page = feedback(Student("a", evil), [row], "0 of 5 points.")
    assert "<script" not in page and page.count("&lt;script") >= 6


def test_no_text_of_a_stranger_stops_the_run_or_reaches_the_terminal(tmp_path, monkeypatch, capsys):
    """Halves of surrogate pairs cannot be written to a file, escape sequences steer a terminal."""
    monkeypatch.setattr(run, "write_autograder", lambda *_: None)
    odd, code = "\ud800 \x1b[2J \u202e \x00", "# points: 5\nx = '\ud800 \x1b'"

    class Odd(PaperJudge):
        def grade(self, jobs):
            for found in super().grade(jobs):
                found.what, found.notes = odd, [odd]
                found.results = [{**found.results[0], "passed": False, "what": odd, "slip": odd}]
                yield found

    path = tmp_path / "in" / os.fsdecode(b"e\xffve\x1b") / "01-wer" / "01-wer.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(notebook_of("01-wer", code)))
    found = grade_class(tmp_path / "in", tmp_path / "out", Settings(judge=Odd, seed=1))
    print(summary(found), *found.notes)
    told = capsys.readouterr().out
    for path in [*(tmp_path / "out").rglob("*.html"), *(tmp_path / "out").rglob("*.csv")]:
        told += path.read_text(encoding="utf-8")
    assert "\x1b" not in told and "\u202e" not in told and "\x00" not in told and "\\ud800" in told
    assert grade_class(tmp_path / "in", tmp_path / "out", Settings(judge=Odd, seed=1)).rows.keys() == found.rows.keys()


def test_a_graders_fault_is_told_as_ours_and_lateness_with_its_price():
    words = text_of(feedback(Student("a"), [Row("a", "01-wer", 5, "grader's fault")], ""))
    assert "not your fault" in words and "not marked yet" in words
    late = Row("a", "01-wer", 5, "right", auto=5, late_days=2, lost=1.0, comment="come and see me")
    words = " ".join(text_of(feedback(Student("a"), [late], "")).split())
    assert "4 of 5 points; 2 days late, which costs 1" in words and "Comment: come and see me" in words


def _hidden(id: str) -> list[str]:
    """Lines that only staff may see: of the hidden tests of the solution, and of the solution's answer itself."""
    cells = json.loads((ROOT / "solutions" / id / f"{id}.ipynb").read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells)
    parts = re.findall(r"### BEGIN HIDDEN TESTS\n(.*?)### END|### BEGIN SOLUTION\n(.*?)### END", text, re.S)
    return [line.strip() for pair in parts for part in pair for line in part.splitlines() if len(line.strip()) > 24]


@pytest.mark.parametrize("id", ["01-wer", "03-mixed-op", "13-penalty"])
def test_feedback_holds_no_hidden_test_no_solution_and_no_checks(id):
    """The strictest case: feedback on every wrong answer that we have."""
    hidden = _hidden(id)
    assert len(hidden) > 2
    source = Path(marking.__file__).with_name("checks") / f"{EXERCISES[id]}.py"
    lines = {ast.unparse(node) for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
             if isinstance(node, ast.Assign | ast.Raise | ast.Return)}  # fmt: skip
    assert lines
    for answer in [one for one in mutants(id) if one.kind == "wrong"][:6]:
        found = marking.mark(exercise(id), defined(answer.code), 5)
        results = [vars(result) for result in found.results]
        row = Row("a", id, found.max, found.outcome, auto=found.points, results=results)
        page = text_of(feedback(Student("a"), [row], ""))
        assert not [line for line in hidden if line in page]
        assert not [line for line in lines if len(line) > 24 and line in page]
        assert "public checks" in page and answer.says in page


def test_the_words_on_a_right_answer_promise_nothing_more():
    found = marking.mark(exercise("01-wer"), defined(solution_code("01-wer")), 5)
    row = Row("a", "01-wer", 5, "right", auto=5, results=[vars(result) for result in found.results])
    page = text_of(feedback(Student("a"), [row], ""))
    assert "These are the public checks" in page and "There are no other tests" in page
    assert all(check_words(vars(result)).startswith("✓") for result in found.results)
