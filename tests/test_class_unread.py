"""Files that hold no notebook, and what is missing since the last run: nobody gets a zero, and it is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from class_judge import PaperJudge
from class_of import notebook_of
from test_class_marks import hand_in
from test_class_teacher import LIST, paper, said, table  # noqa: F401

from speechnas_lab import cli


@pytest.fixture
def work(tmp_path) -> Path:
    for student, points in (("mueller", 5), ("bob", 3)):
        hand_in(tmp_path / "in", student, "01-wer", f"# points: {points}")
    (tmp_path / "class.csv").write_text(LIST, encoding="utf-8")
    return tmp_path / "in"


WHOLE = json.dumps(notebook_of("01-wer", "# points: 5"))


@pytest.mark.parametrize(("text", "says"), [
    ("", "is empty"), (" \n", "is empty"), (json.dumps({"cells": [], "nbformat": 4}), "is empty"),
    (WHOLE[:900], "is no notebook (cut off?)"), ("[]", "is no notebook (cut off?)"),
    ("\0\1", "is no notebook (cut off?)"),
])  # fmt: skip
def test_a_file_that_holds_no_notebook_waits_for_a_person(text, says, work, capsys):
    path = work / "bob" / "01-wer" / "01-wer.ipynb"
    path.write_text(text)
    told = said(capsys)
    assert f"bob, 01-wer: it cannot be marked: the notebook {says}\n" in told
    assert "1 cannot be read" in told and "1 without a mark, which is no zero" in told
    assert table()["bob"]["01-wer"] == "" and table()["bob"]["not_graded"] == "01-wer"
    report = Path("out", "report.html").read_text(encoding="utf-8")
    assert "Waits for you: 1 without a mark" in report and f"the notebook {says}" in report
    page = Path("out", "feedback", "bob.html").read_text(encoding="utf-8")
    assert f"the notebook {says}: hand it in again" in page and "Error" not in page and "not marked yet" in page
    assert PaperJudge.asked == ["01-wer"]
    assert "marked now: 0, kept: 2" in said(capsys)
    Path("out", "manual.csv").write_text("student,exercise,points,comment\nbob,01-wer,2,on paper\n")
    assert "without a mark" not in said(capsys) and table()["bob"]["01-wer"] == "2"
    Path("out", "manual.csv").write_text("student,exercise,points,comment\n")
    path.write_text(WHOLE)
    assert "marked now: 1" in said(capsys) and table()["bob"]["01-wer"] == "5"


def test_notebooks_of_the_last_run_that_are_gone_are_counted(work, capsys):
    hand_in(work, "bob", "03-mixed-op", "# points: 4")
    assert "of the last run" not in said(capsys) + said(capsys)
    (work / "bob" / "03-mixed-op" / "03-mixed-op.ipynb").unlink()
    line = "1 notebook of the last run is not here (03-mixed-op); its mark is left out"
    assert line in said(capsys) and "of the last run" not in said(capsys)
    hand_in(work, "zed", "03-mixed-op", "# points: 4")
    assert "of the last run" not in said(capsys)
    for name in ("bob", "zed"):
        (work / name).rename(work.parent / name)
    assert "2 notebooks of the last run are not here (01-wer and 03-mixed-op); their marks are left out" in said(capsys)


@pytest.mark.parametrize("words", [["--out", "out"], []])
def test_a_place_that_is_not_there_is_said_so(words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        cli.main(["grade", "AI-Exercise-77.zip", *words])
    assert "there is no file or folder AI-Exercise-77.zip; see" in capsys.readouterr().err
