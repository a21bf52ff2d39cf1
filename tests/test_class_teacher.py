"""What a teacher types: options that stay, names with a slip in them, lists out of spreadsheets."""

from __future__ import annotations

import csv
import io
import json
import shutil
import zipfile
from pathlib import Path

import pytest
from class_judge import PaperJudge
from class_of import notebook_of
from test_class_marks import hand_in, marks, settings

from speechnas_lab import cli
from speechnas_lab.errors import BadInput
from speechnas_lab.grading.classes import command, run
from speechnas_lab.grading.classes.collect import gather
from speechnas_lab.grading.classes.late import Late, due_words, read_due
from speechnas_lab.grading.classes.people import People, Student, read_people
from speechnas_lab.grading.classes.run import Settings, grade_class

LIST = "id,name\nmueller,\"Müller, Zoë\"\nbob,Bob O'Brien\ncarl,Carl\ncarla,Carl\n"


@pytest.fixture(autouse=True)
def paper(monkeypatch, tmp_path):
    PaperJudge.asked, PaperJudge.fails_after = [], 10**9
    monkeypatch.setattr(run, "find_spec", lambda name: None)
    monkeypatch.setattr(run, "write_autograder", lambda *_: None)
    monkeypatch.setattr(command, "Settings", lambda *words: Settings(*words, judge=PaperJudge))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def work(tmp_path) -> Path:
    for student, points in (("mueller", 5), ("bob", 3), ("carl", 4)):
        hand_in(tmp_path / "in", student, "01-wer", f"# points: {points}", "2026-11-03 00:30:00 UTC")
    (tmp_path / "class.csv").write_text(LIST, encoding="utf-8")
    return tmp_path / "in"


def said(capsys, *words: str, status: int = 0) -> str:
    """What the command says."""
    capsys.readouterr()
    assert cli.main(["grade", "in", "--out", "out", "--seed", "3", *words]) == status
    out, err = capsys.readouterr()
    return err if status else out


def table(name: str = "marks.csv") -> dict[str, dict[str, str]]:
    text = Path("out", name).read_text(encoding="utf-8-sig")
    return {row["student"]: row for row in csv.DictReader(text.splitlines())}


# Options --------------------------------------------------------------------------------------------------------------
def test_options_stay_until_they_are_changed_or_dropped(work, capsys):
    first = said(capsys, "--students", "class.csv", "--due", "2026-11-02", "--late-percent", "20")
    assert "as before" not in first and "due 2026-11-02 23:59:59 UTC" in first and "marked now: 3, kept: 0" in first
    before = table()
    assert before["mueller"]["01-wer"] == "4" and before["mueller"]["name"] == "Müller, Zoë" and len(before) == 4
    again = said(capsys, "--again", "mueller")
    assert "as before: --students class.csv --due 2026-11-02 --late-percent 20" in again
    assert "marked now: 1, kept: 2" in again and table() == before
    assert "marked now: 0, kept: 3" in said(capsys) and table() == before
    dropped = said(capsys, "--due", "none", "--students", "none")
    assert "as before: --late-percent 20" in dropped and "due" not in dropped
    assert table()["mueller"]["01-wer"] == "5" and table()["mueller"]["name"] == "mueller" and len(table()) == 3
    assert "as before: --late-percent 20\n" in said(capsys)
    assert "as before" not in said(capsys, "--late-percent", "0")
    assert "as before" not in said(capsys)


def test_limits_stay_too_so_that_an_appeal_marks_one(work, capsys):
    said(capsys, "--time", "120")
    assert "as before: --time 120" in (told := said(capsys, "--again", "bob")) and "marked now: 1, kept: 2" in told
    assert "marked now: 3" in said(capsys, "--time", "60")
    assert "marked now: 0" in said(capsys, "--time", "60")


def test_a_kept_file_is_found_from_another_folder_and_its_loss_is_told(work, capsys, tmp_path, monkeypatch):
    (tmp_path / "due.csv").write_text("exercise;due\n01-wer;2026-11-02\n")
    said(capsys, "--students", "class.csv", "--due", "due.csv")
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")
    assert cli.main(["grade", "../in", "--out", "../out"]) == 0
    assert f"--students {tmp_path / 'class.csv'}" in capsys.readouterr().out
    monkeypatch.chdir(tmp_path)
    (tmp_path / "class.csv").unlink()
    told = said(capsys, status=1)
    assert "class.csv" in told and "--students none" in told and told.strip().count("\n") == 0
    (tmp_path / "due.csv").unlink()
    assert "--due none" in said(capsys, "--students", "none", status=1)


def test_wrong_options_are_not_kept(work, capsys):
    said(capsys, "--due", "2026-11-02")
    assert "is no time" in said(capsys, "--due", "tomorrow", status=1)
    assert "nobody is called" in said(capsys, "--again", "zzz", "--late-percent", "50", status=1)
    assert "as before: --due 2026-11-02\n" in said(capsys)


# Names ----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("word", "says"), [
    ("muller", "nobody is called 'muller'; did you mean mueller?"), ("muller/01-wer", "did you mean mueller?"),
    ("zzz", "there are bob, carl, carla and mueller"), ("bob/01-wre", "no exercise is called '01-wre'; did you mean"),
    ("bob/nothing-like-it-at-all", "an id is such as 03-mixed-op"), ("carla", "carla has not handed in anything"),
    ("bob/03-mixed-op", "bob has not handed in 03-mixed-op"), ("Carl/01-wer", "2 people are called 'Carl'"),
])  # fmt: skip
def test_again_with_a_slip_is_refused(word, says, work, capsys):
    said(capsys, "--students", "class.csv")
    PaperJudge.asked = []
    told = said(capsys, "--again", word, status=1)
    assert says in told and "--again" in told and told.strip().count("\n") == 0 and not PaperJudge.asked


@pytest.mark.parametrize("word", ["mueller", "Müller, Zoë", "Zoë Müller", "zoë müller", "Müller, Zoë/01-wer"])
def test_again_takes_a_name_that_one_person_has(word, work, capsys):
    said(capsys, "--students", "class.csv")
    assert "marked now: 1, kept: 2" in said(capsys, "--again", word)


def test_a_misspelt_student_in_the_due_times(work, tmp_path, capsys):
    due = "student,exercise,due\n,01-wer,2026-11-02 12:00\n{},01-wer,2026-11-09\n"
    (tmp_path / "due.csv").write_text(due.format("muller"))
    told = said(capsys, "--students", "class.csv", "--due", "due.csv", status=1)
    assert "--due: nobody is called 'muller'; did you mean mueller?" in told and not PaperJudge.asked
    told = said(capsys, "--due", "due.csv")  # without a list, somebody may be yet to hand in
    assert "nobody is called 'muller'; did you mean mueller?; the extension for 01-wer is not used" in told
    (tmp_path / "due.csv").write_text(due.format("Zoë Müller"))
    told = said(capsys, "--students", "class.csv", "--due", "due.csv", "--late-percent", "20")
    assert "due from 2026-11-02 12:00:00 UTC to 2026-11-09 23:59:59 UTC" in told
    assert (table()["mueller"]["late_days"], table()["bob"]["late_days"]) == ("0", "1")
    (tmp_path / "due.csv").write_text("exercise,due\n01-wre,2026-11-02\n")
    assert "line 2: no exercise is called '01-wre'; did you mean" in said(capsys, "--due", "due.csv", status=1)


@pytest.mark.parametrize(("text", "ends"), [
    ("2026-11-02", "2026-11-02 23:59:59"), ("2026-11-02 Europe/Berlin", "2026-11-02 22:59:59"),
    ("2026-11-02 00:00", "2026-11-02 00:00:00"), ("2026-11-02 23:59", "2026-11-02 23:59:00"),
])  # fmt: skip
def test_a_day_alone_is_due_at_its_end(text, ends):
    assert due_words(Late(read_due(text)[0])) == f"due {ends} UTC"


# Marks by hand --------------------------------------------------------------------------------------------------------
def by_hand(*lines: str) -> None:
    Path("out").mkdir(exist_ok=True)
    Path("out", "manual.csv").write_text("\n".join(["student,exercise,points,comment", *lines]), encoding="utf-8")


@pytest.mark.parametrize(("lines", "says"), [
    (("bob,01-wer,3,", "bob,01-wer,4,"), "01-wer of bob in the lines 2 and 3"),
    (("bob,01-wer,3,", "", "Bob O'Brien,01-wer,4,"), "01-wer of bob in the lines 2 and 4"),
    (("bob,01-wre,3,",), "line 2: no exercise is called '01-wre'; did you mean 01-wer?"),
    (("bobb,01-wer,3,",), "line 2: nobody is called 'bobb'; did you mean bob?"),
])  # fmt: skip
def test_a_line_that_cannot_count_is_refused(lines, says, work, capsys):
    by_hand(*lines)
    told = said(capsys, "--students", "class.csv", status=1)
    assert says in told and told.strip().count("\n") == 0 and "03-mixed-op" not in told and not PaperJudge.asked


def test_a_mark_for_what_was_not_handed_in_is_no_notebook(work, capsys):
    by_hand("Zoë Müller,03-mixed-op,2,by mail", "bob,03-mixed-op,,please hand it in")
    told = said(capsys, "--students", "class.csv")
    assert "4 students, 3 notebooks: 2 partly right, 1 right" in told and "marked now: 3, kept: 0" in told
    assert table()["mueller"]["03-mixed-op"] == "2" and table()["bob"]["not_graded"] == ""
    page = Path("out", "report.html").read_text(encoding="utf-8")
    assert "3 notebooks, 3 marked" in page and "Waits for you" not in page
    assert "please hand it in" in Path("out", "feedback", "bob.html").read_text(encoding="utf-8")


# Lists ----------------------------------------------------------------------------------------------------------------
def test_semicolons_are_read_wherever_a_teacher_gives_a_csv(work, tmp_path):
    (tmp_path / "class.csv").write_text("id;name;email\nmueller;Müller, Zoë;z@x.org\nbob;Bob;\n", encoding="utf-8-sig")
    people = read_people(tmp_path / "class.csv")
    assert people.students[0] == Student("mueller", "Müller, Zoë", email="z@x.org")
    (tmp_path / "due.csv").write_text("exercise;due;student\n01-wer;2026-11-02;\n01-wer;2026-11-09;bob\n")
    due, longer = read_due(str(tmp_path / "due.csv"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manual.csv").write_text("student;exercise;points;comment\nmueller;01-wer;2,5;well, well\n")
    late = Late(due, percent=20, longer=longer)
    found = grade_class(work, tmp_path / "out", settings(late=late, people=tmp_path / "class.csv"))
    assert marks(found) == {("mueller", "01-wer"): 1.5, ("bob", "01-wer"): 3, ("carl", "01-wer"): 3}
    assert found.rows["mueller", "01-wer"].comment == "well, well"


@pytest.mark.parametrize(("text", "says"), [("student,exercise\n", "no column points"), ("", "no column student")])
def test_a_table_without_its_columns_says_what_it_needs(text, says, work, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manual.csv").write_text(text)
    with pytest.raises(BadInput, match=f"{says}: it needs student, exercise, points, such as anna"):
        grade_class(work, tmp_path / "out", settings())


def test_canvas_test_student_is_nobody(tmp_path):
    (tmp_path / "grades.csv").write_text(
        "Student,ID,SIS User ID,SIS Login ID,Section,01-wer (77)\n,,,,,Manual Posting\n    Points Possible,,,,,5\n"
        '"Müller, Zoë",11,u11,zoe,A,\n"Student, Test",99,,a0f3,A,\n')
    assert [one.id for one in read_people(tmp_path / "grades.csv").students] == ["11"]


@pytest.mark.parametrize(("text", "says"), [
    ("nr,name,email\n1,Bob,bob@x.org\n", "class.csv has no column called id (it has nr, name, email)"),
    ("id,name\ns12,Zoë\ns13,Bob\n", "nobody who handed in is on the list of students: ids there look like 's12', in "
                                    "the files like 'bob'"),
])  # fmt: skip
def test_a_list_of_other_ids_is_refused(text, says, work, tmp_path, capsys):
    (tmp_path / "class.csv").write_text(text, encoding="utf-8")
    assert says in said(capsys, "--students", "class.csv", status=1)
    assert not PaperJudge.asked


# What is told ---------------------------------------------------------------------------------------------------------
def test_hand_ins_that_are_no_notebook_damaged_ones_and_strangers_are_told(work, tmp_path, capsys):
    (work / "bob" / "03-mixed-op").mkdir()
    (work / "bob" / "03-mixed-op" / "answer.py").write_text("x = 1")
    (work / "carl" / "01-wer" / "plot.png").write_text("no hand-in of its own")
    (work / "carla" / "01-wer").mkdir(parents=True)
    (work / "carla" / "01-wer" / "01-wer.ipynb").write_text("")
    (work / "mueller" / "01-wer" / "02-count.pdf").write_text("pdf")
    hand_in(work, "zed", "01-wer", "# points: 1")
    hand_in(work, "dora", "01-wer", "# points: 1")
    told = said(capsys, "--students", "class.csv")
    page = Path("out", "report.html").read_text(encoding="utf-8")
    for line in ("bob/03-mixed-op: no notebook but answer.py; not marked", "but 02-count.pdf; not marked",
                 "Carl, 01-wer: it cannot be marked: the notebook is empty",
                 "not in the list of students, and added: dora and zed"):
        assert told.count(line) == 1 and page.count(line) == 1, line
    assert "plot.png" not in told
    (work / "carla" / "01-wer" / "01-wer.ipynb").write_text(json.dumps(notebook_of("01-wer", "x"))[:900])
    assert "Carl, 01-wer: it cannot be marked" in said(capsys)


def test_two_people_of_one_name_by_mail_are_told_on_the_screen(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    for name in ("anna_01-wer.ipynb", "anna_01-wer (1).ipynb"):
        (tmp_path / "in" / name).write_text(json.dumps(notebook_of("01-wer", "# points: 5")))
    told = said(capsys)
    assert "anna_01-wer (1).ipynb counts, not anna_01-wer.ipynb; if they are of two people" in told


def test_what_is_no_notebook_in_a_download_is_told(tmp_path):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as file:
        file.writestr("report.pdf", "pdf")
    canvas = {"a_1_200_01-wer.ipynb": "{}", "b_2_200_01-wer.py": "", "c_3_200_w.zip": inner.getvalue(), ".DS_Store": ""}
    kind = "assignsubmission_onlinetext_/onlinetext.html"
    moodle = {"Zoë_77_assignsubmission_file_/01-wer.ipynb": "{}", f"Zoë_77_{kind}": "hi", f"Bob_78_{kind}": "by mail",
              "Ivo_79_assignsubmission_file_/x.pdf": "pdf"}  # fmt: skip
    folder = {"anna/01-wer/01-wer.ipynb": "{}", "anna/01-wer/data.csv": "", "class.csv": "", "notes/read me.txt": "",
              "bob_02-count.py": "", "zed_01-wer.ipynb": "{}"}  # fmt: skip
    says = {"canvas": ["b_2_200_01-wer.py: no notebook", "c_3_200_w: no notebook but report.pdf"],
            "moodle": ["Bob_78: no notebook but onlinetext.html", "Ivo_79: no notebook but x.pdf"],
            "folder": ["bob_02-count.py: no notebook", "notes: no notebook but read me.txt"]}  # fmt: skip
    for name, entries in (("canvas", canvas), ("moodle", moodle), ("folder", folder)):
        place = tmp_path / f"{name}.zip"
        with zipfile.ZipFile(place, "w") as file:
            for path, content in entries.items():
                file.writestr(path, content)
        if name == "folder":
            shutil.unpack_archive(place, tmp_path / name)
            place = tmp_path / name
        notes = gather(place, People(), tmp_path / "unpacked").notes
        assert [note.partition("; not marked, ask for the .ipynb")[0] for note in notes] == says[name]
