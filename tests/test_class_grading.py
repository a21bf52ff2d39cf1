"""Whole classes by the command: every mark right, whatever was handed in; killed runs; a class of 30 and of 300."""

from __future__ import annotations

import csv
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from class_of import EXERCISES, Known, make_class, names
from exercise_files import ROOT
from sandboxed import missing

from speechnas_lab import cli
from speechnas_lab.grading.classes.store import Store

if missing():
    pytest.skip(missing(), allow_module_level=True)

FEW = ["01-wer", "03-mixed-op", "10-pareto"]
SEED = 11
LIMIT = 120  # seconds for one notebook; other programs may run beside the tests


def a_class(folder: Path, students: int, exercises: list[str], seed: int = 0) -> dict[tuple[str, str], Known]:
    """A class in folder/in and its list, with known marks for SEED."""
    (folder / "out").mkdir(parents=True, exist_ok=True)
    seeds = Store(folder / "out", SEED).seed_of
    with (folder / "list.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.DictWriter(file, ["id", "First name", "Last name"])
        rows.writeheader()
        rows.writerows(names(students, seed))
    return make_class(folder / "in", students, exercises, seeds, seed)


def command(folder: Path, out: str = "out") -> list[str]:
    return ["grade", str(folder / "in"), "--out", str(folder / out), "--json", str(folder / out / "marks.json"),
            "--students", str(folder / "list.csv"), "--seed", str(SEED), "--time", str(LIMIT)]  # fmt: skip


def differences(folder: Path, known: dict[tuple[str, str], Known], out: str = "out") -> list[str]:
    """Each mark that is not the right one, in words; the CSV must say the same."""
    told = json.loads((folder / out / "marks.json").read_text(encoding="utf-8"))
    table = csv.DictReader((folder / out / "marks.csv").read_text(encoding="utf-8-sig").splitlines())
    cells = {(row["student"], id): row[id] for row in table for id in row if id in EXERCISES}
    wrong = []
    for (student, id), mark in known.items():
        found = told[student].get(id, {"points": None, "outcome": "lost"})
        got = found["points"]
        right = got is not None and (got <= mark.points if mark.kind == "hostile" else got == mark.points)
        if not right or cells[student, id] != f"{got:g}":
            wrong.append(f"{student} {id}: {found} and not {mark}")
    extra = {(student, id) for student in told for id in told[student]} - set(known)
    return wrong + [f"{key} was not handed in" for key in extra]


# Quick ----------------------------------------------------------------------------------------------------------------
def test_a_small_class_of_honest_damaged_and_hostile_work(tmp_path, capsys):
    known = a_class(tmp_path, 6, FEW, seed=2)
    assert {mark.kind for mark in known.values()} == {"right", "wrong", "blank", "damaged", "hostile"}
    assert cli.main(command(tmp_path)) == 0
    assert not differences(tmp_path, known)
    said = capsys.readouterr().out
    assert "read as a folder for each student" in said and f"{len(known)} notebooks" in said
    pages = {path.stem for path in (tmp_path / "out" / "feedback").iterdir()}
    assert pages == {student for student, _ in known}


@pytest.mark.parametrize(("words", "says"), [
    ([], "is a class: say with --out DIR"), (["--out", "o", "--late-percent", "101"], "0 to 100"),
    (["--out", "o", "--late-days", "-1"], "from 0"),
])  # fmt: skip
def test_wrong_usage_is_one_line_and_status_2(words, says, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "exercises" / "01-wer", tmp_path / "in" / "anna" / "01-wer")
    with pytest.raises(SystemExit) as end:
        cli.main(["grade", "in", *words])
    said = capsys.readouterr().err
    assert end.value.code == 2 and said.count("\n") == 1 and says in said


def test_ones_own_exercises_are_no_class(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["grade", str(ROOT / "exercises"), "--out", str(tmp_path / "out")])
    assert end.value.code == 2 and "exercises of one person" in capsys.readouterr().err


def test_without_bubblewrap_it_refuses_and_says_how_to_install_it(tmp_path, capsys, monkeypatch):
    a_class(tmp_path, 1, ["01-wer"])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cli.main(command(tmp_path)) == 1
    said = capsys.readouterr().err
    assert "bubblewrap" in said and "install" in said and not (tmp_path / "out" / "marks.csv").exists()


# Slow -----------------------------------------------------------------------------------------------------------------
def running(folder: Path, out: str = "out") -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "speechnas_lab", *command(folder, out)], cwd=ROOT,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)  # fmt: skip


def left(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """What a run started and what still lives."""
    return [one for one in psutil.process_iter() if process.pid in (one.ppid(), one.pid) and one.status() != "zombie"]


@pytest.mark.slow
def test_killed_at_20_random_moments_it_gives_the_same_marks(tmp_path):
    known = a_class(tmp_path, 8, FEW)
    rng = random.Random(5)
    start = time.monotonic()
    assert running(tmp_path, "whole").wait() == 0
    whole = time.monotonic() - start
    assert not differences(tmp_path, known, "whole")
    done = 0
    for _ in range(20):
        process = running(tmp_path)
        time.sleep(rng.uniform(0.0, whole))
        process.send_signal(signal.SIGKILL)
        process.wait()
        journal = tmp_path / "out" / "journal.jsonl"
        lines = journal.read_bytes().count(b"\n") if journal.exists() else 0
        assert lines >= done  # nothing is lost
        done = lines
        if rng.random() < 0.4:  # the next run begins with less
            (tmp_path / "out" / "journal.jsonl").unlink(missing_ok=True)
            done = 0
    last = running(tmp_path)
    assert last.wait() == 0, last.stderr.read()
    assert not differences(tmp_path, known)
    time.sleep(1.0)
    assert not left(last)


def measured(folder: Path, known: dict[tuple[str, str], Known]) -> tuple[float, float]:
    """(seconds of the clock, the most memory in MB that a run and all that it started held at one time)."""
    start, most = time.monotonic(), 0.0
    process = running(folder)
    top = psutil.Process(process.pid)
    while process.poll() is None:
        held = 0
        for one in [top, *top.children(recursive=True)]:
            try:
                held += one.memory_full_info().pss if sys.platform == "linux" else one.memory_info().rss
            except psutil.Error:
                continue
        most = max(most, held / 2**20)
        time.sleep(0.5)
    seconds = time.monotonic() - start
    assert process.returncode == 0, process.stderr.read().decode()[-2000:]
    assert not differences(folder, known)
    return seconds, most


@pytest.mark.slow
def test_a_class_of_30_with_all_exercises(tmp_path, capsys):
    """Every mark right, under 4 GB, and ten times as quick as nbgrader's autograde on some of the same notebooks."""
    known = a_class(tmp_path, 30, list(EXERCISES))
    seconds, memory = measured(tmp_path, known)
    each = seconds / len(known)
    theirs = nbgrader_seconds(tmp_path, [key for key, mark in known.items() if mark.kind == "right"][:6])
    with capsys.disabled():
        print(f"\n{len(known)} notebooks in {seconds:.0f} s ({each:.3f} s each), {memory:.0f} MB; nbgrader "
              f"{theirs:.2f} s each: {theirs / each:.1f} times")  # fmt: skip
    assert memory < 4096
    assert theirs / each >= 10


def nbgrader_seconds(folder: Path, keys: list[tuple[str, str]]) -> float:
    """Seconds that `nbgrader autograde` takes for each of these notebooks, by the clock, each command for itself."""
    course = folder / "course"
    for name in {id for _, id in keys}:
        shutil.copytree(ROOT / "solutions" / name, course / "solutions" / name)
    shutil.copy(ROOT / "nbgrader_config.py", course)
    for student, id in keys:
        shutil.copytree(folder / "in" / student / id, course / "submitted" / student / id)
    path = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "OMP_NUM_THREADS": "1", "HOME": str(folder)}
    call = [sys.executable, "-m", "nbgrader"]
    for id in {id for _, id in keys}:
        subprocess.run([*call, "generate_assignment", id], cwd=course, env=path, check=True, capture_output=True)
    start = time.monotonic()
    for student, id in keys:
        subprocess.run([*call, "autograde", id, "--student", student], cwd=course, env=path, check=True,
                       capture_output=True)  # fmt: skip
    return (time.monotonic() - start) / len(keys)


@pytest.mark.slow
def test_a_class_of_300_is_linear_in_time_and_flat_in_memory(tmp_path, capsys):
    few = ["01-wer", "03-mixed-op"]
    told = {}
    for students in (30, 300):
        folder = tmp_path / str(students)
        known = a_class(folder, students, few, seed=students)
        told[students] = (*measured(folder, known), len(known))
    (short, low, some), (long, high, many) = told[30], told[300]
    with capsys.disabled():
        print(f"\n30: {some} in {short:.0f} s, {low:.0f} MB; 300: {many} in {long:.0f} s, {high:.0f} MB")
    assert long / many < 1.3 * short / some
    assert high < 1.25 * low
