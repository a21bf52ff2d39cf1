"""Every exercise: its solution earns all points, plausible wrong answers get a message that names the slip, other
right answers pass. `pytest tests/test_exercises.py -k 03-mixed-op` tries one.
"""

from __future__ import annotations

import time
from functools import lru_cache

import numpy as np
import pytest
import torch
from exercise_files import HERE, defined, message, mutants, solution_code

from speechnas_lab.grading import EXERCISES, mark
from speechnas_lab.grading.course import exercise
from speechnas_lab.grading.exercise import likely
from speechnas_lab.grading.writing.alive import equivalent, survivors
from speechnas_lab.grading.writing.trial import (
    RIGHT,
    SEEDS,
    WRONG,
    answer_problems,
    hidden_problems,
    solution_problems,
)

LIMIT = 2.0  # seconds of computing for all checks of one exercise
LONG = {"18-search"}  # it evaluates networks: of its answers one wrong and one right is tried among the quick tests


def answers(kind):
    """All answers of a kind, as parameters of a test."""
    found = []
    for id in HERE:
        some = [answer for answer in mutants(id) if answer.kind == kind]
        slow = [id in LONG and answer is not some[0] for answer in some]
        marks = [[pytest.mark.slow] if one else [] for one in slow]
        found += [pytest.param(answer, id=str(answer), marks=mark) for answer, mark in zip(some, marks, strict=True)]
    return found


@pytest.mark.parametrize("id", HERE)
def test_the_solution_earns_all_points(id):
    assert not solution_problems(id)


@pytest.mark.parametrize("id", HERE)
def test_hidden_tests_accept_right_answers_and_refuse_a_blank(id):
    assert not hidden_problems(id, 1 if id in LONG else None)


@pytest.mark.parametrize("id", HERE)
def test_the_checks_are_quick(id):
    namespace = defined(solution_code(id))
    mark(exercise(id), namespace, 0)  # what is imported and compiled the first time does not count
    start = time.process_time()
    mark(exercise(id), namespace, 1)
    assert time.process_time() - start < LIMIT


@pytest.mark.parametrize("id", HERE)
def test_there_are_enough_wrong_and_right_answers(id):
    kinds = [answer.kind for answer in mutants(id)]
    assert kinds.count("wrong") >= WRONG and kinds.count("right") >= RIGHT, f"{id}: {len(kinds)} answers"
    names = [answer.name for answer in mutants(id)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("answer", answers("wrong"))
def test_a_wrong_answer_hears_its_slip(answer):
    assert not answer_problems(answer)


@pytest.mark.parametrize("answer", answers("right"))
def test_another_right_answer_passes(answer):
    assert not answer_problems(answer)


HANDED_ON = {"07-weight-slicing", "09-evolution"}  # their numbers are handed on as they are, nothing is computed


@pytest.mark.parametrize("id", sorted(set(HERE) - HANDED_ON))
def test_another_order_of_sums_is_as_right(id):
    """Numbers that are off by one ten-millionth, as float32 leaves them, pass."""
    namespace = defined(solution_code(id))
    for name in exercise(id).defines:
        namespace[name] = lambda *a, f=namespace[name], **k: rounded(f(*a, **k))
    for seed in SEEDS:
        found = mark(exercise(id), namespace, seed)
        assert found.points == found.max, f"seed {seed}: {message(found)}"


def rounded(value):
    """The same, with all floating numbers a little larger."""
    if isinstance(value, (list, tuple)):
        return type(value)(map(rounded, value))
    floating = isinstance(value, float) or (isinstance(value, torch.Tensor) and value.is_floating_point())
    return value * (1 + 1e-7) if floating and not isinstance(value, torch.nn.Parameter) else value


@pytest.mark.parametrize("id", HERE)
def test_nonsense_is_an_answer_too(id):
    """A check never fails by itself: whatever an answer returns is the learner's mistake, told in one line."""
    graph, nan, inf = [torch.ones(2, requires_grad=True)], float("nan"), float("inf")
    for value in (None, "text", [], {}, 3, nan, inf, object(), True, lambda *a, **k: None, (), b"x", graph):
        namespace = {name: lambda *a, value=value, **k: value for name in exercise(id).defines}
        found = mark(exercise(id), namespace, 5)
        assert found.outcome in ("wrong", "partly right", "does not run"), f"returns {value!r}: {message(found)}"
        assert "\n" not in message(found)


def tensors(value):
    """Tensors of the same size as `value` whose numbers NumPy cannot read as they are."""
    shape = np.shape(value) if isinstance(value, (int, float, list)) else getattr(value, "shape", ())
    ones = torch.ones(tuple(shape), dtype=torch.float64)
    return (ones.bfloat16(), torch._neg_view(ones), (1j * ones).conj(), ones.to_sparse(), ones.to("meta"))


@pytest.mark.parametrize("id", HERE)
def test_odd_tensors_are_answers_too(id):
    for number in range(len(tensors(0.0))):
        namespace = defined(solution_code(id))
        for name in exercise(id).defines:
            namespace[name] = lambda *a, f=namespace[name], **k: tensors(f(*a, **k))[number]  # noqa: B023
        found = mark(exercise(id), namespace, 5)
        assert found.outcome != "grader's fault", f"{tensors(0.0)[number]!r}: {message(found)}"


@pytest.mark.parametrize("id", HERE)
def test_an_answer_that_cannot_be_called_is_the_learners(id):
    class Anything:
        __call__, __getattr__ = (lambda self, *a, **k: 1 / 0), (lambda self, name: self)

    for value in (3, None, lambda: None, lambda a: None, lru_cache(lambda *a, **k: None), Anything()):
        found = mark(exercise(id), dict.fromkeys(exercise(id).defines, value), 5)
        assert found.outcome in ("wrong", "partly right", "does not run"), f"{value!r}: {message(found)}"
        assert "\n" not in message(found)


def test_no_slip_is_named_where_the_answer_never_runs():
    def fails(x):
        raise ValueError

    assert likely(fails, {"a slip": lambda x: x}, [(1,), (2,)]) == ""
    assert likely(lambda x: x, {"a slip": lambda x: x}, [(1,), (2,)]) == "a slip"


@pytest.mark.parametrize("id", HERE)
def test_the_text_is_complete(id):
    found = exercise(id)
    assert found.id == id and 1 <= found.difficulty <= 5 and 3 <= found.minutes <= 60
    assert len(set(found.hints)) == 3 and found.hints[0].rstrip().endswith("?"), "the first hint asks a question"
    assert len({item.name for item in found.checks}) == len(found.checks) >= 3
    assert len(found.why.split()) >= 5


@pytest.mark.slow
@pytest.mark.parametrize("id", HERE)
def test_no_small_change_of_the_solution_goes_unnoticed(id):
    lived, tried = survivors(id)
    assert tried >= 20 and not set(lived) - set(equivalent(id))  # see `grading.writing.alive`


def test_every_exercise_of_the_course_has_its_checks():
    assert list(EXERCISES) == HERE
