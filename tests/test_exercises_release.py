"""What a learner gets: exercises/ is what nbgrader makes of solutions/, and gives nothing away."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import pytest
from exercise_files import HERE, ROOT
from exercise_release import release, solved

from speechnas_lab.grading import EXERCISES
from speechnas_lab.grading.blank import blank
from speechnas_lab.grading.course import exercise

REGION = r"^[ \t]*### BEGIN {0}\n(.*?)^[ \t]*### END {0}$"


def solution(id: str) -> nbformat.NotebookNode:
    return nbformat.read(ROOT / "solutions" / id / f"{id}.ipynb", as_version=4)


def released(id: str) -> Path:
    return ROOT / "exercises" / id / f"{id}.ipynb"


def regions(id: str, kind: str) -> list[str]:
    """All regions BEGIN/END `kind` of a solution."""
    text = "\n\n".join(cell.source for cell in solution(id).cells)
    return re.findall(REGION.format(kind), text, flags=re.S | re.M)


def telling(id: str, kind: str) -> list[str]:
    """The lines of these regions, without those that are too short to tell anything or stand in the task as well."""
    task = next(cell.source for cell in solution(id).cells if cell.id == "task")
    lines = {line.strip() for part in regions(id, kind) for line in part.splitlines()}
    return [line for line in lines if len(line) > 12 and line not in task]


def same_as_released(id: str, folder: Path) -> None:
    assert release(id, folder).read_bytes() == released(id).read_bytes(), f"{id}: run `make exercises`"
    assert sorted(path.name for path in (folder / id).iterdir()) == [f"{id}.ipynb"]


def test_one_exercise_is_what_nbgrader_makes_of_its_solution(tmp_path):
    same_as_released("03-mixed-op", tmp_path)
    assert not (ROOT / "gradebook.db").exists()


@pytest.mark.slow
@pytest.mark.parametrize("id", solved())
def test_every_exercise_is_what_nbgrader_makes_of_its_solution(id, tmp_path):
    same_as_released(id, tmp_path)


@pytest.mark.parametrize("id", solved())
def test_what_is_not_the_answer_is_the_same_in_both(id):
    """Quick, for all: each cell outside the regions is the solution's, each answer has its blank."""
    mine = nbformat.read(released(id), as_version=4)
    assert [cell.id for cell in mine.cells] == [cell.id for cell in solution(id).cells], f"{id}: run `make exercises`"
    for cell, full in zip(mine.cells, solution(id).cells, strict=True):
        stub = r"\g<1># YOUR CODE HERE\n\g<1>raise NotImplementedError()"
        text = re.sub(r"^([ \t]*)### BEGIN SOLUTION\n.*?### END SOLUTION$", stub, full.source, flags=re.S | re.M)
        text = re.sub(REGION.format("HIDDEN TESTS"), "", text, flags=re.S | re.M)
        assert cell.source.rstrip() == text.rstrip(), f"{id}, cell {cell.id}: run `make exercises`"


@pytest.mark.parametrize("id", solved())
def test_nothing_is_given_away(id):
    text = released(id).read_text(encoding="utf-8")
    flat = "\n".join(cell.source + json.dumps(cell.metadata) for cell in nbformat.reads(text, 4).cells)
    assert "BEGIN" not in text and "HIDDEN" not in text and "must_pass" not in text
    hidden, secret = telling(id, "HIDDEN TESTS"), telling(id, "SOLUTION")
    assert secret and any(line.startswith("assert ") for line in hidden), "a solution has hidden tests"
    for line in hidden + secret:
        assert line not in flat, line
    assert flat.count("raise NotImplementedError()") == len(regions(id, "SOLUTION"))


@pytest.mark.parametrize("id", solved())
def test_the_notebook_is_clean(id):
    for notebook in (nbformat.read(released(id), as_version=4), solution(id)):
        nbformat.validate(notebook)
        ids = [cell.id for cell in notebook.cells]
        grade_ids = [cell.metadata["nbgrader"]["grade_id"] for cell in notebook.cells]
        assert len(set(ids)) == len(ids) and len(set(grade_ids)) == len(grade_ids)
        assert {"task", "given", "answer", "check", "next"} <= set(grade_ids)
        assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)
        assert set(notebook.metadata) == {"kernelspec", "language_info"}
        assert all(cell.id == cell.metadata["nbgrader"]["grade_id"] for cell in notebook.cells)
    answers = [cell for cell in notebook.cells if cell.id.startswith("answer")]
    assert all(cell.metadata["nbgrader"]["solution"] for cell in answers)


@pytest.mark.parametrize("id", solved())
def test_the_text_agrees_with_the_checks(id):
    found = exercise(id)
    cells = {cell.id: cell for cell in solution(id).cells}
    task = cells["task"].source
    assert re.match(rf"# Exercise {id}: ", task)
    assert f"**Difficulty** {found.difficulty} of 5" in task and f"about {found.minutes} minutes" in task
    assert cells["check"].metadata["nbgrader"]["points"] == found.points, "POINTS of the check cell"
    assert cells["check"].source.startswith(f'check("{id}")')
    code = "\n".join(cell.source for name, cell in cells.items() if name.startswith("answer"))
    assert all(re.search(rf"^(def|class) {name}\b", code, flags=re.M) for name in found.defines)


@pytest.mark.parametrize("id", solved())
def test_links_lead_somewhere(id):
    text = "\n".join(cell.source for cell in solution(id).cells if cell.cell_type == "markdown")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    assert f"../../notebooks/{exercise(id).lesson}.ipynb" in links
    for link in links:
        assert (released(id).parent / link).is_file(), link


@pytest.mark.parametrize("id", solved())
def test_the_blank_that_reset_brings_back_is_the_released_one(id):
    assert blank(id) == released(id).read_text(encoding="utf-8"), "run `make exercises`"


def test_every_exercise_of_the_course_is_here():
    assert list(EXERCISES) == solved() == HERE
    assert {path.name for path in (ROOT / "exercises").iterdir()} == set(EXERCISES)
