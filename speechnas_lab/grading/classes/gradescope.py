"""Gradescope: an autograder ZIP, and what runs in it: `python -m speechnas_lab.grading.classes.gradescope /autograder`.

Gradescope runs setup.sh once and run_autograder for each submission, in a container of its own with the folders source,
submission and results. If the grader itself fails, no results.json is written: Gradescope then shows an error and no
score, so that nobody gets a zero for it.
"""

from __future__ import annotations

import hashlib
import io
import secrets
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ...errors import BadInput
from ...files import read_json, write_bytes, write_json
from ..course import EXERCISES, exercise
from ..graded import Graded
from ..submission import read
from .collect import Gathered, gather
from .feedback import FAULT, PUBLIC, check_words
from .people import People, Student

SETUP = """#!/usr/bin/env bash
# Gradescope runs this once, when the autograder is built.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install -y bubblewrap
python=python3
if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  apt-get install -y python3.11 python3.11-venv
  python=python3.11
else
  apt-get install -y python3-venv
fi
"$python" -m venv /autograder/venv
/autograder/venv/bin/pip install --no-input -r /autograder/source/requirements.txt
"""
RUN = """#!/usr/bin/env bash
# Gradescope runs this for each submission.
set -euo pipefail
cd /autograder
PYTHONPATH=/autograder/source OMP_NUM_THREADS=1 \\
  /autograder/venv/bin/python -m speechnas_lab.grading.classes.gradescope /autograder
"""
INDEX = "--extra-index-url https://download.pytorch.org/whl/cpu"  # torch without the parts for a GPU
SKIP = {"__pycache__", "measured", "reproduce"}  # of the library, not needed to mark
ME = Student("submission")


def results(graded: list[Graded], missing: list[str], notes: list[str]) -> dict[str, Any]:
    """Gradescope's results.json: one test for each check, which carries its points."""
    tests = []
    for found in graded:
        checks = found.results or [{"name": found.what or found.outcome, "points": found.max, "passed": False}]
        for check in checks:
            words = check_words(check) if found.results else found.what
            tests.append(_test(f"{found.exercise}: {check['name']}", check["points"], check["passed"], words))
    tests += [_test(f"{id}: not handed in", exercise(id).points, False, "") for id in missing]
    told = [PUBLIC, *notes, *(f"{found.exercise}: {note}" for found in graded for note in found.notes)]
    score = sum(found.points for found in graded)
    return {"score": score, "output": "\n".join(told), "output_format": "text", "visibility": "visible",
            "execution_time": round(sum(found.seconds for found in graded)), "tests": tests}  # fmt: skip


def run(root: Path, judge: Any = None) -> int:
    """Mark root/submission, write root/results/results.json; the exit status."""
    from ..judge import Job, Judge

    wanted = _wanted(root)
    seed = secrets.randbits(32)
    with TemporaryDirectory(prefix="speechnas-") as unpacked:
        found = gather(root / "submission", People(), Path(unpacked), ME)
        jobs = [Job(str(number), handed.exercise, read(handed.path), seed)
                for number, handed in enumerate(found.work) if handed.exercise in wanted]  # fmt: skip
        with (judge or Judge)() as one:
            graded = sorted(one.grade(jobs), key=lambda result: int(result.key))
    _add_notes(graded, found)
    if faults := [result for result in graded if result.points is None]:
        print(f"{faults[0].exercise}: {faults[0].what or 'the grader failed'}. {FAULT}")
        return 1
    missing = [id for id in wanted if id not in {result.exercise for result in graded}]
    write_json(root / "results" / "results.json", results(graded, missing, found.notes))
    return 0


def _add_notes(graded: list[Graded], found: Gathered) -> None:
    notes = {handed.exercise: list(handed.notes) for handed in found.work}
    for result in graded:
        result.notes = notes[result.exercise] + result.notes


def _wanted(root: Path) -> list[str]:
    """The exercises of this assignment: those that its title names, else those of source/exercises.json."""
    told = (read_json(root / "submission_metadata.json") or {}).get("assignment")
    title = str(told.get("title", "")) if isinstance(told, dict) else ""
    listed = (read_json(root / "source" / "exercises.json") or {}).get("exercises") or list(EXERCISES)
    if unknown := [id for id in listed if id not in EXERCISES]:
        raise BadInput(f"source/exercises.json names {unknown[0]!r}, which is no exercise of the course")
    return [id for id in EXERCISES if id in title.split()] or listed


def write_autograder(path: Path, exercises: list[str]) -> None:
    """The ZIP to upload: setup.sh, run_autograder, requirements.txt, exercises.json and the library."""
    package = Path(__file__).parents[2]
    wanted = sorted(path for path in package.rglob("*") if path.is_file())
    files = {name: path.read_bytes() for path in wanted if not SKIP & set((name := path.relative_to(package)).parts)}
    texts = {"setup.sh": SETUP, "run_autograder": RUN, "requirements.txt": requirements(),
             "exercises.json": '{"exercises": [' + ", ".join(f'"{id}"' for id in exercises) + "]}\n"}  # fmt: skip
    total = hashlib.sha256()
    for name, content in {**{name: text.encode() for name, text in texts.items()}, **files}.items():
        total.update(f"{name} {len(content)} ".encode() + content)
    mark = total.hexdigest().encode()
    if _comment(path) == mark:
        return
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in texts.items():
            _put(archive, name, text.encode(), 0o755 if name in ("setup.sh", "run_autograder") else 0o644)
        for name, content in files.items():
            _put(archive, f"{package.name}/{name.as_posix()}", content, 0o644)
        archive.comment = mark
    write_bytes(path, whole.getvalue())


def _comment(path: Path) -> bytes:
    """The mark of the ZIP that is there already, if it is one."""
    if not zipfile.is_zipfile(path):
        return b""
    with zipfile.ZipFile(path) as archive:
        return archive.comment


def requirements() -> str:
    """What the library needs, in the versions that are installed here."""
    from packaging.requirements import Requirement

    try:
        needs = [Requirement(text) for text in distribution("speechnas-lab").requires or ()]
    except PackageNotFoundError:
        raise BadInput("speechnas-lab is not installed: pip install -e . in its folder") from None
    names = [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    pins = [f"{name}=={distribution(name).version.partition('+')[0]}" for name in names]
    return "\n".join([INDEX, *pins]) + "\n"


def _put(archive: zipfile.ZipFile, name: str, content: bytes, mode: int) -> None:
    """Add a file with a fixed date, so that the same content gives the same ZIP."""
    info = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
    info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, (0o100000 | mode) << 16
    archive.writestr(info, content)


def _test(name: str, points: int, passed: bool, output: str) -> dict[str, Any]:
    return {"name": name, "score": points if passed else 0, "max_score": points, "output": output,
            "status": "passed" if passed else "failed", "visibility": "visible", "output_format": "text"}  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """For run_autograder."""
    root = Path((sys.argv[1:] if argv is None else argv)[0])
    try:
        return run(root)
    except (BadInput, OSError) as error:
        print(f"not marked, which is no zero: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
