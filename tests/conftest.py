"""Fixtures that several test files share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def fsdd() -> Path:
    """Folder of human digit recordings. Set SPEECHNAS_FSDD, or keep it at ../shared/data/fsdd."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data" / "fsdd"
    folder = Path(os.environ.get("SPEECHNAS_FSDD", beside))
    if not (folder / "recordings").is_dir():
        pytest.skip("the FSDD recordings are not here")
    return folder
