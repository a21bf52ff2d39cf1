"""The pins agree with the ranges, and environment.yml with the pins.

Run as a program (`make pins`), this file writes both: constraints.txt from what is installed here,
environment.yml from constraints.txt.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
HEAD = (
    "# Versions that were tested together, with Python {python}. Used by `make`, environment.yml and\n"
    "# `pip install -c constraints.txt`. Written by `make pins`.\n"
)


def pins() -> dict[str, str]:
    """Return the version of each package in constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(name): version for name, version in pairs}


def ranges(*groups: str) -> list[Requirement]:
    """Return what pyproject.toml asks for: the core, and the named extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    lines = project["dependencies"] + [line for group in groups for line in extras[group]]
    wanted = (Requirement(line) for line in lines)
    return [requirement for requirement in wanted if requirement.name != project["name"]]


def environment_text() -> str:
    """Return environment.yml: Python and pip from conda, the same pins below pip."""
    version = pins()
    names = sorted(canonicalize_name(requirement.name) for requirement in ranges("optuna", "lab", "dev"))
    return "\n".join(
        [
            "# conda env create -f environment.yml. Written by `make pins` from constraints.txt.",
            "name: speechnas-lab",
            "channels:",
            "  - conda-forge",
            "dependencies:",
            "  - python=3.11",
            "  - pip",
            "  - pip:",
            "      - --constraint constraints.txt",
            *[f"      - {name}=={version[name]}" for name in names],
            "      - --editable .",
            "",
        ]
    )


def test_pins_lie_in_the_ranges() -> None:
    version = pins()
    for requirement in ranges("optuna", "lab", "dev"):
        assert version[canonicalize_name(requirement.name)] in requirement.specifier, requirement


def test_environment_has_the_pins() -> None:
    assert (ROOT / "environment.yml").read_text(encoding="utf-8") == environment_text(), "run `make pins`"


def test_pins_name_no_place_of_this_machine() -> None:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert "@" not in text and "://" not in text and "file:" not in text


if __name__ == "__main__":
    freeze = [sys.executable, "-m", "pip", "freeze", "--exclude-editable", "--exclude", "speechnas-lab"]
    frozen = subprocess.run(freeze, check=True, capture_output=True, text=True).stdout
    python = ".".join(map(str, sys.version_info[:2]))
    (ROOT / "constraints.txt").write_text(HEAD.format(python=python) + frozen, encoding="utf-8")
    (ROOT / "environment.yml").write_text(environment_text(), encoding="utf-8")
