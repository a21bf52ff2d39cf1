"""Our gradebook and feedback in nbgrader's own hands, and the course's folders graded by nbgrader alone."""

from __future__ import annotations

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
from exercise_files import solution_code

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


@pytest.mark.slow
def test_an_nbgrader_course_uses_the_folders_without_our_command(tmp_path):
    """solutions/ dropped into a course, released, collected and graded by nbgrader alone."""
    for name in ("solutions", "exercises"):
        shutil.copytree(ROOT / name / "03-mixed-op", tmp_path / name / "03-mixed-op")
    shutil.copy(ROOT / "nbgrader_config.py", tmp_path)
    shutil.rmtree(tmp_path / "exercises")
    command(tmp_path, "generate_assignment", "03-mixed-op")
    released = tmp_path / "exercises" / "03-mixed-op" / "03-mixed-op.ipynb"
    assert json.loads(released.read_text())["cells"] == json.loads(blank("03-mixed-op"))["cells"]
    answers = {"anna": solution_code("03-mixed-op"), "bob": "def mix(x, operations, alpha): return x"}
    for student, code in answers.items():
        path = tmp_path / "submitted" / student / "03-mixed-op" / "03-mixed-op.ipynb"
        path.parent.mkdir(parents=True)
        notebook = json.loads(released.read_text())
        next(cell for cell in notebook["cells"] if cell["id"] == "answer")["source"] = code
        path.write_text(json.dumps(notebook))
    command(tmp_path, "autograde", "03-mixed-op")
    rows = exported(tmp_path)
    assert rows["anna", "03-mixed-op"]["score"] == "4.0" and rows["bob", "03-mixed-op"]["score"] == "0.0"
    command(tmp_path, "generate_feedback", "03-mixed-op")
    page = (tmp_path / "feedback" / "bob" / "03-mixed-op" / "03-mixed-op.html").read_text(encoding="utf-8")
    words = html.unescape(re.sub(r"<[^>]+>", "", page))
    assert "HIDDEN TESTS" not in words and "1.0986123" not in words and "must_pass" not in words
    assert "Not all tests passed" in words and "def mix" in words
