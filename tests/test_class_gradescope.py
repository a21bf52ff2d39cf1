"""Gradescope's folder layout: a valid results.json for one submission, an autograder ZIP with all that it needs."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from class_judge import PaperJudge
from class_of import notebook_of
from exercise_files import solution_code
from sandboxed import needs_sandbox

from speechnas_lab.errors import BadInput
from speechnas_lab.grading.classes import gradescope
from speechnas_lab.grading.classes.gradescope import run, write_autograder
from speechnas_lab.grading.course import EXERCISES, exercise

KEYS = {"score": (int, float), "output": str, "output_format": str, "visibility": str, "execution_time": (int, float),
        "tests": list}  # fmt: skip
TEST = {"name": str, "score": (int, float), "max_score": (int, float), "output": str, "status": str,
        "visibility": str, "output_format": str}  # fmt: skip
FORMATS, STATES = {"text", "html", "simple_format", "md", "ansi"}, {"passed", "failed"}
SEEN = {"hidden", "after_due_date", "after_published", "visible"}


@pytest.fixture
def root(tmp_path) -> Path:
    for name in ("source", "submission", "results"):
        (tmp_path / name).mkdir()
    (tmp_path / "source" / "exercises.json").write_text('{"exercises": ["01-wer", "03-mixed-op"]}')
    metadata = {"id": 1, "assignment": {"title": "Week 2"}, "users": [{"name": "Zoë"}], "previous_submissions": []}
    (tmp_path / "submission_metadata.json").write_text(json.dumps(metadata))
    PaperJudge.asked = []
    return tmp_path


def hand_in(root: Path, name: str, id: str, code: str) -> None:
    path = root / "submission" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook_of(id, code)), encoding="utf-8")


def valid(root: Path) -> dict:
    """results.json as Gradescope's specification has it: known keys, of the right kinds, no other words."""
    told = json.loads((root / "results" / "results.json").read_text(encoding="utf-8"))
    assert set(told) == set(KEYS) and all(isinstance(told[name], kind) for name, kind in KEYS.items())
    assert told["output_format"] in FORMATS and told["visibility"] in SEEN
    for test in told["tests"]:
        assert set(test) == set(TEST) and all(isinstance(test[name], kind) for name, kind in TEST.items())
        assert 0 <= test["score"] <= test["max_score"] and test["status"] in STATES and test["visibility"] in SEEN
    assert len({test["name"] for test in told["tests"]}) == len(told["tests"])
    assert told["score"] == sum(test["score"] for test in told["tests"])
    return told


def test_one_submission_gives_a_valid_file(root):
    hand_in(root, "01-wer.ipynb", "01-wer", "# points: 5")
    assert run(root, PaperJudge) == 0
    told = valid(root)
    assert told["score"] == 5 and sum(test["max_score"] for test in told["tests"]) == 9
    assert "03-mixed-op: not handed in" in [test["name"] for test in told["tests"]]
    assert "public checks" in told["output"]


def test_the_title_of_the_assignment_chooses_the_exercise(root):
    (root / "submission_metadata.json").write_text(json.dumps({"assignment": {"title": "Exercise 03-mixed-op"}}))
    hand_in(root, "my work/homework.ipynb", "03-mixed-op", "# points: 4")
    hand_in(root, "01-wer.ipynb", "01-wer", "# points: 5")
    assert run(root, PaperJudge) == 0
    told = valid(root)
    assert told["score"] == 4 and PaperJudge.asked == ["03-mixed-op"] and "was called homework" in told["output"]


def test_a_zip_that_was_handed_in_is_opened(root):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as file:
        file.writestr("exercises/01-wer/01-wer.ipynb", json.dumps(notebook_of("01-wer", "# points: 5")))
    (root / "submission" / "work.zip").write_bytes(inner.getvalue())
    assert run(root, PaperJudge) == 0 and valid(root)["score"] == 5


def test_nothing_handed_in_earns_nothing(root):
    (root / "submission" / "notes.txt").write_text("sorry")
    assert run(root, PaperJudge) == 0 and valid(root)["score"] == 0


def test_a_graders_fault_writes_no_score(root, capsys):
    hand_in(root, "01-wer.ipynb", "01-wer", "# points: fault")
    assert run(root, PaperJudge) == 1 and not list((root / "results").iterdir())
    assert "no zero" in capsys.readouterr().out


def test_without_the_sandbox_it_says_so_and_writes_no_score(root, capsys, monkeypatch):
    def refused(*_: object) -> None:
        raise BadInput("bubblewrap is missing: apt install bubblewrap")

    monkeypatch.setattr("speechnas_lab.grading.judge.Judge", refused)
    hand_in(root, "01-wer.ipynb", "01-wer", "# points: 5")
    assert gradescope.main([str(root)]) == 1 and not list((root / "results").iterdir())
    assert "apt install bubblewrap" in capsys.readouterr().out


def test_the_zip_holds_scripts_that_a_shell_reads_and_the_library(tmp_path):
    path = tmp_path / "autograder.zip"
    write_autograder(path, ["01-wer"])
    before = path.stat().st_mtime_ns
    write_autograder(path, ["01-wer"])
    assert path.stat().st_mtime_ns == before  # nothing changed, nothing written
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        assert {"setup.sh", "run_autograder", "requirements.txt", "exercises.json"} <= names
        assert {f"speechnas_lab/grading/checks/{module}.py" for module in EXERCISES.values()} <= names
        assert "speechnas_lab/grading/blank.json" in names and not [name for name in names if "__pycache__" in name]
        for script in ("setup.sh", "run_autograder"):
            text = archive.read(script)
            assert text.startswith(b"#!/usr/bin/env bash\n") and b"\r" not in text
            assert archive.getinfo(script).external_attr >> 16 & 0o111
            if shutil.which("bash"):
                assert subprocess.run(["bash", "-n"], input=text, timeout=20).returncode == 0
        pins = archive.read("requirements.txt").decode().splitlines()
        assert all("==" in line for line in pins[1:]) and any(line.startswith("torch==") for line in pins)
        assert json.loads(archive.read("exercises.json")) == {"exercises": ["01-wer"]}
    assert exercise("01-wer").points == 5


@needs_sandbox
@pytest.mark.slow
def test_the_whole_zip_marks_a_submission_in_the_sandbox(root):
    """As Gradescope would: the ZIP unpacked into source, run_autograder called; only /autograder lies elsewhere."""
    write_autograder(root / "a.zip", ["03-mixed-op"])
    with zipfile.ZipFile(root / "a.zip") as archive:
        archive.extractall(root / "source")
    hand_in(root, "homework.ipynb", "03-mixed-op", solution_code("03-mixed-op"))
    text = (root / "source" / "run_autograder").read_text()
    script = text.replace("/autograder/venv", sys.prefix).replace("/autograder", str(root))
    done = subprocess.run(["bash"], input=script, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    told = valid(root)
    assert told["score"] == 4 and len(told["tests"]) == 4


def test_the_library_in_the_zip_runs_from_there(tmp_path):
    write_autograder(tmp_path / "a.zip", ["01-wer"])
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        archive.extractall(tmp_path / "source")
    code = "import speechnas_lab, speechnas_lab.grading.classes.gradescope as g; print(speechnas_lab.__file__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60,
                          env={"PYTHONPATH": str(tmp_path / "source"), "PATH": "/usr/bin"})  # fmt: skip
    assert str(tmp_path / "source") in done.stdout, done.stderr
