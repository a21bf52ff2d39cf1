"""The judge: the marks that a learner's own check gives, from a process that sees no answer; damaged work; outcomes."""

from __future__ import annotations

import json
import math
import shutil
import socket
import threading
from collections import deque
from decimal import Decimal
from fractions import Fraction
from random import Random

import numpy as np
import pytest
import torch
from exercise_files import HERE, ROOT, defined, mutants, solution_code
from sandboxed import needs_sandbox

from speechnas_lab.errors import BadInput
from speechnas_lab.grading import judge as room
from speechnas_lab.grading import mark
from speechnas_lab.grading.blank import blank
from speechnas_lab.grading.course import exercise
from speechnas_lab.grading.judge import Job, Judge, JudgeLimits
from speechnas_lab.grading.judge.bench import mark as mark_there
from speechnas_lab.grading.judge.inside import values
from speechnas_lab.grading.judge.inside.peer import Pack, Peer, Unpack
from speechnas_lab.grading.judge.inside.wire import MOST_BYTES, SIZES, Broken, Gone, Line
from speechnas_lab.grading.judge.sandbox import Sandbox
from speechnas_lab.grading.submission import Cell, Submission, read

LIMITS = JudgeLimits(seconds=60.0, memory_mb=2000)


def submission(*sources: str) -> Submission:
    return Submission(tuple(Cell(f"answer-{n}", n, source, True) for n, source in enumerate(sources, 1)))


@pytest.fixture(scope="module")
def sandbox():
    found = Sandbox(LIMITS)
    yield found
    found.close()


def judged(sandbox: Sandbox, id: str, *sources: str, seed: int = 1) -> dict:
    cells = [{"name": f"answer-{n}", "source": source} for n, source in enumerate(sources, 1)]
    return mark_there({"exercise": id, "cells": cells, "seed": seed}, sandbox.begin(id))


OWN_CHANCE = {  # wrong answers whose words differ from run to run, or whose results are too large to travel
    "numpy's source", "chance without the seed", "numbers without end"}  # fmt: skip


# The same marks -------------------------------------------------------------------------------------------------------
@needs_sandbox
@pytest.mark.parametrize("id", ["01-wer", "03-mixed-op", "04-darts-step", "07-weight-slicing", "08-sandwich-step",
                                "14-zero-cost"])  # fmt: skip
def test_the_solution_is_right_apart_too(id, sandbox):
    told = judged(sandbox, id, solution_code(id))
    assert (told["outcome"], told["points"]) == ("right", exercise(id).points), told["what"]


@needs_sandbox
@pytest.mark.slow
@pytest.mark.parametrize("id", HERE)
def test_every_answer_gets_the_mark_and_the_words_of_its_own_check(id, sandbox):
    for name, code in [("solution", solution_code(id)), *((str(answer), answer.code) for answer in mutants(id))]:
        told, here = judged(sandbox, id, code), mark(exercise(id), defined(code), 1)
        assert [r["passed"] for r in told["results"]] == [r.passed for r in here.results], (name, told["what"])
        if name.split(": ")[-1] in OWN_CHANCE:
            continue
        said = [(r["what"], r["case"], r["slip"], r["fault"]) for r in told["results"]]
        assert said == [(r.what, r.case, r.slip, r.fault) for r in here.results], name


@needs_sandbox
def test_wrong_answers_hear_the_same_words(sandbox):
    for id in ("01-ctc-collapse", "05-second-order", "15-fake-quantise"):
        wrong = [answer for answer in mutants(id) if answer.kind == "wrong"][:4]
        for answer in wrong:
            told, here = judged(sandbox, id, answer.code), mark(exercise(id), defined(answer.code), 1)
            assert [(r["passed"], r["what"], r["slip"]) for r in told["results"]] == [
                (r.passed, r.what, r.slip) for r in here.results
            ], answer


# The face -------------------------------------------------------------------------------------------------------------
@needs_sandbox
def test_jobs_come_back_with_their_keys_and_typed_outcomes():
    wer = solution_code("01-wer")
    half = wer.replace("max(1, len(said))", "len(said)")
    jobs = {
        "right": wer, "partly right": half, "wrong": "def wer(a, b):\n    return 0.3", "does not run": "x = 1 / 0",
        "over the limit": "while True: pass", "not begun": "def wer(a, b):\n    raise NotImplementedError()",
    }  # fmt: skip
    asked = [Job(key, "01-wer", submission(source), 3) for key, source in jobs.items()]
    asked.append(Job("refused", "01-wer", Submission((), ("odd",), "it is no notebook"), 3))
    with Judge(JudgeLimits(seconds=3.0), workers=2) as judge:
        found = {graded.key: graded for graded in judge.grade(asked)}
    assert {key: graded.outcome for key, graded in found.items() if key != "refused"} == {key: key for key in jobs}
    assert (found["refused"].outcome, found["refused"].what) == ("does not run", "it is no notebook")
    assert found["refused"].notes == ["odd"]
    assert [found[key].points for key in jobs] == [5, found["partly right"].points, 0, 0, 0, 0]
    assert 0 < found["partly right"].points < 5
    assert "longer than 3 seconds" in found["over the limit"].what
    assert "line 1: ZeroDivisionError" in found["does not run"].what
    assert all(graded.max == 5 and graded.seed == 3 for graded in found.values())
    assert len(found["right"].results) == len(exercise("01-wer").checks) and found["right"].seconds > 0


@needs_sandbox
def test_a_worker_that_dies_is_the_graders_fault_and_no_zero(monkeypatch):
    from speechnas_lab.grading.judge import judging

    begin = judging.Bench.begin

    def dies(self, job, tries):
        begin(self, job, tries)
        if job.key == "unlucky":
            self.process.kill()

    monkeypatch.setattr(judging.Bench, "begin", dies)
    jobs = [Job(key, "01-wer", submission(solution_code("01-wer")), 1) for key in ("unlucky", "lucky")]
    with Judge(LIMITS, workers=1) as judge:
        found = {graded.key: graded for graded in judge.grade(jobs)}
    assert (found["unlucky"].outcome, found["unlucky"].points) == ("grader's fault", None)
    assert found["lucky"].points == 5


def test_without_bubblewrap_it_refuses_and_says_what_to_install(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(BadInput, match="apt install bubblewrap"):
        Judge()


# Values ---------------------------------------------------------------------------------------------------------------
class Mirror(Peer):
    """A side that only packs and unpacks."""

    def __init__(self, sign: int) -> None:
        super().__init__(Line(None), sign)


def there(value: object) -> object:
    """`value` after it has travelled from the worker to the judge."""
    worker, judge = Mirror(-1), Mirror(1)
    pack = Pack(worker)
    node = json.loads(json.dumps(pack.value(value)))
    return Unpack(judge, bytes(pack.block)).value(node)


PLAIN = (
    None, True, 7, -(2**80), 1.5, math.inf, "ä\0", b"\xff", 2 + 1j, (1, [2, {3: "x"}]), {1, 2}, frozenset({"a"}),
    deque([1]), range(3, 9, 2), Fraction(1, 3), Decimal("0.1"), np.float32(1.5), np.int64(-3), np.bool_(True),
    {"a": (), "b": []},
)  # fmt: skip


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_values_arrive_as_they_are(value):
    found = there(value)
    assert type(found) is type(value) and found == value


@pytest.mark.parametrize("kind", ["float64", "float32", "float16", "int64", "uint8", "bool", "complex64"])
def test_arrays_and_tensors_arrive_as_they_are(kind):
    array = (np.random.default_rng(0).random((3, 0 + 4)) * 9).astype(kind)
    for one in (array, array[::2, 1:].T, array[:0]):
        found = there(one)
        assert found.dtype == one.dtype and np.array_equal(found, one)
        tensor = there(torch.from_numpy(one.copy()))
        assert torch.equal(tensor, torch.from_numpy(one.copy()))
    assert there(torch.tensor(1.5, dtype=torch.bfloat16)).dtype == torch.bfloat16
    assert math.isnan(there(float("nan")))


def test_what_cannot_travel_arrives_as_a_name():
    class Odd:
        def __repr__(self):
            raise RuntimeError

    class Pair(tuple):
        __eq__ = lambda self, other: True  # noqa: E731
        __hash__ = None

    found = there(Odd())
    assert type(found).__name__ == "Odd" and "cannot be shown" in repr(found)
    pair = there(Pair((1, 2)))
    assert type(pair).__name__ == "Pair" and isinstance(pair, tuple) and tuple(pair) == (1, 2) and pair != (3, 4)
    assert list(there(n for n in range(3))) == [0, 1, 2]
    assert type(there(lambda: 1)).__name__ == "function"
    with pytest.raises(Broken):
        there(iter(int, 1))  # it never ends


@pytest.mark.parametrize("node", [
    [], ["list"], ["list", 3], ["os"], ["array", "|O8", [1], 0, 8], ["array", "<f8", [9], 0, 8],
    ["array", "<f8", [-1], 0, 8], ["array", "<f8", [1], -8, 8],
    ["int", "zz"], ["dict", [[["list", []], 1]]], ["dict", [1]], ["fraction", 1, 0],
    ["tensor", 5, ["float32", [1], 0, 4], 0, None, None, False, False], ["twin", 3, False], ["chance", 1], {"a": 1},
    ["tensor", -5, ["float32", [1 << 62], 0, 4], 0, None, None, False, False], ["kind of", "a b", 1], ["mine", 1],
], ids=json.dumps)  # fmt: skip
def test_what_is_not_as_it_should_be_is_refused(node):
    with pytest.raises(Broken):
        Unpack(Mirror(1), bytes(8)).value(node)


def test_random_nodes_break_nothing():
    """Mutations of good messages give a value or Broken, and nothing else."""
    rng = Random(5)
    pack = Pack(Mirror(-1))
    good = pack.value([1, {"a": (2.5, {3})}, np.arange(3.0), torch.ones(2), "text", 2**70, (n for n in range(2))])

    def shaken(node):
        if isinstance(node, list) and rng.random() < 0.9:
            return [shaken(part) for part in node]
        return rng.choice([node, node, None, -1, 2**40, "list", [], "dict", "tensor", "<f8", True, 1e308])

    came = 0
    for _ in range(1500):
        try:
            Unpack(Mirror(1), bytes(pack.block)).value(shaken(good))
            came += 1
        except Broken:
            pass
    assert 0 < came < 1500


def test_collisions_and_depth_are_bounded():
    deep: list = []
    for _ in range(values.DEEPEST + 5):
        deep = [deep]
    for value in (deep, [0.0, (1,)] * values.MOST):
        with pytest.raises(Broken):
            there(value)
    many = ["dict", [[n, n] for n in range(values.MOST_KEYS + 1)]]
    with pytest.raises(Broken):
        Unpack(Mirror(1), b"").value(many)


def test_a_line_measures_before_it_reads():
    for begin, error in ((SIZES.pack(2, MOST_BYTES + 1), Broken), (SIZES.pack(3, 0) + b"{[}", Broken), (b"\1", Gone)):
        one, two = socket.socketpair()
        thread = threading.Thread(target=lambda one=one, begin=begin: (one.sendall(begin), one.close()))
        thread.start()
        with two, pytest.raises(error):
            Line(two).take()
        thread.join()


# What the sandbox shows -----------------------------------------------------------------------------------------------
def test_the_copies_hold_no_answer(tmp_path):
    from speechnas_lab.grading.judge.views import lay_out, view

    lay_out(tmp_path / "course")
    names = {path.name for path in (tmp_path / "course").rglob("*")}
    hidden = {"checks", "marking.py", "exercise.py", "small-space.json", "blank.json", "remote.py", "measured"}
    assert not names & hidden and "worker.py" in names
    assert view("02-count") != view("18-search") != view("01-wer")
    given = tmp_path / "course" / "views"
    for path in given.glob("plain/**/*.py"):
        assert "pareto" not in path.read_text(encoding="utf-8")
    assert not list(given.glob("02-count/**/space.py"))


def test_of_an_environment_in_the_course_s_own_folder_only_its_parts_are_shown(tmp_path, monkeypatch):
    from speechnas_lab.grading.judge import sandbox

    for name in ("bin", "lib/python3/site-packages", "solutions", "submitted"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "lib64").symlink_to("lib")
    (tmp_path / "pyvenv.cfg").touch()
    monkeypatch.setattr(sandbox.sys, "prefix", str(tmp_path))
    monkeypatch.setattr(sandbox.sys, "path", [str(tmp_path / "lib64/python3/site-packages")])
    shown = {str(place.relative_to(tmp_path)) for place in sandbox._python() if place.is_relative_to(tmp_path)}
    assert shown == {"bin", "lib", "pyvenv.cfg"}


def test_room_loads_lazily():
    assert set(room.__all__) == {"Graded", "Job", "Judge", "JudgeLimits"}


# Damaged but honest work ----------------------------------------------------------------------------------------------
def released(id: str) -> dict:
    """The notebook of an exercise with the solution written in."""
    notebook = json.loads(blank(id))
    solved = json.loads((ROOT / "solutions" / id / f"{id}.ipynb").read_text(encoding="utf-8"))
    source = {cell["metadata"].get("nbgrader", {}).get("grade_id"): cell["source"] for cell in solved["cells"]}
    for cell in notebook["cells"]:
        if cell["id"].startswith("answer"):
            cell["source"] = source[cell["id"]]
    return notebook


def cell_of(notebook: dict, name: str) -> dict:
    return next(cell for cell in notebook["cells"] if cell["id"] == name)


def lose_ids(notebook: dict) -> None:
    for cell in notebook["cells"]:
        cell.pop("id")
        cell["metadata"] = {}


def old_format(notebook: dict) -> None:
    kept = [(cell["cell_type"], cell["source"]) for cell in notebook.pop("cells")]
    cells = [{"cell_type": kind, "input": source, "metadata": {}, "outputs": []} for kind, source in kept]
    notebook |= {"worksheets": [{"cells": cells}], "nbformat": 3, "nbformat_minor": 0}


def shuffle(notebook: dict) -> None:
    notebook["cells"].reverse()


def delete(name: str):
    return lambda notebook: notebook["cells"].remove(cell_of(notebook, name))


def before(name: str, source: str):
    def change(notebook: dict) -> None:
        cell = cell_of(notebook, name)
        cell["source"] = source + "\n" + "".join(cell["source"])

    return change


def kernel(notebook: dict) -> None:
    notebook["metadata"]["kernelspec"] = {"name": "my-own-env-37", "language": "R"}


def copied(notebook: dict) -> None:
    cell = dict(cell_of(notebook, "answer"))
    notebook["cells"].insert(0, {**cell, "id": "a1b2c3"})


DAMAGES = {  # what happened -> (how, exercise, points lost, what is said of it)
    "lost ids": (lose_ids, "01-ctc-collapse", 0, "has lost its id; it defines collapse"),
    "old format": (old_format, "01-ctc-collapse", 0, "old format"),
    "cells out of order": (shuffle, "01-ctc-collapse", 0, ""),
    "a wrong kernel name": (kernel, "01-wer", 0, ""),
    "a copied cell": (copied, "01-wer", 0, "stands on cells"),
    "a deleted answer": (delete("answer-frames"), "01-ctc-collapse", 2, "'answer-frames' is gone"),
    "a deleted given cell": (delete("given"), "03-mixed-op", 0, "taken as it was handed out"),
    "100 MB printed": (before("answer", "for _ in range(100): print('x' * 10**6)"), "01-wer", 0, "it printed 100 MB"),
    "a package that is not there": (before("answer", "import pandas_of_mine"), "01-wer", 0, "ModuleNotFoundError"),
    "an error in one cell": (before("answer-frames", "1 / 0"), "01-ctc-collapse", 2, "ZeroDivisionError"),
    "a cell that is no Python": (before("answer-frames", "def ("), "01-ctc-collapse", 2, "SyntaxError"),
    "shell commands": (before("answer", "!pip install x\n%matplotlib inline"), "01-wer", 0, ""),
}


@needs_sandbox
@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_work_is_graded_as_far_as_it_goes(name, sandbox, tmp_path):
    change, id, lost, said = DAMAGES[name]
    notebook, path = released(id), tmp_path / f"Müller_{id}.ipynb"
    change(notebook)
    path.write_text(json.dumps(notebook), encoding="utf-8-sig")
    found = read(path)
    assert not found.refused
    cells = [{"name": cell.name, "source": cell.source} for cell in found.cells]
    told = mark_there({"exercise": id, "cells": cells, "seed": 2}, sandbox.begin(id))
    assert told["points"] == exercise(id).points - lost, told
    assert said in " ".join([*found.notes, *told["notes"]])


def test_poisoned_notebooks_are_refused_in_a_line(tmp_path):
    path = tmp_path / "01-wer.ipynb"
    for text in ('{"cells": ' + "[" * 100_000, '{"cells": [1]}', '{"cells": {}}', "[]", "null", '{"worksheets": [{}]}',
                 '{"worksheets": 3}'):  # fmt: skip
        path.write_text(text)
        found = read(path)
        assert "is no notebook" in found.refused and "\n" not in found.refused
    notebook = released("01-wer")
    for cell in notebook["cells"]:
        cell["metadata"]["nbgrader"] = {"grade_id": {"points": 5}, "points": 1e9, "grade": True, "score": "100"}
        cell["outputs"] = [{"output_type": "stream", "text": {"a": 1}}]
    path.write_text(json.dumps(notebook))
    assert [cell.name for cell in read(path).cells] == ["given", "answer"]
    cell_of(notebook, "answer")["source"] = "x" * (10**6 + 1)
    path.write_text(json.dumps(notebook))
    assert "1,000,001 characters" in " ".join(read(path).notes)
