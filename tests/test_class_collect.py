"""Whose notebook is which, in every layout; and what a ZIP must not do."""

from __future__ import annotations

import io
import json
import os
import stat
import zipfile
from pathlib import Path

import pytest
from class_of import notebook_of

from speechnas_lab.errors import BadInput
from speechnas_lab.grading.classes import archive
from speechnas_lab.grading.classes.collect import LAYOUTS, gather
from speechnas_lab.grading.classes.command import is_class
from speechnas_lab.grading.classes.people import People, Student, read_people
from speechnas_lab.grading.submission import read

WER = json.dumps(notebook_of("01-wer", "def wer(a, b): return 0"))


def put(folder: Path, *paths: str, text: str = WER) -> Path:
    for path in paths:
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    return folder


def zipped(place: Path, entries: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return place


def found(place: Path, tmp_path: Path, people: People = People()) -> tuple:  # noqa: B008
    gathered = gather(place, people, tmp_path / "unpacked")
    return gathered, {(work.student, work.exercise) for work in gathered.work}


# Layouts --------------------------------------------------------------------------------------------------------------
def test_nbgraders_folders(tmp_path):
    put(tmp_path / "c", "submitted/anna/01-wer/01-wer.ipynb", "submitted/bob/01-wer/01-wer.ipynb")
    put(tmp_path / "c", "submitted/anna/01-wer/timestamp.txt", text="2026-11-01 10:00:00.5 Europe/Berlin")
    put(tmp_path / "c", "solutions/01-wer/01-wer.ipynb", "exercises/01-wer/01-wer.ipynb")
    for place in (tmp_path / "c", tmp_path / "c" / "submitted"):
        gathered, work = found(place, tmp_path)
        assert gathered.layout == LAYOUTS["folders"] and work == {("anna", "01-wer"), ("bob", "01-wer")}
        assert {one.student: one.submitted for one in gathered.work}["anna"] == "2026-11-01T10:00:00.500000+01:00"
        assert is_class(place)


def test_a_folder_of_notebooks(tmp_path):
    put(tmp_path / "c", "anna_01-wer.ipynb", "o_brien_01_wer.ipynb", "Zoë Müller_03-mixed-op.ipynb")
    gathered, work = found(tmp_path / "c", tmp_path)
    assert work == {("anna", "01-wer"), ("o_brien", "01-wer"), ("Zoë Müller", "03-mixed-op")}
    assert gathered.layout == LAYOUTS["names"] and is_class(tmp_path / "c")


def test_a_download_from_canvas(tmp_path):
    place = zipped(tmp_path / "submissions.zip", {
        "müllerzoë_123_4567_01-wer.ipynb": WER,
        "müllerzoë_124_4568_01-wer-1.ipynb": WER,  # another of the same name
        "obrienbob_LATE_125_4569_01-wer (2).ipynb": WER,
        "obrienbob_LATE_125_4569_03-mixed-op.ipynb": WER,
    })  # fmt: skip
    gathered, work = found(place, tmp_path)
    assert gathered.layout == LAYOUTS["canvas"]
    assert work == {("123", "01-wer"), ("124", "01-wer"), ("125", "01-wer"), ("125", "03-mixed-op")}
    assert {one.student for one in gathered.work if one.late} == {"125"}
    assert gathered.students["123"].called == gathered.students["124"].called == "müllerzoë"
    assert all(read(one.path).cells for one in gathered.work)


@pytest.mark.parametrize("entry", ["Zoë Müller_1234_assignsubmission_file_/01-wer.ipynb",
                                   "Zoë Müller_1234_assignsubmission_file/01-wer.ipynb",
                                   "Zoë Müller_1234_assignsubmission_file_01-wer.ipynb"])  # fmt: skip
def test_a_download_from_moodle(entry, tmp_path):
    gathered, work = found(zipped(tmp_path / "week.zip", {entry: WER}), tmp_path)
    assert gathered.layout == LAYOUTS["moodle"] and work == {("1234", "01-wer")}
    assert gathered.students["1234"].called == "Zoë Müller"


def test_a_zip_in_a_zip_is_opened_once(tmp_path):
    inner, deep = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(deep, "w") as file:
        file.writestr("02-count.ipynb", WER)
    with zipfile.ZipFile(inner, "w") as file:
        file.writestr("my work/01-wer.ipynb", WER)
        file.writestr("more.zip", deep.getvalue())
    place = zipped(tmp_path / "c.zip", {"anna_1_200_work.zip": inner.getvalue()})
    gathered, work = found(place, tmp_path)
    assert work == {("1", "01-wer")}
    assert any("ZIP in a ZIP in a ZIP" in note for note in gathered.notes)


def test_a_folder_may_hold_a_download_for_each_exercise(tmp_path):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as file:
        file.writestr("work/02-count.ipynb", WER)
    (tmp_path / "c").mkdir()
    first = {"zoë_123_4567_01-wer.ipynb": WER, "bob_9_4568_w.zip": inner.getvalue()}
    zipped(tmp_path / "c" / "submissions (1).zip", first)
    zipped(tmp_path / "c" / "03-mixed-op.zip", {"zoë_123_4570_03-mixed-op.ipynb": WER})
    zipped(tmp_path / "c" / "week 2.zip", {"Zoë M_77_assignsubmission_file_/10-pareto.ipynb": WER})
    gathered, work = found(tmp_path / "c", tmp_path)
    assert work == {("123", "01-wer"), ("9", "02-count"), ("123", "03-mixed-op"), ("77", "10-pareto")}
    assert not gathered.notes


def test_two_downloads_from_moodle_are_refused_because_their_numbers_clash(tmp_path):
    (tmp_path / "c").mkdir()
    zipped(tmp_path / "c" / "week 1.zip", {"Zoë M_77_assignsubmission_file_/01-wer.ipynb": WER})
    zipped(tmp_path / "c" / "week 2.zip", {"Bob_77_assignsubmission_file_/10-pareto.ipynb": WER})
    with pytest.raises(BadInput, match="several downloads from Moodle"):
        found(tmp_path / "c", tmp_path)


def test_a_renamed_notebook_is_known_by_what_it_holds(tmp_path):
    put(tmp_path / "c", "anna/homework.ipynb", "bob/x/01-wer/Untitled.ipynb")
    put(tmp_path / "c", "carl/empty.ipynb", text='{"cells": []}')
    gathered, work = found(tmp_path / "c", tmp_path)
    assert work == {("anna", "01-wer"), ("bob", "01-wer")}
    assert all("was called" in one.notes[0] for one in gathered.work)
    assert any("carl/empty.ipynb: no exercise" in note for note in gathered.notes)


def test_of_several_the_last_counts(tmp_path):
    put(tmp_path / "c", "anna/01-wer.ipynb", "anna/01-wer-2.ipynb", "anna/01-wer-Copy9.ipynb", "bob/01-wer (1).ipynb",
        "bob/01-wer.ipynb", "anna/.ipynb_checkpoints/01-wer-checkpoint.ipynb")  # fmt: skip
    gathered, _ = found(tmp_path / "c", tmp_path)
    assert [one.path.name for one in gathered.work] == ["01-wer-2.ipynb", "01-wer (1).ipynb"]
    assert "3 notebooks of this exercise" in gathered.work[0].notes[0]
    place = zipped(tmp_path / "c.zip", {"a_1_300_01-wer-1.ipynb": WER, "a_1_400_01-wer.ipynb": WER + " "})
    (work,) = found(place, tmp_path)[0].work
    assert work.path.read_text(encoding="utf-8") == WER + " "


def test_no_class_and_an_empty_one(tmp_path):
    (tmp_path / "empty").mkdir()
    gathered, work = found(tmp_path / "empty", tmp_path)
    assert not work and not gathered.students and not is_class(tmp_path / "empty")
    with pytest.raises(BadInput, match="nothing tells whose"):
        found(put(tmp_path / "c", "notes.ipynb"), tmp_path)
    (tmp_path / "file.txt").write_text("no ZIP")
    with pytest.raises(BadInput, match="no folder and no ZIP"):
        found(tmp_path / "file.txt", tmp_path)


# Names ----------------------------------------------------------------------------------------------------------------
def test_two_of_one_name_stay_two_and_ids_make_safe_folders():
    twins = [Student("1", "Zoë Müller"), Student("2", "Zoë Müller")]
    assert len({one.folder for one in twins}) == 2
    ugly = [Student(id) for id in ("a/b", "a-b", "..", ".", "a b", "=1+1", "con\n", "ü")]
    assert len({one.folder for one in ugly}) == len(ugly)
    assert all("/" not in one.folder and one.folder.strip(".") and "\n" not in one.folder for one in ugly)


def test_names_in_other_encodings_are_the_same_person(tmp_path):
    """A ZIP that forgot to say that its names are UTF-8, and a Mac that writes letters and accents apart."""
    (tmp_path / "list.csv").write_text("id,name\nzoë,Zoë Müller\n", encoding="utf-8")
    place = tmp_path / "c.zip"
    with zipfile.ZipFile(place, "w") as file:
        file.writestr("zo__/01-wer.ipynb", WER)  # plain ASCII, so the flag is not set
        file.writestr("zoe\u0308/02-count.ipynb", WER)
    place.write_bytes(place.read_bytes().replace(b"zo__/01-wer", "zoë/01-wer".encode()))
    _, work = found(place, tmp_path, read_people(tmp_path / "list.csv"))
    assert work == {("zoë", "01-wer"), ("zoë", "02-count")}


def test_the_list_gives_names_by_id_number_login_or_address(tmp_path):
    list_of = tmp_path / "canvas.csv"
    list_of.write_text('Student,ID,SIS User ID,SIS Login ID,Section,01-wer (77)\n,,,,,\n    Points Possible,,,,,5\n'
                       '"Müller, Zoë",123,u1,zoe,A,\n"O\'Brien ""Bob""",124,u2,bob,B,\n', encoding="utf-8-sig")
    people = read_people(list_of)
    assert people.kind == "canvas" and [one.name for one in people.students] == ["Müller, Zoë", 'O\'Brien "Bob"']
    for id in ("123", "u1", "zoe"):
        assert people.find(Student(id)).id == "123"
    assert people.find(Student("999", "Müller, Zoë")).id == "999"  # never by name
    put(tmp_path / "c", "bob/01-wer/01-wer.ipynb")
    gathered, work = found(tmp_path / "c", tmp_path, people)
    assert work == {("124", "01-wer")} and set(gathered.students) == {"123", "124"}


@pytest.mark.parametrize(("text", "says"), [
    ("", "is empty"), ("name\nanna\n", "no column called id"), ("id,name\n,anna\n", "line 2"), ("id\n1\n1\n", "line 3"),
])  # fmt: skip
def test_a_list_that_cannot_be_used(text, says, tmp_path):
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(BadInput, match=says):
        read_people(tmp_path / "list.csv")


# Nobody hands in for somebody else ------------------------------------------------------------------------------------
def test_a_name_inside_a_students_own_files_makes_no_other_student(tmp_path):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as file:
        for name in ("victim_123_4567_01-wer.ipynb", "Victim_123_assignsubmission_file_/01-wer.ipynb",
                     "submitted/victim/01-wer/01-wer.ipynb", "victim_01-wer.ipynb",
                     "03-mixed-op/victim_123_4567_01-wer.ipynb"):
            file.writestr(name, WER)
    put(tmp_path / "c", "eve/victim_123_4567_01-wer.ipynb", "anna/01-wer/01-wer.ipynb")
    (tmp_path / "c" / "eve" / "work.zip").write_bytes(inner.getvalue())
    (tmp_path / "c" / "mallory.zip").write_bytes(inner.getvalue())
    assert {student for student, _ in found(tmp_path / "c", tmp_path)[1]} == {"anna", "eve", "mallory"}
    canvas = zipped(tmp_path / "c.zip", {"eve_1_2000_work.zip": inner.getvalue(),
                                         "eve_1_2000_victim_123_4567_02-count.ipynb": WER})
    assert {student for student, _ in found(canvas, tmp_path)[1]} == {"1"}
    twice = "Eve_77_assignsubmission_file_x_123_assignsubmission_file_01-wer.ipynb"
    moodle = zipped(tmp_path / "m.zip", {"Eve_77_assignsubmission_file_/work.zip": inner.getvalue(), twice: WER})
    gathered, work = found(moodle, tmp_path)
    assert {student for student, _ in work} == {"77"} and any("two numbers" in note for note in gathered.notes)


def test_a_time_that_a_student_packed_is_no_time(tmp_path):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as file:
        file.writestr("01-wer.ipynb", WER)
        file.writestr("timestamp.txt", "2020-01-01 00:00:00 UTC")
    put(tmp_path / "c", "eve/01-wer/timestamp.txt", text="2026-11-03 10:00:00 UTC")
    (tmp_path / "c" / "eve" / "01-wer" / "x.zip").write_bytes(inner.getvalue())
    place = zipped(tmp_path / "c.zip", {"eve_1_2000_01-wer.zip": inner.getvalue()})
    for one in (tmp_path / "c", place):
        assert {work.submitted for work in found(one, tmp_path)[0].work} == {""}


# What a ZIP must not do -----------------------------------------------------------------------------------------------
def test_nothing_is_written_outside(tmp_path):
    place = tmp_path / "in" / "c.zip"
    place.parent.mkdir()
    link = zipfile.ZipInfo("eve/02-count/02-count.ipynb")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(place, "w") as file:
        file.writestr("anna/01-wer/01-wer.ipynb", WER)
        file.writestr("../../evil_01-wer.ipynb", WER)
        file.writestr("/tmp/evil_01-wer.ipynb", WER)
        file.writestr("..\\evil_01-wer.ipynb", WER)
        file.writestr("C:/evil_01-wer.ipynb", WER)
        file.writestr(link, "/etc/passwd")
    gathered, work = found(place, tmp_path)
    assert work == {("anna", "01-wer")}
    assert sum("leads out" in note for note in gathered.notes) == 4 and any("a link" in note for note in gathered.notes)
    written = set(tmp_path.rglob("*.ipynb"))
    assert written == {tmp_path / "unpacked" / "anna" / "01-wer" / "01-wer.ipynb"}


def test_a_bomb_is_left_out_and_the_rest_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "LARGEST", 2**20)
    monkeypatch.setattr(archive, "TOGETHER", 3 * 2**20)
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as file:
        for number in range(9):
            file.writestr(f"{number}/01-wer.ipynb", WER + " " * 900_000)
    entries = {"anna/01-wer.ipynb": WER, "bomb/01-wer.ipynb": b"0" * (2**20 + 1), "more/work.zip": inner.getvalue()}
    gathered, work = found(zipped(tmp_path / "c.zip", entries), tmp_path)
    assert ("anna", "01-wer") in work and ("bomb", "01-wer") not in work
    assert any("larger than" in note for note in gathered.notes) and any("together" in note for note in gathered.notes)


def test_a_bomb_that_lies_about_its_size_is_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "LARGEST", 2**20)
    place = zipped(tmp_path / "c.zip", {"anna/01-wer.ipynb": WER, "bomb/01-wer.ipynb": b"0" * 2**22})
    raw = bytearray(place.read_bytes())
    size = (2**22).to_bytes(4, "little")
    while (at := raw.find(size)) >= 0:
        raw[at : at + 4] = (1000).to_bytes(4, "little")
    place.write_bytes(raw)
    gathered, work = found(place, tmp_path)
    assert work == {("anna", "01-wer")} and any("damaged" in note for note in gathered.notes)


def test_links_pipes_and_damaged_zips_in_a_folder_are_left_out(tmp_path):
    put(tmp_path / "c", "anna/01-wer/01-wer.ipynb")
    (tmp_path / "c" / "eve").mkdir()
    os.symlink("/etc/passwd", tmp_path / "c" / "eve" / "01-wer.ipynb")
    os.symlink("/etc", tmp_path / "c" / "mallory")
    os.mkfifo(tmp_path / "c" / "eve" / "02-count.ipynb")
    (tmp_path / "c" / "eve" / "work.zip").write_bytes(b"PK\x03\x04 no more")
    gathered, work = found(tmp_path / "c", tmp_path)
    assert work == {("anna", "01-wer")}
    assert sum(": a link" in note for note in gathered.notes) == 2
    assert any("no plain file" in note for note in gathered.notes) and any("damaged" in note for note in gathered.notes)
