"""Does an exercise hold? Each function answers with lines that say what is wrong, none where all is well."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from tempfile import TemporaryDirectory

from ..course import exercise
from ..marking import mark
from .source import Answer, cells_code, defined, message, solution_code

SEEDS = (1, 20, 300, 4000)
WRONG, RIGHT = 8, 3  # how many answers of each kind tests/mutants/ID.py should hold


def solution_problems(id: str, seeds: Sequence[int] = range(10)) -> list[str]:
    """Whether the solution earns all points."""
    try:
        namespace = defined(solution_code(id))
    except (Exception, SystemExit) as error:
        return [f"the solution does not run: {type(error).__name__}: {error}"]
    marks = [mark(exercise(id), namespace, seed) for seed in seeds]
    return [f"seed {found.seed}: {message(found)}" for found in marks if found.outcome != "right"]


def hidden_problems(id: str) -> list[str]:
    """Whether the check cell, with and without the public checks, accepts the solution and refuses a blank."""
    hidden = cells_code(id, "check").replace("must_pass(", "public = (")
    blanks = "\n".join(f"def {name}(*a, **k): pass" for name in exercise(id).defines)
    found = []
    with _own_home():
        for what, cell in (("the check cell", cells_code(id, "check")), ("its hidden tests alone", hidden)):
            if refused := _refused(f"{cells_code(id, 'given', 'answer')}\n\n{cell}"):
                found.append(f"{what}: the solution is refused ({type(refused).__name__}: {refused})")
            refused = _refused(f"{cells_code(id, 'given')}\n\n{blanks}\n\n{cell}")
            if refused is None:
                found.append(f"{what}: functions that return nothing pass; write a test below ### BEGIN HIDDEN TESTS")
            elif isinstance(refused, (NameError, SyntaxError, ImportError)):
                found.append(f"{what}: it fails by itself ({type(refused).__name__}: {refused})")
    return found


def answer_problems(answer: Answer, seeds: Sequence[int] = SEEDS) -> list[str]:
    """Whether a wrong answer hears its slip, and another right one earns all points."""
    return list(_answer_problems(answer, seeds))


def _answer_problems(answer: Answer, seeds: Sequence[int]) -> Iterator[str]:
    for seed in seeds:
        found = mark(exercise(answer.exercise), defined(answer.code), seed)
        told, where = message(found), f"{answer.kind}: {answer.name}, seed {seed}"
        if found.outcome == "grader's fault":
            yield f"{where}: {told}"
        elif answer.kind == "right":
            if found.points < found.max:
                yield f"{where}: it is refused: {told}"
        elif found.points == found.max:
            yield f"{where}: it earns all points"
        elif answer.says not in told:
            yield f"{where}: its message lacks {answer.says!r}: {told}"
        elif answer.hides and answer.hides in told:
            yield f"{where}: its message holds {answer.hides!r}: {told}"


def _refused(code: str) -> Exception | None:
    """The error that `code` ends in."""
    try:
        defined(code)
    except Exception as error:
        return error
    return None


@contextmanager
def _own_home() -> Iterator[None]:
    """A place of its own for the progress that a check cell writes down."""
    before = os.environ.get("SPEECHNAS_HOME")
    with TemporaryDirectory(prefix="speechnas-") as folder:
        os.environ["SPEECHNAS_HOME"] = folder
        try:
            yield
        finally:
            os.environ.pop("SPEECHNAS_HOME")
            if before is not None:
                os.environ["SPEECHNAS_HOME"] = before
