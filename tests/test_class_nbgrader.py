"""Our gradebook and feedback in nbgrader's own hands, and the course's folders graded by nbgrader alone."""

from __future__ import annotations

import copy
import csv
import html
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from class_judge import PaperJudge
from class_of import notebook_of
from exercise_files import EXERCISES, cells_code, solution_code

from speechnas_lab.grading.blank import blank
from speechnas_lab.grading.classes import run
from speechnas_lab.grading.classes.gradebook import autograded, opened
from speechnas_lab.grading.classes.marks import Row
from speechnas_lab.grading.classes.run import Settings, grade_class

nbgrader = pytest.importorskip("nbgrader")
ROOT = Path(__file__).resolve().parents[1]


def command(folder: Path, *words: str) -> str:
    """One of nbgrader's commands; what it said. It must end well."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run([sys.executable, "-m", "nbgrader", *words], cwd=folder, capture_output=True, text=True,
                          env={**os.environ, "PATH": path, "SPEECHNAS_HOME": str(folder)}, timeout=600)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout + done.stderr


@pytest.fixture
def classroom(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "write_autograder", lambda *_: None)
    (tmp_path / "list.csv").write_text('id,first name,last name,email\nanna,Zoë,Müller,z@x.org\n'
                                       'bob,Bob,O\'Brien,\nlate,Noor,Kaya,\n', encoding="utf-8")
    for student, code in (("anna", "# points: 5"), ("bob", "# points: 3 # slip"), ("eve", "# points: fault")):
        path = tmp_path / "in" / student / "01-wer" / "01-wer.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(notebook_of("01-wer", code)), encoding="utf-8")
        path.with_name("timestamp.txt").write_text("2026-11-03 10:00:00 UTC")
    mix = tmp_path / "in" / "bob" / "03-mixed-op" / "03-mixed-op.ipynb"
    mix.parent.mkdir()
    mix.write_text(json.dumps(notebook_of("03-mixed-op", "")))

    def again() -> Path:
        settings = Settings(people=tmp_path / "list.csv", judge=PaperJudge, seed=1)
        grade_class(tmp_path / "in", tmp_path / "out", settings)
        return tmp_path / "out"

    return again


def exported(course: Path) -> dict[tuple[str, str], dict[str, str]]:
    command(course, "export", "--to", "grades.csv")
    rows = csv.DictReader((course / "grades.csv").read_text(encoding="utf-8").splitlines())
    return {(row["student_id"], row["assignment"]): row for row in rows}


def test_nbgraders_api_reads_the_gradebook(classroom):
    course = classroom() / "nbgrader"
    with opened(course / "gradebook.db") as book:
        assert {student.id for student in book.students} == {"anna", "bob", "eve", "late"}
        assert [one.name for one in book.assignments] == ["01-wer", "03-mixed-op"]
        assert {one.name: one.max_score for one in book.assignments} == {"01-wer": 5, "03-mixed-op": 4}
        scores = {s.student.id: s.score for s in book.assignment_submissions("01-wer")}
        assert scores == {"anna": 5, "bob": 3, "eve": 0}
        assert {s.student.id for s in book.assignment_submissions("01-wer") if s.needs_manual_grade} == {"eve"}
        assert book.find_student("anna").first_name == "Zoë" and book.find_student("bob").last_name == "O'Brien"


def listed(course: Path) -> dict[str, dict]:
    """What formgrader lists: assignment -> what it says of it."""
    from nbgrader.apps.api import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory

    found = NbGraderAPI(CourseDirectory(root=str(course), course_id="speechnas_lab"))
    with found.gradebook:
        return {one["name"]: {**one, "people": found.get_submissions(one["name"])} for one in found.get_assignments()}


def test_formgrader_lists_the_assignments_with_everybodys_scores(classroom, tmp_path):
    (tmp_path / "in" / "bob" / "01-wer" / "timestamp.txt").write_text("2026-11-03 10:00:00.25 Europe/Berlin")
    for _ in range(2):
        out = classroom()
        (out / "manual.csv").write_text("student,exercise,points,comment\nanna,03-mixed-op,2,by mail\n")
    told = listed(out / "nbgrader")
    assert {id: (one["num_submissions"], one["max_score"]) for id, one in told.items()} == {
        "01-wer": (3, 5), "03-mixed-op": (1, 4)}  # fmt: skip
    scores = {(id, one["student"]): one["score"] for id, each in told.items() for one in each["people"]}
    assert scores == {("01-wer", "anna"): 5, ("01-wer", "bob"): 3, ("01-wer", "eve"): 0, ("03-mixed-op", "bob"): 0,
                      ("03-mixed-op", "anna"): 2}  # fmt: skip
    assert all(one["autograded"] for each in told.values() for one in each["people"])
    blanks = out / "nbgrader" / "source" / "01-wer" / "01-wer.ipynb"
    assert blanks.read_text(encoding="utf-8") == blank("01-wer")
    assert not list((out / "nbgrader" / "submitted").rglob("*.ipynb"))  # nothing there for nbgrader to run


def test_marks_given_in_formgrader_are_kept_and_those_of_manual_csv_win(classroom):
    out = classroom()
    with opened(out / "nbgrader" / "gradebook.db") as book:
        for student in ("eve", "bob"):
            book.find_grade("check", "01-wer", "01-wer", student).manual_score = 4
        book.db.commit()

    def marks() -> dict[str, str]:
        classroom()
        rows = csv.DictReader((out / "marks.csv").read_text(encoding="utf-8-sig").splitlines())
        return {row["student"]: row["01-wer"] for row in rows}

    assert marks() == marks() == {"anna": "5", "bob": "4", "eve": "4", "late": ""}
    (out / "manual.csv").write_text("student,exercise,points,comment\nbob,01-wer,1,\nanna,01-wer,0,\neve,01-wer,,why\n")
    assert marks() == {"anna": "0", "bob": "1", "eve": "4", "late": ""}
    (out / "manual.csv").write_text("student,exercise,points,comment\n")
    assert marks() == {"anna": "5", "bob": "3", "eve": "4", "late": ""}


def copied(code: str, name: str = "answer", first: bool = False, code_of_copy: str = "# points: 1") -> dict:
    """A notebook in which one cell stands twice, as editors copy it: without its own id."""
    notebook = notebook_of("01-wer", code)
    at = next(place for place, cell in enumerate(notebook["cells"]) if cell["id"] == name)
    twin = copy.deepcopy(notebook["cells"][at])
    twin["id"], twin["source"] = "f00d", code_of_copy
    notebook["cells"].insert(0 if first else at + 1, twin)
    return notebook


def swapped(code: str) -> dict:
    notebook = notebook_of("01-wer", code)
    ids = {cell["id"]: cell["metadata"].get("nbgrader") for cell in notebook["cells"]}
    ids["answer"]["grade_id"], ids["check"]["grade_id"] = "check", "answer"
    return notebook


def spaced(code: str) -> dict:
    notebook = notebook_of("01-wer", code)
    for cell in notebook["cells"]:
        if cell["id"] == "answer":
            cell["metadata"]["nbgrader"]["grade_id"] = "answer "
    return notebook


def test_copied_cells_and_swapped_ids_keep_their_rows_in_the_gradebook(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "write_autograder", lambda *_: None)
    good = "# points: 5"
    odd = {"after": copied(good), "first": copied(good, first=True), "check": copied(good, "check"),
           "swapped": swapped(good), "spaced": spaced(good)}  # fmt: skip
    for student, notebook in odd.items():
        for id, text in (("01-wer", notebook), ("03-mixed-op", notebook_of("03-mixed-op", "# points: 4"))):
            path = tmp_path / "in" / student / id / f"{id}.ipynb"
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps(text), encoding="utf-8")
    grade_class(tmp_path / "in", tmp_path / "out", Settings(judge=PaperJudge, seed=1))
    with opened(tmp_path / "out" / "nbgrader" / "gradebook.db") as book:
        for id, points in (("01-wer", 5), ("03-mixed-op", 4)):
            assert {s.student.id: s.score for s in book.assignment_submissions(id)} == dict.fromkeys(odd, points)
    for student in odd:
        page = (tmp_path / "out" / "feedback" / f"{student}.html").read_text(encoding="utf-8")
        assert re.search("stands on cells|now called|space around it", page), student


def test_a_damaged_gradebook_is_told_and_not_lost(classroom):
    out = classroom()
    (out / "nbgrader" / "gradebook.db").write_bytes(b"SQLite format 3\0 no more")
    with pytest.raises(run.BadInput, match="gradebook.db is damaged"):
        classroom()
    (out / "nbgrader" / "gradebook.db").unlink()
    assert (classroom() / "nbgrader" / "gradebook.db").stat().st_size > 10_000


def test_an_autograded_notebook_holds_the_answer_and_nothing_else_of_the_student(tmp_path):
    notebook = notebook_of("03-mixed-op", "def mix(x, operations, alpha):\n    return 1")
    notebook["cells"].append({"cell_type": "code", "id": "mine", "metadata": {}, "source": "secret()", "outputs": [],
                              "execution_count": 1})  # fmt: skip
    for cell in notebook["cells"]:
        cell["metadata"].setdefault("nbgrader", {})["points"] = 4321
        if cell["cell_type"] == "code":
            cell["outputs"] = [{"output_type": "display_data", "data": {"text/html": "<script>"}, "metadata": {}}]
    (tmp_path / "03-mixed-op.ipynb").write_text(json.dumps(notebook))
    text = autograded(Row("a", "03-mixed-op", 4, "wrong", auto=0, path=tmp_path / "03-mixed-op.ipynb"))
    made, clean = json.loads(text), json.loads(blank("03-mixed-op"))
    assert "secret" not in text and "<script>" not in text and "4321" not in text
    assert [cell["metadata"] for cell in made["cells"]] == [cell["metadata"] for cell in clean["cells"]]
    assert "return 1" in text and "wrong (public checks)" in text


@pytest.mark.slow
def test_nbgraders_own_feedback_shows_our_marks_and_no_hidden_test(classroom):
    course = classroom() / "nbgrader"
    ours = (course / "feedback" / "bob" / "01-wer" / "01-wer.html").read_text(encoding="utf-8")
    assert "3 of 5 points" in ours and "it counts words" in ours
    command(course, "generate_feedback", "01-wer", "--force")
    for student, score in (("anna", "5.0"), ("bob", "3.0")):
        page = (course / "feedback" / student / "01-wer" / "01-wer.html").read_text(encoding="utf-8")
        words = html.unescape(re.sub(r"<[^>]+>", " ", page))
        assert f"Score: {score} / 5.0" in " ".join(words.split()) and "HIDDEN" not in page
    assert "it counts words" in page
    rows = exported(course)
    assert {key[0]: row["score"] for key, row in rows.items() if key[1] == "01-wer"} == {
        "anna": "5.0", "bob": "3.0", "eve": "0.0", "late": "0.0"}  # fmt: skip
    assert rows["anna", "01-wer"]["timestamp"].startswith("2026-11-03 10:00")
    command(course, "db", "student", "list")
    command(course, "db", "assignment", "list")


def handed_in(course: Path, student: str, id: str, solved: bool) -> None:
    """The released notebook, blank or with the solution's answer cells."""
    notebook = json.loads((course / "exercises" / id / f"{id}.ipynb").read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if solved and cell["id"].startswith("answer"):
            cell["source"] = cells_code(id, cell["id"])
    path = course / "submitted" / student / id / f"{id}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(notebook), encoding="utf-8")


@pytest.mark.slow
def test_an_nbgrader_course_uses_the_folders_without_our_command(tmp_path):
    """solutions/ dropped into a course: every exercise released and graded by nbgrader alone."""
    shutil.copytree(ROOT / "solutions", tmp_path / "solutions")
    shutil.copy(ROOT / "nbgrader_config.py", tmp_path)
    wrong = []
    for id in EXERCISES:
        command(tmp_path, "generate_assignment", id)
        released = json.loads((tmp_path / "exercises" / id / f"{id}.ipynb").read_text(encoding="utf-8"))
        assert released["cells"] == json.loads(blank(id))["cells"], id
        handed_in(tmp_path, "anna", id, solved=True)
        handed_in(tmp_path, "bob", id, solved=False)
        command(tmp_path, "autograde", id)
    for (student, id), row in exported(tmp_path).items():
        full = float(row["max_score"])
        if float(row["score"]) != (full if student == "anna" else 0) or not full:
            wrong.append((student, id, row["score"], full))
    assert not wrong
    page = feedback_page(tmp_path, "bob", "03-mixed-op")
    assert "HIDDEN TESTS" not in page and "1.0986123" not in page and "must_pass" not in page
    assert "Not all tests passed" in page and "def mix" in page


def feedback_page(course: Path, student: str, id: str) -> str:
    command(course, "generate_feedback", id)
    page = (course / "feedback" / student / id / f"{id}.html").read_text(encoding="utf-8")
    return html.unescape(re.sub(r"<[^>]+>", "", page))


@pytest.mark.slow
def test_an_exercise_travels_through_nbgraders_exchange(tmp_path):
    """Released, fetched, handed in, collected and graded by nbgrader alone."""
    course, home, id = tmp_path / "course", tmp_path / "student", "10-pareto"
    home.mkdir()
    shutil.copytree(ROOT / "solutions" / id, course / "solutions" / id)
    config = (ROOT / "nbgrader_config.py").read_text() + f"\nc.Exchange.root = {str(tmp_path / 'exchange')!r}\n"
    for folder in (course, home):
        (folder / "nbgrader_config.py").write_text(config)
    (tmp_path / "exchange").mkdir(mode=0o777)
    (tmp_path / "exchange").chmod(0o777)
    command(course, "generate_assignment", id)
    command(course, "release_assignment", id)
    command(home, "fetch_assignment", id)
    path = home / id / f"{id}.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    next(cell for cell in notebook["cells"] if cell["id"] == "answer")["source"] = solution_code(id)
    path.write_text(json.dumps(notebook), encoding="utf-8")
    command(home, "submit", id)
    command(course, "collect", id)
    command(course, "autograde", id)
    ((_, row),) = exported(course).items()
    assert row["score"] == row["max_score"] != "0.0"
