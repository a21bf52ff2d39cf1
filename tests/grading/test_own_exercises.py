"""Mark a folder of exercises, one test an exercise. By default the solutions, which must all be right.

    pytest tests/grading --work exercises
"""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from speechnas_lab.errors import BadInput
from speechnas_lab.grading.own import Limits, grade_one, notebooks

ROOT = Path(__file__).resolve().parents[2]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    asked = metafunc.config.getoption("--work", default=None)  # unknown where this folder was not named
    work = asked or "solutions"
    if work == "solutions" and not (ROOT / work).is_dir():  # a course that was handed out
        return metafunc.parametrize("id, notebook", [])
    place = next((path for path in (Path(work), ROOT / work) if path.is_dir()), Path(work))
    try:
        found = notebooks(place)
    except BadInput as error:
        raise pytest.UsageError(str(error)) from None
    marks = [] if asked else [pytest.mark.slow]  # tests/test_exercises.py covers the solutions, and is quicker
    metafunc.parametrize("id, notebook", [pytest.param(*pair, id=pair[0], marks=marks) for pair in found.items()])


def test_exercise(id: str, notebook: Path) -> None:
    found = grade_one(id, notebook, Limits(), secrets.randbits(32))
    assert found.outcome == "right", f"{found.points} of {found.max} points (public checks): {found.what}"
