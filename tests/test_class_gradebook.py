"""The gradebook of nbgrader over a term: made anew, and with people who leave."""

from __future__ import annotations

import csv
import shutil

from test_class_nbgrader import classroom  # noqa: F401

from speechnas_lab.grading.classes.gradebook import opened


def test_marks_given_in_formgrader_outlive_the_gradebook(classroom, tmp_path):  # noqa: F811
    out = classroom()

    def give(points: float | None) -> None:
        with opened(out / "nbgrader" / "gradebook.db") as book:
            book.find_grade("check", "01-wer", "01-wer", "bob").manual_score = points
            book.db.commit()

    def mark() -> str:
        classroom()
        rows = csv.DictReader((out / "marks.csv").read_text(encoding="utf-8-sig").splitlines())
        return {row["student"]: row["01-wer"] for row in rows}["bob"]

    give(4)
    assert mark() == "4"
    for _ in range(2):
        shutil.rmtree(out / "nbgrader")
        assert mark() == mark() == "4"
    with opened(out / "nbgrader" / "gradebook.db") as book:
        assert book.find_grade("check", "01-wer", "01-wer", "bob").manual_score == 4
    give(None)  # taken back in formgrader
    assert mark() == "3"
    shutil.rmtree(out / "nbgrader")
    assert mark() == "3"


def test_who_left_the_class_leaves_the_gradebook(classroom, tmp_path):  # noqa: F811
    course = classroom() / "nbgrader"
    names = (tmp_path / "list.csv").read_text(encoding="utf-8")
    (tmp_path / "list.csv").write_text(names.replace("late,Noor,Kaya,\n", "").replace("bob,Bob,O'Brien,\n", ""))
    with opened(course / "gradebook.db") as book:
        book.find_grade("check", "01-wer", "01-wer", "eve").manual_score = 4
        book.db.commit()
    (tmp_path / "in" / "eve").rename(tmp_path / "eve")
    classroom()
    with opened(course / "gradebook.db") as book:
        assert {student.id for student in book.students} == {"anna", "bob"}  # bob handed in
    for kind in ("autograded", "submitted", "feedback"):
        assert {path.name for path in (course / kind).iterdir()} == {"anna", "bob"}
    (tmp_path / "eve").rename(tmp_path / "in" / "eve")  # who comes back has the mark given in formgrader
    assert "eve,eve,4," in (classroom() / "marks.csv").read_text(encoding="utf-8-sig")
