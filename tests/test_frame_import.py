"""The package is quick to import and its rooms are where they should be."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import speechnas_lab

ROOT = Path(__file__).resolve().parents[1]


def fresh(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True, timeout=60
    ).stdout


def test_import_is_quick() -> None:
    code = "import time; t = time.perf_counter(); import speechnas_lab; print(time.perf_counter() - t)"
    assert min(float(fresh(code)) for _ in range(3)) < 0.3


@pytest.mark.parametrize("room", ["space", "speech", "search", "hardware"])
def test_rooms_load_torch_only_where_it_is_used(room: str) -> None:
    assert (
        fresh(f"import sys, speechnas_lab; speechnas_lab.{room}; print('torch' in sys.modules)").strip()
        == "False"
    )


def test_every_room_has_the_names_that_it_exports() -> None:
    for name in speechnas_lab.ROOMS:
        room = getattr(speechnas_lab, name)
        assert room.__all__, name
        for public in room.__all__:
            assert hasattr(room, public), f"{name}.{public}"


def test_the_example_in_the_readme_runs() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        assert fresh(block)


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="kitchen"):
        _ = speechnas_lab.kitchen
