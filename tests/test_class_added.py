"""A helper in a cell of the learner's own: run where an answer needs it, never where it is a copy or does more."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from class_of import notebook_of
from exercise_files import solution_code
from sandboxed import needs_sandbox
from test_class_hostile import test_deep_programs_are_read_as_text as hostile

from speechnas_lab import cli
from speechnas_lab.grading import own
from speechnas_lab.grading.classes.gradebook import autograded
from speechnas_lab.grading.classes.marks import Row
from speechnas_lab.grading.submission import read

ANSWER = "def wer(reference, hypothesis):\n    return edits(reference, hypothesis) / max(1, len(reference))"
HELPER = solution_code("01-wer").replace("def wer", "def _whole") + (
    "\n\ndef edits(reference, hypothesis):\n    return _whole(reference, hypothesis) * max(1, len(reference))")


def handed_in(folder: Path, *added: str, answer: str = ANSWER, at: int = 99) -> Path:
    """01-wer with `answer`, and cells of the learner's own."""
    notebook = notebook_of("01-wer", answer)
    for number, source in enumerate(added):
        notebook["cells"].insert(at, {"cell_type": "code", "id": f"f00{number}", "metadata": {}, "source": source,
                                      "outputs": [], "execution_count": None})  # fmt: skip
    path = folder / "01-wer" / "01-wer.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path


def run(path: Path) -> list[str]:
    """The names of the cells that are run."""
    return [cell.name for cell in read(path).cells]


@pytest.mark.parametrize("at", [0, 3, 99])
def test_a_helper_in_a_cell_of_its_own_is_run_before_the_answer(at, tmp_path):
    path = handed_in(tmp_path, HELPER, at=at)
    found = own.grade_one("01-wer", path, own.Limits(60, 1000), seed=2)
    assert (found.points, found.outcome) == (5, "right"), found.what
    assert any("defines edits, which the answer uses; it is run too" in note for note in found.notes)
    assert run(path)[-1] == "answer" and run(path)[-2].startswith("added-")
    page = autograded(Row("a", "01-wer", 5, "right", auto=5, path=path))
    assert "def _whole" in page and "def edits" in page


@needs_sandbox
def test_the_class_and_the_learners_own_command_agree(tmp_path, capsys):
    handed_in(tmp_path / "in" / "anna", HELPER)
    assert cli.main(["grade", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--workers", "1",
                     "--json", str(tmp_path / "class.json")]) == 0  # fmt: skip
    assert cli.main(["grade", str(tmp_path / "in" / "anna"), "--json", str(tmp_path / "own.json")]) == 0
    whole, mine = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("class", "own"))
    assert whole["anna"] == mine and mine["01-wer"]["points"] == 5
    assert "it is run too" in capsys.readouterr().out


def test_what_another_added_cell_needs_is_taken_in_its_order(tmp_path):
    path = handed_in(tmp_path, "import math", "UNUSED = 1", "def edits(a, b): return floor(b)", "floor = math.floor",
                     "def floor(x): return math.floor(x)")  # fmt: skip
    sources = [cell.source for cell in read(path).cells if cell.name.startswith("added-")]
    assert sources == ["import math", "def edits(a, b): return floor(b)", "floor = math.floor",
                       "def floor(x): return math.floor(x)"]  # fmt: skip


@pytest.mark.parametrize("source", [
    "def edits(a, b): return 0\nprint('here')", "edits = max([1])", "def edits(a, b) return 0", "for edits in []: pass",
    "def other(a): return 0", "", "reference = 3", "x = 1\nedits", "%run helper.py", "edits = open('x')",
    "def edits(a, b): return 0\nassert edits(1, 2) == 0",
])  # fmt: skip
def test_what_does_more_or_is_not_needed_is_not_taken(source, tmp_path):
    assert not [name for name in run(handed_in(tmp_path, source)) if name.startswith("added-")]


@pytest.mark.parametrize("source", ["EPS = 1e-9", "EPS = -1 / 3", 'EPS = float("inf")', "EPS: float = 2",
                                    "import math\nEPS = math.inf", '"""Mine."""\nEPS = {"a": [1, (2,)]}'])  # fmt: skip
def test_a_constant_is_taken(source, tmp_path):
    path = handed_in(tmp_path, source, answer="def wer(a, b):\n    return EPS")
    assert any(name.startswith("added-") for name in run(path))


def test_a_copy_of_what_was_handed_out_is_never_taken(tmp_path):
    """Also where it would define what the answer uses."""
    notebook = json.loads(handed_in(tmp_path, answer="def wer(a, b):\n    return check, torch").read_text())
    for cell in [copy.deepcopy(cell) for cell in notebook["cells"]]:
        notebook["cells"].append({**cell, "metadata": {}, "id": "copy"})
    path = tmp_path / "01-wer" / "01-wer.ipynb"
    path.write_text(json.dumps(notebook))
    assert not [name for name in run(path) if name.startswith("added-")]
    older = handed_in(tmp_path, "def wer(a, b):\n    return helper(a)", answer="def wer(a, b):\n    return 0")
    assert run(older)[-1] == "answer" and not [name for name in run(older) if name.startswith("added-")]


def test_deep_programs_beside_an_added_cell_are_read_too(tmp_path):
    deep = next(mark for mark in hostile.pytestmark if mark.name == "parametrize").args[1]
    for source in deep:
        for answer, added in ((source, "EPS = 1"), ("x = EPS", source)):
            assert "answer" in run(handed_in(tmp_path, added, "EPS = 1", answer=answer))
