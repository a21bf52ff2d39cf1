"""Attacks on the judge: none gains a mark, none learns an answer, none harms another; without the sandbox, some do.

The attacks are in tests/attacks: `# %% name`, `# tries: what`, then perhaps `# exercise: id`, `# may: points` that even
this answer earns, and `# off: yes` where it succeeds without the sandbox. What prints LEAK has found something.
"""

from __future__ import annotations

import ctypes
import platform
import re
import resource
import socket
import time
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest
from exercise_files import solution_code
from sandboxed import needs_sandbox

from speechnas_lab.grading.judge import JudgeLimits
from speechnas_lab.grading.judge.bench import mark
from speechnas_lab.grading.judge.sandbox import Sandbox

pytestmark = needs_sandbox
LIMITS = JudgeLimits(seconds=1.5, memory_mb=300, output_mb=20, disk_mb=16)
HONEST = solution_code("01-ctc-collapse")
KEYCTL, ADD_KEY = (250, 248) if platform.machine() == "x86_64" else (219, 217)
MOST = 700_000  # KB that the judge's own process may grow by


@dataclass(frozen=True)
class Attack:
    """One entry of tests/attacks. may: points that it earns honestly. off: whether it succeeds without the sandbox."""

    name: str
    exercise: str
    code: str
    may: int
    off: bool

    def __str__(self) -> str:
        return self.name


def attacks() -> list[Attack]:
    found = []
    for path in sorted((Path(__file__).parent / "attacks").glob("*.txt")):
        for part in re.split(r"^# %% ", path.read_text(encoding="utf-8"), flags=re.M)[1:]:
            name, _, code = part.partition("\n")
            said = dict(re.findall(r"^# (\w+): (.+)$", code, flags=re.M))
            assert said["tries"], name
            may, off = int(said.get("may", 0)), said.get("off") == "yes"
            found.append(Attack(name, said.get("exercise", "01-wer"), code, may, off))
    return found


ATTACKS = attacks()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """What an attack could reach outside: a server, a socket, another's submission, a secret."""
    with pytest.MonkeyPatch.context() as patch, socket.create_server(("127.0.0.1", 0)) as server, socket.socket(
        socket.AF_UNIX
    ) as unix:
        unix.bind("\0speechnas-attack")
        unix.listen()
        other = tmp_path_factory.mktemp("class") / "submitted-by-another.ipynb"
        other.write_text("{}")
        patch.setenv("A_SECRET", "of the grader")
        _own_keys()
        yield {"PORTS": repr([server.getsockname()[1]]), "KEYCTL": str(KEYCTL), "ADD_KEY": str(ADD_KEY)}


def _own_keys() -> None:
    """A new session of keys for this process, with a secret in it."""
    system = ctypes.CDLL(None)
    system.syscall(KEYCTL, 1, b"speechnas-test")
    system.syscall(ADD_KEY, b"user", b"speechnas-secret", b"secret", 6, -3)


@pytest.fixture(scope="module")
def sandbox(world):
    found = Sandbox(LIMITS)
    yield found
    found.close()


def run(sandbox: Sandbox, exercise: str, code: str, world: dict[str, str]) -> tuple[dict, str]:
    """(the mark, what was printed)."""
    for name, value in world.items():
        code = code.replace(name, value)
    running = sandbox.begin(exercise)
    told = mark({"exercise": exercise, "cells": [{"name": "answer", "source": code}], "seed": 7}, running)
    return told, running.kept.decode("utf-8", "replace")


def family(sandbox: Sandbox) -> list[psutil.Process]:
    return psutil.Process(sandbox.process.pid).children(recursive=True)


def peak() -> int:
    """The most memory that this process ever held, in KB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def test_there_are_more_than_forty_attacks_of_different_names():
    assert len(ATTACKS) >= 40 and len({attack.name for attack in ATTACKS}) == len(ATTACKS)


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_no_attack_succeeds(attack, sandbox, world):
    before, start, most = len(family(sandbox)), time.monotonic(), peak()
    told, printed = run(sandbox, attack.exercise, attack.code, world)
    taken = time.monotonic() - start
    assert told["points"] <= attack.may, told
    assert "LEAK" not in printed, printed[-500:]
    assert told["outcome"] not in ("right", "grader's fault"), told
    assert taken < 30, f"it held the judge for {taken:.0f} seconds"
    assert peak() - most < MOST, f"the judge grew by {(peak() - most) >> 10} MB"
    for _ in range(50):
        if len(family(sandbox)) <= before:
            break
        time.sleep(0.1)
    assert len(family(sandbox)) <= before, "it stayed alive"
    told, printed = run(sandbox, "01-ctc-collapse", HONEST, world)
    assert told["outcome"] == "right", (told, printed)  # the next one is not harmed


@pytest.mark.parametrize("attack", [attack for attack in ATTACKS if attack.off], ids=str)
def test_without_the_sandbox_they_succeed(attack, open_sandbox, world):
    _, printed = run(open_sandbox, attack.exercise, attack.code, world)
    assert "LEAK" in printed, "an attack that fails in the open shows nothing"


@pytest.fixture(scope="module")
def open_sandbox(world):
    found = Sandbox(replace(LIMITS, seconds=60.0), apart=False)  # a walk over a whole disk takes a while
    yield found
    found.close()
