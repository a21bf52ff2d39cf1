"""docs/teaching.md: its plan is the course's, its commands and files are there, and its way to mark a class works."""

from __future__ import annotations

import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from speechnas_lab.cli import make_parser
from speechnas_lab.grading.checks import pareto
from speechnas_lab.grading.classes.collect import gather
from speechnas_lab.grading.classes.people import People
from speechnas_lab.grading.course import EXERCISES, exercise
from speechnas_lab.grading.writing.source import notebook

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "teaching.md").read_text(encoding="utf-8")
PLAN = re.findall(r"^\| (\d+) \| ([\d, ]+) \| ([\w, -]+) \| (\d+) \|$", TEXT, flags=re.M)


def minutes(lesson: Path) -> int:
    prose = " ".join(cell["source"] for cell in notebook(lesson)["cells"] if cell["cell_type"] == "markdown")
    return int(re.search(r"bout (\d+) minutes of your time", prose)[1])


def test_the_plan_holds_every_lesson_and_exercise_once_with_its_minutes():
    lessons = {path.name[:2]: path for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert [number for _, row, _, _ in PLAN for number in row.split(", ")] == sorted(lessons)
    assert sorted(id for *_, row, _ in PLAN for id in row.split(", ")) == sorted(EXERCISES)
    for week, (number, row, exercises, together) in enumerate(PLAN, 1):
        mine, ids = row.split(", "), exercises.split(", ")
        assert int(number) == week and {exercise(id).lesson[:2] for id in ids} <= set(mine)
        time = sum(minutes(lessons[lesson]) for lesson in mine) + sum(exercise(id).minutes for id in ids)
        assert int(together) == time, f"week {week}"


def test_figures_that_the_page_names():
    points = [exercise(id).points for id in EXERCISES]
    least, most = map(int, re.search(r"exercises have between (\d+) and (\d+)", TEXT).groups())
    assert (least, most) == (min(points), max(points))
    assert pareto.EXERCISE.points, "the model that the page names"


def commands() -> list[str]:
    """Every `speechnas ...` that the page writes, in a block or in a line."""
    code = re.findall(r"```sh\n(.*?)```", TEXT, flags=re.S)
    lines = [line.split("#")[0].strip() for block in code for line in block.splitlines()]
    return [line for line in lines if line.startswith("speechnas ")] + re.findall(r"`(speechnas [^`]+)`", TEXT)


def test_every_command_and_option_is_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "submitted" / "anna" / "03-mixed-op" / "03-mixed-op.ipynb"
    place.parent.mkdir(parents=True)
    place.write_text("{}")
    parser = make_parser()
    grade = next(action for action in parser._actions if action.dest == "command").choices["grade"]
    assert len(commands()) >= 5
    for line in commands():
        assert parser.parse_args(line.split()[1:]).command in ("grade", "doctor"), line
    known = {option for action in grade._actions for option in action.option_strings}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", TEXT)) <= known
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"(?:`|^)make ([a-z-]+)", TEXT, flags=re.M):
        assert re.search(rf"^{target}:", makefile, flags=re.M), target


def test_paths_of_the_repository_are_there():
    for path in re.findall(r"`((?:speechnas_lab|solutions|exercises|tests|notebooks)/[\w./]*)`", TEXT):
        if "ID" not in path:
            assert (ROOT / path).exists(), path


def test_a_folder_of_zips_one_for_each_exercise_is_read_as_the_page_says(tmp_path):
    """The ZIP's name is no student's: five people, two exercises."""
    people = {"müllerzoë": 101, "obrienbob": 102, "chenli": 103, "chenlii": 104, "nordemil": 105}
    (tmp_path / "class").mkdir()
    for id in ("03-mixed-op", "13-penalty"):
        with zipfile.ZipFile(tmp_path / "class" / f"{id}.zip", "w") as archive:
            for name, number in people.items():
                archive.write(ROOT / "exercises" / id / f"{id}.ipynb", f"{name}_{number}_9{number}_{id}.ipynb")
    found = gather(tmp_path / "class", People(), tmp_path / "unpacked")
    assert sorted(found.students) == ["101", "102", "103", "104", "105"] and found.layout == "a download from Canvas"
    assert len(found.work) == 10 and {handed.exercise for handed in found.work} == {"03-mixed-op", "13-penalty"}


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs a clone with its history")
def test_the_handout_gives_no_solution_away(tmp_path):
    command = re.search(r"^\tgit archive .*$", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.M)[0]
    made = tmp_path / "handout.zip"
    command = command.strip().replace("runs/handout.zip", str(made))
    assert subprocess.run(["bash", "-c", command], cwd=ROOT).returncode == 0
    names = zipfile.ZipFile(made).namelist()
    assert "speechnas_lab/exercises/03-mixed-op/03-mixed-op.ipynb" in names and "speechnas_lab/Makefile" in names
    assert not [name for name in names if "/solutions/" in name or "/tests/mutants/" in name]
    region = "BEGIN " + "SOLUTION"
    notebooks = (name for name in names if name.endswith(".ipynb"))
    assert not [name for name in notebooks if region in zipfile.ZipFile(made).read(name).decode("utf-8")]
