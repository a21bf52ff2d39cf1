"""Notebooks, names and times made to wear out whoever reads them: in the grader's own process, before any sandbox."""

from __future__ import annotations

import json
import zipfile
from pathlib import PurePosixPath

import pytest

from speechnas_lab.grading import submission
from speechnas_lab.grading.classes import archive
from speechnas_lab.grading.classes.alike import fingerprint
from speechnas_lab.grading.classes.late import when
from speechnas_lab.grading.classes.people import Student
from speechnas_lab.grading.submission import NOTE, NOTES, read


def notebook(*cells: dict, **more: object) -> str:
    return json.dumps({"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5, **more})


def cell(source: str, id: str = "answer", grade_id: str = "") -> dict:
    meta = {"nbgrader": {"grade_id": grade_id}} if grade_id else {}
    return {"cell_type": "code", "id": id, "metadata": meta, "source": source, "outputs": []}


@pytest.fixture
def kept(tmp_path):
    """Put text into a notebook's file, and read it."""

    def write(text: str):
        (tmp_path / "01-wer.ipynb").write_text(text, encoding="utf-8")
        return read(tmp_path / "01-wer.ipynb")

    return write


def test_a_notebook_of_brackets_is_refused_before_it_is_read(kept, monkeypatch):
    monkeypatch.setattr(submission, "BRACKETS", 1000)
    text = notebook(cell("x = 1"), more=[])
    assert kept(text.replace('"more": [', '"more": [' + "[]," * 900 + "0")).refused == ""
    assert "too many brackets" in kept(text.replace('"more": [', '"more": [' + "[]," * 1000 + "0")).refused


def test_notes_are_few_and_short_whatever_the_cells_are_called(kept):
    many = [cell("x = 1", f"q{n}", f" answer-{n}" + "x" * 2_000_000 * (n < 3)) for n in range(300)]
    found = kept(notebook(*many, cell("x = 1")))
    assert len(found.notes) == NOTES and max(map(len, found.notes)) <= NOTE
    found = kept(notebook(*[cell(f"x = {n}", f"q{n}", "answer") for n in range(500)]))
    assert found.refused and len(found.refused) <= NOTE


@pytest.mark.parametrize("source", [
    "x=" + "1+" * 100_000 + "1", "x=" + "-" * 300_000 + "1", "x=a" + ".a" * 100_000, "x=a" + "()" * 100_000,
    "(" * 100_000, "x=" + "lambda:" * 50_000 + "1", "if 1: pass\n" + "elif 1: pass\n" * 30_000, "x=1\0",
    "@a\n" * 30_000 + "def wer(): pass",
], ids=lambda source: source[:8])  # fmt: skip
def test_deep_programs_are_read_as_text(source, kept):
    found = kept(notebook(cell(source)))
    assert [one.name for one in found.cells] == ["answer"]
    assert fingerprint(found)[1] >= 0


def test_a_long_id_still_names_a_file():
    names = {Student("a" * 255 + str(n)).folder for n in range(9)}
    assert len(names) == 9 and max(map(len, names)) < 100
    assert Student("anna").folder == "anna"


@pytest.mark.parametrize("text", ["0001-01-01 00:00:00 Asia/Tokyo", "9999-12-31T23:59:59-12:00", "../../etc/passwd",
                                  "2026-01-01 00:00:00 ../../etc/passwd", "9" * 100])  # fmt: skip
def test_a_time_that_is_none_is_told_and_left_out(text):
    notes: list[str] = []
    assert when(text, PurePosixPath("anna/01-wer/01-wer.ipynb"), notes) == "" and len(notes) == 1


def test_a_zip_of_many_files_is_counted_before_it_is_opened(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "Ann_11_2222222_work.zip", "w") as made:
        for number in range(30):
            made.writestr(f"{number}.txt", b"")
    whole = (tmp_path / "Ann_11_2222222_work.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "download.zip", "w") as outer:
        outer.writestr("Bob_12_2222223_work.zip", whole)
    monkeypatch.setattr(archive, "ENTRIES", 20)
    notes: list[str] = []
    assert not list(archive.files_of(tmp_path / "download.zip", notes)) and "more than 20 files" in notes[0]
    notes.clear()
    (tmp_path / "download.zip").unlink()
    monkeypatch.setattr(archive.zipfile, "ZipFile", None)
    assert not list(archive.files_of(tmp_path, notes)) and "more than 20 files" in notes[0]
    assert archive.downloads(tmp_path, lambda name: True) == set()
