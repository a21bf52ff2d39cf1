"""docs/teaching.md: its plan is the course's, its commands and files are there, and its way to mark a class works."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from class_of import notebook_of
from exercise_files import solution_code

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
    ours = re.sub(r"^jupyter .*$", "", TEXT, flags=re.M)
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", ours)) <= known
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"(?:`|^)make ([a-z-]+)", TEXT, flags=re.M):
        assert re.search(rf"^{target}:", makefile, flags=re.M), target


def test_the_lines_that_switch_on_formgrader_name_what_make_setup_switches_off():
    setup = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    for line in re.findall(r"^jupyter (?:server |lab)extension enable .*$", TEXT, flags=re.M):
        kind, where, what = re.fullmatch(r"jupyter (.*) enable (\S+) (\S+)", line).groups()
        assert re.search(rf"{kind} disable {where} .*{re.escape(what)}", setup), line
    assert "nbgrader formgrader" not in TEXT  # nbgrader 0.9 has no such command


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
    """No solution, no wrong or right answer, no test that holds one; and what learners run is there and runs."""
    told = subprocess.run(["make", "-n", "handout"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    command = next(line for line in told.splitlines() if line.startswith("git archive"))
    made = tmp_path / "handout.zip"
    command = command.strip().replace("runs/handout.zip", str(made))
    assert subprocess.run(["bash", "-c", command], cwd=ROOT).returncode == 0
    names = zipfile.ZipFile(made).namelist()
    assert "speechnas_lab/exercises/03-mixed-op/03-mixed-op.ipynb" in names and "speechnas_lab/Makefile" in names
    assert not [name for name in names if "/solutions/" in name or name.endswith("docs/teaching.md")]
    tests = {name.removeprefix("speechnas_lab/tests/") for name in names if name.startswith("speechnas_lab/tests/")}
    assert {name for name in tests if not name.endswith("/") and name} == {
        "grading/conftest.py", "grading/test_own_exercises.py", "nbval.cfg"}  # fmt: skip
    region = "BEGIN " + "SOLUTION"
    notebooks = (name for name in names if name.endswith(".ipynb"))
    assert not [name for name in notebooks if region in zipfile.ZipFile(made).read(name).decode("utf-8")]

    with zipfile.ZipFile(made) as archive:
        archive.extractall(tmp_path)
    home = tmp_path / "speechnas_lab"
    solved = home / "exercises" / "01-wer" / "01-wer.ipynb"
    shutil.rmtree(home / "exercises")
    solved.parent.mkdir(parents=True)
    solved.write_text(json.dumps(notebook_of("01-wer", solution_code("01-wer"))))
    for words, says in ((["--work", "exercises"], "1 passed"), ([], "1 skipped")):
        done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/grading", *words],
                              cwd=home, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(home)})
        assert says in done.stdout, done.stdout + done.stderr
