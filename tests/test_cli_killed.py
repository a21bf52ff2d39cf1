"""The command as a program that is killed, interrupted and started again. Slow: it starts Python many times."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from speech_base import base

pytestmark = pytest.mark.slow
DRIVER = Path(__file__).with_name("cli_runs.py")


@pytest.fixture
def start(tmp_path):
    """Start a search at micro budget in a process group of its own."""
    base(tmp_path / "speech")
    environment = os.environ | {"SPEECHNAS_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}

    def begin(out: str, *more: object) -> subprocess.Popen:
        argv = [sys.executable, str(DRIVER), "search", "--corpus", tmp_path / "speech/M.csv", "--budget", "smoke",
                "--out", tmp_path / out, *more]  # fmt: skip
        return subprocess.Popen(list(map(str, argv)), env=environment, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=hears_interrupts)

    return begin


def hears_interrupts() -> None:
    """As from a terminal: what a shell starts in the background would not hear Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def group(process: subprocess.Popen) -> list[psutil.Process]:
    """The living processes of its session."""
    found = []
    for other in psutil.process_iter():
        try:
            if os.getsid(other.pid) == process.pid and other.status() != psutil.STATUS_ZOMBIE:
                found.append(other)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def wait_for(condition, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_three_kills_at_random_moments_change_no_byte_of_the_winner(start, tmp_path):
    whole = start("whole")
    begun = time.monotonic()
    assert whole.wait(300) == 0
    seconds, rng = time.monotonic() - begun, random.Random(20)
    profile = tmp_path / "whole/profile.json"
    for number in range(3):
        process = start("killed", "--profile", profile)
        if number == 1:  # one of them surely in the middle of the work
            wait_for(lambda p=process: (tmp_path / "killed/supernet.pt").exists() or p.poll() is not None)
        time.sleep(rng.uniform(0.1, 0.5) * seconds)
        process.kill()
        process.wait()
        wait_for(lambda p=process: not group(p), 20)  # no worker is left behind
    last = start("killed", "--profile", profile)
    assert last.wait(300) == 0, last.stderr.read()
    assert (tmp_path / "killed/winner.json").read_bytes() == (tmp_path / "whole/winner.json").read_bytes()
    assert not [path for path in (tmp_path / "killed").rglob("*") if path.suffix in (".part", ".lock")]


def test_an_interrupt_ends_all_processes_with_one_line(start, tmp_path):
    process = start("out")
    wait_for(lambda: len(group(process)) > 2)
    time.sleep(1.0)
    os.killpg(process.pid, signal.SIGINT)  # what Ctrl-C does: everyone in the group hears it
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1 and "Traceback" not in err
    assert [line for line in err.splitlines() if line.startswith("speechnas")] == [
        "speechnas: stopped; run the same command again to go on"
    ]
    wait_for(lambda: not group(process), 20)


def test_a_killed_worker_is_one_line(start, tmp_path):
    process = start("out")
    wait_for(lambda: (tmp_path / "out/models").exists() or (tmp_path / "out/supernet.pt").exists())
    workers = [p for p in group(process) if "spawn_main" in " ".join(p.cmdline())]
    workers[0].kill()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1 and "Traceback" not in err
    assert "a worker process was ended from outside" in err
