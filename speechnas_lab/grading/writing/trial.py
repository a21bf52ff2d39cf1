"""Does an exercise hold? Each function answers with lines that say what is wrong, none where all is well."""

from __future__ import annotations

import ast
import io
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from tempfile import TemporaryDirectory

from ..course import exercise
from ..judge import Job, Judge
from ..marking import mark
from ..submission import Cell, Submission
from .source import Answer, answers, cells_code, defined, message, solution_code

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


def hidden_problems(id: str, most: int | None = None) -> list[str]:
    """Whether the check cell, with and without the public checks, accepts the solution and refuses a blank; and whether
    its hidden tests accept the other right answers (the first `most` of them), and leave an answer's names alone.
    """
    hidden = cells_code(id, "check").replace("must_pass(", "_ = (")
    blanks = "\n".join(f"def {name}(*a, **k): pass" for name in exercise(id).defines)
    found = []
    if names := sorted(_bound(hidden) - {"hidden_tests", "must_pass", "_"}):
        found.append(f"the hidden tests may overwrite names of an answer ({', '.join(names)}): write them into a "
                     "function hidden_tests, and call it")  # fmt: skip
    with _own_home():
        for what, cell in (("the check cell", cells_code(id, "check")), ("its hidden tests alone", hidden)):
            with warnings.catch_warnings(record=True) as warned, redirect_stderr(io.StringIO()) as printed:
                warnings.simplefilter("default")
                refused = _refused(f"{cells_code(id, 'given', 'answer')}\n\n{cell}")
            if refused:
                found.append(f"{what}: the solution is refused ({type(refused).__name__}: {refused})")
            elif said := "".join(str(one.message) for one in warned) + printed.getvalue():
                found.append(f"{what}: stderr is not empty, which nbgrader takes for a failure: {said}")
            refused = _refused(f"{cells_code(id, 'given')}\n\n{blanks}\n\n{cell}")
            if refused is None:
                found.append(f"{what}: functions that return nothing pass; write a test below ### BEGIN HIDDEN TESTS")
            elif isinstance(refused, (NameError, SyntaxError, ImportError)):
                found.append(f"{what}: it fails by itself ({type(refused).__name__}: {refused})")
        for answer in [answer for answer in answers(id) if answer.kind == "right"][:most]:
            if refused := _refused(f"{cells_code(id, 'given')}\n\n{answer.code}\n\n{hidden}"):
                found.append(f"the hidden tests refuse another right answer, {answer.name!r}: {refused}")
    return found


def judged_problems(id: str, seed: int = 1) -> list[str]:
    """Whether a class's judge, in whose sandbox the answer runs alone, gives the same points as `check` does.

    BadInput where there can be no sandbox.
    """
    codes = {"the solution": solution_code(id), **{f"{a.kind}: {a.name}": a.code for a in answers(id)}}
    jobs = [Job(name, id, Submission((Cell("answer", 1, code, True),)), seed) for name, code in codes.items()]
    found = []
    with Judge(workers=1) as judge:
        for graded in judge.grade(jobs):
            here = mark(exercise(id), defined(codes[graded.key]), seed)
            if graded.points != here.points:
                told = graded.what or graded.outcome
                found.append(f"{graded.key}: {here.points} points by check, {graded.points} by the judge: {told}")
    return found


def _bound(code: str) -> set[str]:
    """The names that the top level of `code` binds."""
    found = set()
    for node in ast.parse(code).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
            continue
        found |= {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
        found |= {(part.asname or part.name).split(".")[0] for part in ast.walk(node) if isinstance(part, ast.alias)}
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
