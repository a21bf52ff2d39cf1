"""A new exercise: `speechnas grade --new ID` in a clone of the course, and what it says of slips in a solution."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from speechnas_lab.errors import BadInput
from speechnas_lab.grading import EXERCISES, course
from speechnas_lab.grading.writing import alive, changes, skeleton, source, status, trial

ROOT = Path(__file__).resolve().parents[1]
ID = "09-share-out"


@pytest.fixture
def clone(tmp_path):
    """What `--new` needs of a clone: the library, one lesson, the course's map."""
    root = tmp_path / "clone"
    leave = shutil.ignore_patterns("__pycache__", "measured", "assets", "*.parquet")
    shutil.copytree(ROOT / "speechnas_lab", root / "speechnas_lab", ignore=leave)
    for folder in ("solutions", "tests/mutants", "notebooks"):
        (root / folder).mkdir(parents=True)
    shutil.copy(ROOT / "notebooks" / "09_evolution.ipynb", root / "notebooks")
    shutil.copy(ROOT / "README.md", root)
    return root


def told(clone: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": str(clone), "PYTHONPATH": str(clone), "SPEECHNAS_HOME": str(clone / "home")}
    command = [sys.executable, "-m", "speechnas_lab", "grade", *arguments]
    return subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True)


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")


def test_the_way_of_a_new_exercise(clone):
    """It works as it is made, is told the mistakes of its author, and names the line of a file that does not run."""
    it_works_and_says_what_is_still_to_do(clone)
    a_check_that_is_too_weak_lets_changes_live(clone)
    a_checks_file_that_does_not_run_is_named_with_its_line(clone)


def it_works_and_says_what_is_still_to_do(clone):
    done = told(clone, "--new", ID)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    open_points = [line for line in lines if line.startswith("to do")]
    expected = ("text of your own", "the judge of a class: not tried here", "released", "README.md")
    assert [line for line in open_points if not any(words in line for words in expected)] == []
    assert len(open_points) == len(expected)
    assert any("the solution earns all 4 points" in line for line in lines if line.startswith("ok"))
    assert any("27 small changes of the solution: 27 noticed, 0 live" in line for line in lines), done.stdout
    for path in (f"solutions/{ID}/{ID}.ipynb", "speechnas_lab/grading/checks/share_out.py", f"tests/mutants/{ID}.py"):
        assert f"  {path}" in lines and (clone / path).is_file()
        text = (clone / path).read_text(encoding="utf-8")
        assert "share_out" in text and "TEMPLATE" in text and "@" not in text.replace("@check(", "")
        assert max(map(len, text.splitlines())) <= 120 or path.endswith("ipynb")
    assert "09_evolution" in (clone / f"solutions/{ID}/{ID}.ipynb").read_text(encoding="utf-8")
    listed = (clone / "speechnas_lab/grading/course.py").read_text(encoding="utf-8")
    ids = list(ast.literal_eval(ast.parse(listed).body[-2].value))
    assert ids.index(ID) == ids.index("09-evolution") + 1 and [id for id in ids if id != ID] == list(EXERCISES)


def a_check_that_is_too_weak_lets_changes_live(clone):
    """The author's mistakes, each told: a check dropped, points changed, an editor's marks, a slip without a name."""
    checks = clone / "speechnas_lab/grading/checks/share_out.py"
    edit(checks, "checks=(shares, zeros, untouched)", "checks=(shares, untouched)")
    edit(checks, '"in percent, where', '"as a percentage, where')
    path = clone / f"solutions/{ID}/{ID}.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["cells"][2].update(execution_count=3, outputs=[{"output_type": "stream", "name": "stdout", "text": "x"}])
    notebook["metadata"]["language_info"]["version"] = "3.12"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    done = told(clone, "--new", ID)
    assert done.returncode == 0, done.stderr
    assert "tidied outputs taken out" in done.stdout and "carries 3 points" in done.stdout
    assert "wrong: in percent, seed 1: its message lacks 'in percent'" in done.stdout
    assert "wrong: zero forgotten, seed 1: it earns all points" in done.stdout
    assert f"{ID} | if total == 0: -> if False: |" in done.stdout and "argue" not in done.stdout
    tidy = json.loads(path.read_text(encoding="utf-8"))
    assert tidy["cells"][2]["outputs"] == [] and tidy["metadata"]["language_info"] == {"name": "python"}
    assert next(cell for cell in tidy["cells"] if cell["id"] == "check")["metadata"]["nbgrader"]["points"] == 3


def a_checks_file_that_does_not_run_is_named_with_its_line(clone):
    checks = clone / "speechnas_lab/grading/checks/share_out.py"
    edit(checks, "defines=", "named=")
    done = told(clone, "--new", ID)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "checks/share_out.py, line " in done.stderr and "named" in done.stderr


@pytest.mark.parametrize(
    ("id", "says"),
    [("share", "is no id"), ("09-Share", "is no id"), ("77-share", "no lesson has the number 77"),
     ("09-if", "a word of Python's"), ("09-wer", "checks/wer.py is there already"), ("../09-x", "is no id")],
)  # fmt: skip
def test_what_cannot_be_made_is_refused_before_anything_is_written(id, says, monkeypatch):
    monkeypatch.setattr(skeleton, "write_text", lambda *a: pytest.fail("something was written"))
    with pytest.raises(BadInput, match=says):
        skeleton.make(id)
    assert id not in EXERCISES


def test_without_a_clone_it_says_how_to_get_one(monkeypatch, tmp_path):
    monkeypatch.setattr(skeleton, "ROOT", tmp_path)
    with pytest.raises(BadInput, match="pip install -e"):
        next(status.new(ID))


def test_the_list_of_the_course_keeps_the_order_of_lessons():
    text = Path(course.__file__).read_text(encoding="utf-8")
    for id, before in (("00-first", None), ("09-x", "09-evolution"), ("17-x", "17-hyperband"), ("99-last", None)):
        made = ast.literal_eval(ast.parse(skeleton.listed(text, id, "x")).body[-2].value)
        ids = list(made)
        assert {**EXERCISES, id: "x"} == made and [i for i in ids if i != id] == list(EXERCISES)
        place = ids.index(id)
        assert place == (0 if id[:2] == "00" else len(ids) - 1 if id[:2] == "99" else ids.index(before) + 1)


def test_changes_are_single_slips_that_differ_from_the_program():
    tree = ast.parse("def f(a, b):\n    '''Words stay.'''\n    return a - min(a, b)\n")
    made = {ast.unparse(changed) for _, changed in changes.mutants(tree)}
    body = {text.splitlines()[-1].strip() for text in made}
    assert {"return a + min(a, b)", "return a - max(a, b)", "return min(a, b) - a", "return a", "return b - min(a, b)",
            "return a - min(a)", "return a - min(b)", "return min(a, b)"} <= body  # fmt: skip
    assert all("Words stay." in text for text in made) and ast.unparse(tree) not in made


@pytest.mark.skipif(not hasattr(alive.signal, "SIGPROF"), reason="needs an alarm")
def test_an_endless_change_does_not_live(monkeypatch):
    monkeypatch.setattr(alive, "PATIENCE", 1)
    assert not alive.lives("01-wer", "while True: pass")


def test_a_line_of_equivalents_is_one_exercises_own(monkeypatch, tmp_path):
    path = tmp_path / "equivalent.txt"
    path.write_text("# head\n09-x | a -> b | same\n10-y | a -> b | other\n", encoding="utf-8")
    monkeypatch.setattr(alive, "EQUIVALENT", path)
    assert alive.equivalent("09-x") == {"a -> b": "same"} and alive.equivalent("11-z") == {}


def test_a_mutants_file_with_a_slip_is_refused_in_one_line(monkeypatch, tmp_path):
    for text, says in (("# %% wrnog: x\n", "begins 'wrnog: x'"), ("# %% wrong: x\ndef f(): 0\n", "says: TEXT")):
        (tmp_path / "answers.py").write_text(text, encoding="utf-8")
        here = source.Files(tmp_path, tmp_path, tmp_path / "answers.py", tmp_path)
        monkeypatch.setattr(source, "files", lambda id, here=here: here)
        with pytest.raises(BadInput, match=says):
            source.answers("09-x")


@pytest.mark.slow
def test_the_judge_of_a_class_is_compared_with_check(monkeypatch):
    assert trial.judged_problems("03-mixed-op") == []
    whole = course.exercise("03-mixed-op")
    seen = replace(whole, checks=whole.checks[:1])  # here; the judge's own process still knows all
    monkeypatch.setattr(trial, "exercise", lambda id: seen)
    problems = trial.judged_problems("03-mixed-op")
    assert problems[0].startswith("the solution: 1 points by check, 4 by the judge")


def test_a_change_that_changes_no_text_is_none():
    """Swapped equal arguments, a twin pair turned round: no line to show, nothing to argue about."""
    code = "def f(a):\n    return max([a, a]), g(a, a), (a, a)"
    names = [name for name, _ in changes.mutants(ast.parse(code))]
    assert names and all(before.strip() and after.strip() for before, _, after in (n.partition(" -> ") for n in names))


@pytest.mark.parametrize("line", ["01-wer |  -> | no reason", "01-wer | a -> b", "01-wer | a -> b | ", "nonsense"])
def test_a_line_of_equivalent_txt_that_is_none_is_refused(line, tmp_path, monkeypatch):
    (tmp_path / "equivalent.txt").write_text(f"# words\n01-wer | a -> b | the same\n{line}\n")
    monkeypatch.setattr(alive, "EQUIVALENT", tmp_path / "equivalent.txt")
    with pytest.raises(BadInput, match="line 3"):
        alive.equivalent("01-wer")
