"""What goes back to students: points that add up, nothing twice, a cost that was there, a ZIP that Moodle takes."""

from __future__ import annotations

import html
import io
import json
import re
import zipfile
from pathlib import Path

import pytest
from class_judge import PaperJudge
from class_of import notebook_of
from exercise_files import defined

from speechnas_lab.grading import marking
from speechnas_lab.grading.classes import run
from speechnas_lab.grading.classes.feedback import feedback, points_words
from speechnas_lab.grading.classes.marks import Row
from speechnas_lab.grading.classes.people import MOODLE, Student
from speechnas_lab.grading.classes.report import report, summary
from speechnas_lab.grading.classes.run import Settings, grade_class
from speechnas_lab.grading.course import exercise


@pytest.fixture(autouse=True)
def paper(monkeypatch):
    monkeypatch.setattr(run, "find_spec", lambda name: None)
    monkeypatch.setattr(run, "write_autograder", lambda *_: None)


def words_of(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_the_points_of_the_checks_add_up():
    found = marking.mark(exercise("01-wer"), defined("def wer(a, b):\n    return abs(len(a) - len(b))"), 5)
    row = Row("a", "01-wer", 5, found.outcome, auto=found.points, results=[vars(result) for result in found.results])
    told = re.findall(r"[✓✗…] [^✓✗…]*?\((\d+) of (\d+) points?\)", words_of(feedback(Student("a"), [row], "")))
    assert len(told) == len(found.results) and sum(int(most) for _, most in told) == 5
    assert sum(int(earned) for earned, _ in told) == found.points


def test_an_error_that_stops_all_stands_once():
    why = "cell 'answer', line 1: SyntaxError: invalid syntax"
    row = Row("a", "01-wer", 5, "does not run", auto=0, what=why, notes=[why, "cell 4 has lost its id"])
    told = words_of(feedback(Student("a"), [row], ""))
    assert told.count("SyntaxError") == 1 and "lost its id" in told


@pytest.mark.parametrize(("auto", "lost", "says"), [
    (0, 0.5, "0 of 5 points; 1 day late, which costs nothing, as there is nothing to lose"),
    (1, 2.0, "0 of 5 points; 1 day late, which costs 1"), (5, 0.5, "4.5 of 5 points; 1 day late, which costs 0.5"),
    (5, 0.0, "5 of 5 points; 1 day late, which costs nothing"),
])  # fmt: skip
def test_lateness_costs_what_there_is(auto, lost, says):
    assert points_words(Row("a", "01-wer", 5, "wrong", auto=auto, late_days=1, lost=lost)) == says


def test_the_report_lists_the_class_with_links_and_counts_one_as_one(tmp_path):
    path = tmp_path / "in" / "an na" / "01-wer" / "01-wer.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(notebook_of("01-wer", "# points: 3")))
    found = grade_class(tmp_path / "in", tmp_path / "out", Settings(judge=PaperJudge, seed=1))
    page = report(found)
    assert "1 notebook, 1 marked; 1 exercise with 5 points" in words_of(page)
    assert summary(found) == "1 student, 1 notebook: 1 partly right" and "an na an na 3 of 5 feedback" in words_of(page)
    for link in re.findall(r'href="([^"]+)"', page):
        assert (tmp_path / "out" / link).is_file(), link
    assert page.count("href=") == 2 and "<span class=id>01-wer</span>" in page


def test_feedback_for_moodle_lies_in_folders_called_as_in_its_download(tmp_path):
    place = tmp_path / "week.zip"
    with zipfile.ZipFile(place, "w") as file:
        for name in ("Zoë Müller_1234", "Bob_the/Builder_77".replace("/", "_")):
            file.writestr(f"{name}_assignsubmission_file_/01-wer.ipynb", json.dumps(notebook_of("01-wer", "")))
    out = tmp_path / "out"
    found = grade_class(place, out, Settings(judge=PaperJudge, seed=1))
    raw = (out / "feedback-moodle.zip").read_bytes()
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        assert sorted(archive.namelist()) == ["Bob-the-Builder_77_assignsubmission_file_/feedback.html",
                                              "Zoë Müller_1234_assignsubmission_file_/feedback.html"]  # fmt: skip
        for name in archive.namelist():
            folder = name.partition("/")[0]
            number, kind, plugin = folder.split("_")[1:4]  # as Moodle takes it apart
            assert MOODLE.fullmatch(folder)["id"] == number and (kind, plugin) == ("assignsubmission", "file")
            page = Path(out, "feedback", f"{number}.html").read_bytes()
            assert archive.read(name) == page
    assert any("moodle-worksheet.csv is not written" in note for note in found.notes)
    grade_class(place, out, Settings(judge=PaperJudge, seed=1))
    assert (out / "feedback-moodle.zip").read_bytes() == raw
