"""Marks for Canvas, Moodle and spreadsheets: the headers they ask for, names that survive, no formula that runs."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from speechnas_lab.grading.classes.marks import Class, Row
from speechnas_lab.grading.classes.people import People, Student, read_people
from speechnas_lab.grading.classes.tables import canvas_csv, marks_csv, moodle_csv, moodle_sheet, safe, write_tables

ZOE = Student("11", "Müller, Zoë", number="u11", login="zoe", section="A")
BOB = Student("12", 'O\'Brien "Bob"', email="bob@x.org")
TWIN = Student("13", "Müller, Zoë")
EVIL = Student("14", '=HYPERLINK("http://x","y")')


def a_class(*students: Student, layout: str = "") -> Class:
    rows = {}
    for number, student in enumerate(students):
        rows[student.id, "01-wer"] = Row(student.id, "01-wer", 5, "right", auto=5 - number)
        rows[student.id, "03-mixed-op"] = Row(student.id, "03-mixed-op", 4, "grader's fault")
    return Class(list(students), ["01-wer", "03-mixed-op"] if students else [], rows, layout)


def parsed(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text), strict=True))


def test_canvas_has_its_columns_and_the_true_maxima():
    head, points, *rows = parsed(canvas_csv(a_class(ZOE, BOB, TWIN, EVIL), People()))
    assert head == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "01-wer", "03-mixed-op"]
    assert points[0].strip() == "Points Possible" and points[5:] == ["5", "4"]
    assert rows[0] == ["Müller, Zoë", "11", "u11", "zoe", "A", "5", ""]  # not graded is empty
    assert rows[1][0] == 'O\'Brien "Bob"' and rows[2][:2] == ["Müller, Zoë", "13"]
    assert rows[3][0] == '\'=HYPERLINK("http://x","y")'


def test_canvas_keeps_the_titles_of_its_own_gradebook_with_a_blank_row(tmp_path):
    own = tmp_path / "grades.csv"
    own.write_text('Student,ID,SIS User ID,SIS Login ID,Section,01-wer (771),01-werewolf (772),Current Score\n\n'
                   '"    Points Possible",,,,,5,1,(read only)\n"Müller, Zoë",11,u11,zoe,A,,,\n', encoding="utf-8")
    people = read_people(own)
    head, points, zoe = parsed(canvas_csv(a_class(*people.students), people))
    assert head[5:] == ["01-wer (771)", "03-mixed-op"] and points[5:] == ["5", "4"]
    assert zoe == ["Müller, Zoë", "11", "u11", "zoe", "A", "5", ""]


def test_an_exercise_without_a_column_in_canvas_gradebook_is_named(tmp_path):
    own = tmp_path / "class.csv"
    own.write_text("Student,ID,SIS User ID,SIS Login ID,Section,01-wer (7),Mixed op (8)\nBob,12,,,,,\n")
    for file, words in ((own, ["no column of class.csv begins with 03-mixed-op: Canvas will ask"]), (None, [])):
        people = read_people(file)
        found = a_class(BOB)
        write_tables(found, people, tmp_path)
        assert found.notes == words


def test_an_empty_class_gives_headers_only():
    for text in (canvas_csv(a_class(), People()), moodle_csv(a_class())):
        assert len(parsed(text)) == 1
    assert parsed(canvas_csv(a_class(), People()))[0] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
    assert len(parsed(marks_csv(a_class()))) == 1


def test_moodles_gradebook():
    head, zoe, bob, *_ = parsed(moodle_csv(a_class(ZOE, BOB)))
    assert head == ["First name", "Last name", "ID number", "Email address", "01-wer", "03-mixed-op"]
    assert zoe == ["Zoë", "Müller", "u11", "", "5", ""] and bob[3] == "bob@x.org"


def test_moodles_own_worksheet_keeps_its_columns_and_lines(tmp_path):
    own = tmp_path / "sheet.csv"
    head = "Identifier,Full name,Status,Grade,Maximum grade,Last modified (grade),Feedback comments"
    own.write_text(f"{head}\nTeilnehmer/in 11,Zoë Müller,Submitted,,9.00,\"Monday, 2 November\",\n"
                   "Teilnehmer/in 99,Nobody,No submission,,9.00,-,\n", encoding="utf-8")
    people = read_people(own)
    assert [student.id for student in people.students] == ["11", "99"]
    found = a_class(people.students[0])
    found.students = list(people.students)
    assert parsed(moodle_sheet(found, people))[1][3] == ""  # one exercise is not graded: no sum
    found.rows["11", "03-mixed-op"].auto = 4
    lines = parsed(moodle_sheet(found, people))
    assert "01-wer: 5 of 5" in lines[1][6]
    assert ",".join(lines[0]) == head
    assert lines[1][:6] == ["Teilnehmer/in 11", "Zoë Müller", "Submitted", "9", "9.00", "Monday, 2 November"]
    assert lines[2][3] == "" and lines[2][5] == "-"


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-cmd", "@SUM(A1)", "\t=1", " =1", "\r=1", "＝1", "＠x", "=x\n"])
def test_a_formula_is_shown_and_not_run(text):
    assert safe(text) == "'" + text


@pytest.mark.parametrize("text", ["", "-", "5", "-2", "+3.5", "Müller, Zoë", "O'Brien", "a=b", "x@y.org", "2-3"])
def test_all_else_stays_as_it_is(text):
    assert safe(text) == text


def test_files_are_utf_8_and_only_the_one_for_people_has_a_mark(tmp_path):
    found = a_class(ZOE, layout="a download from Moodle")
    write_tables(found, People((ZOE,), "moodle", ("Identifier",)), tmp_path)
    names = {"marks.csv", "canvas.csv", "moodle.csv"}
    assert {path.name for path in tmp_path.iterdir()} == names | {"moodle-worksheet.csv"} and not found.notes
    write_tables(found, People(), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == names  # Moodle would not take another one
    assert any("give it as --students" in note for note in found.notes)
    for path in tmp_path.iterdir():
        assert path.read_bytes().startswith(b"\xef\xbb\xbf") == (path.name == "marks.csv")
        assert "Müller" in path.read_text(encoding="utf-8-sig")


def test_names_come_back_as_they_went(tmp_path):
    for student in (ZOE, BOB, TWIN):
        path = Path(tmp_path / "canvas.csv")
        path.write_text(canvas_csv(a_class(student), People()), encoding="utf-8")
        assert read_people(path).students[0].name == student.name
