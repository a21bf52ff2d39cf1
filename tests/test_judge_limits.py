"""The judge's limits: an answer's own computing counts, not that of others; and the filter of calls, by machine."""

from __future__ import annotations

import struct

import pytest
from sandboxed import needs_sandbox

from speechnas_lab.grading.judge import JudgeLimits
from speechnas_lab.grading.judge.bench import mark
from speechnas_lab.grading.judge.inside import calls
from speechnas_lab.grading.judge.sandbox import Sandbox

LIMITS = JudgeLimits(seconds=2.0, memory_mb=2000)
WER = '''
def wer(reference, hypothesis):
    a, b = reference.split(), hypothesis.split()
    row = list(range(len(b) + 1))
    for i, said in enumerate(a, 1):
        old, row[0] = row[0], i
        for j, heard in enumerate(b, 1):
            old, row[j] = row[j], min(old + (said != heard), row[j] + 1, row[j - 1] + 1)
    return row[-1] / max(1, len(a))
'''


@pytest.fixture(scope="module")
def sandbox():
    found = Sandbox(LIMITS)
    yield found
    found.close()


def judged(sandbox: Sandbox, source: str) -> dict:
    job = {"exercise": "01-wer", "cells": [{"name": "answer", "source": source}], "seed": 1}
    return mark(job, sandbox.begin("01-wer"))


@needs_sandbox
def test_seconds_in_which_others_had_the_processor_do_not_count(sandbox):
    told = judged(sandbox, "import time\ntime.sleep(1.5 * 2.0)\n" + WER)
    assert (told["outcome"], told["points"]) == ("right", 5), told["what"]


@needs_sandbox
def test_an_answer_that_waits_ends_too(sandbox):
    told = judged(sandbox, "import time\ntime.sleep(1000)")
    assert told["outcome"] == "over the limit" and "longer than 8 seconds of the clock" in told["what"]


@needs_sandbox
@pytest.mark.parametrize("how", [
    "for _ in range(3):\n    if os.fork() == 0:\n        work(1.2)\n        os._exit(0)\ntime.sleep(1000)",
    "for _ in range(9):\n    if os.fork() == 0:\n        work(0.7)\n        os._exit(0)\n    os.wait()",
    "for _ in range(3):\n    threading.Thread(target=work, args=(0.8,)).start()\nwork(9)",
], ids=["at one time", "in turn", "threads"])  # fmt: skip
def test_the_computing_of_all_its_processes_counts_together(how, sandbox):
    work = "def work(seconds):\n    while time.thread_time() < seconds: pass\n"
    told = judged(sandbox, f"import os, threading, time\n{work}{how}\n{WER}")
    assert told["outcome"] == "over the limit" and told["what"] == "it took longer than 2 seconds", told


def decided(machine: str, number: int, *inputs: int, kind: int | None = None) -> int:
    """What the kernel would do with a call: the filter's instructions, run here."""
    kind = calls.KINDS[machine][0] if kind is None else kind
    shown = struct.pack("<IIQ6Q", number, kind, 0, *inputs, *[0] * (6 - len(inputs)))
    steps, at, held = list(struct.iter_unpack("<HBBI", calls.program(machine))), 0, 0
    tests = {calls.EQUAL: lambda k: held == k, calls.AT_LEAST: lambda k: held >= k, calls.ANY_OF: lambda k: held & k}
    while True:
        code, yes, no, k = steps[at]
        at += 1
        if code == calls.RETURN:
            return k
        if code == calls.LOAD:
            (held,) = struct.unpack_from("<I", shown, k)
        else:
            at += yes if tests[code](k) else no


@pytest.mark.parametrize("machine", calls.KINDS)
def test_the_filter_refuses_what_it_says_and_nothing_else(machine):
    column = calls.KINDS[machine][1]
    refused = {numbers[column] for numbers in calls.REFUSED.values()}
    clone, clone3, socket, pair, control = (
        numbers[column] for numbers in (calls.CLONE, calls.CLONE3, calls.SOCKET, calls.SOCKETPAIR, calls.IOCTL)
    )
    for number in range(470):
        inputs = (1, 0) if number in (socket, pair) else ()
        due = calls.NO if number in refused else calls.UNKNOWN if number == clone3 else calls.ALLOW
        assert decided(machine, number, *inputs) == due, number
    assert decided(machine, clone, 0x3D0F00) == calls.ALLOW  # a thread, as the C library starts it
    assert decided(machine, clone, 0x10000011) == decided(machine, clone, 0x40000011) == calls.NO
    assert {decided(machine, n, family) for n in (socket, pair) for family in (0, 2, 10, 16, 40)} == {calls.NO}
    assert decided(machine, control, 0, 0x5412) == decided(machine, control, 0, 0x541C) == calls.NO
    assert decided(machine, control, 0, 0x5413) == calls.ALLOW
    assert decided(machine, calls.OTHER_TABLE) == calls.NO and decided(machine, 0, kind=0x40000003) == calls.KILL
    assert not calls.program("a machine of another kind")
