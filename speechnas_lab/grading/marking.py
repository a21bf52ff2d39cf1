"""Run the checks of an exercise on what a learner wrote. A mark starts at 0 and is earned."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from random import Random
from types import FrameType, FunctionType, SimpleNamespace
from typing import Any

from .exercise import Check, Exercise, Wrong

OUTCOMES = ("right", "partly right", "wrong", "does not run", "over the limit", "grader's fault")


@dataclass
class Result:
    """One check: passed, or why not."""

    name: str
    points: int
    passed: bool = False
    what: str = ""
    case: str = ""
    slip: str = ""
    fault: str = ""  # "learner" where the answer raised an error, "grader" where the check did, "limit" without memory


@dataclass
class Mark:
    """All checks of one exercise. seed: gives the same inputs again."""

    exercise: str
    seed: int
    results: list[Result] = field(default_factory=list)

    @property
    def points(self) -> int:
        return sum(result.points for result in self.results if result.passed)

    @property
    def max(self) -> int:
        return sum(result.points for result in self.results)

    @property
    def outcome(self) -> str:
        """One of OUTCOMES."""
        faults = {result.fault for result in self.results}
        if "limit" in faults:
            return "over the limit"
        if "grader" in faults:
            return "grader's fault"
        if self.points == self.max and self.results:
            return "right"
        if self.points:
            return "partly right"
        return "does not run" if "learner" in faults else "wrong"

    @property
    def first_failure(self) -> Result | None:
        return next((result for result in self.results if not result.passed), None)


def mark(exercise: Exercise, namespace: dict[str, Any], seed: int) -> Mark:
    """Run every check on the names in `namespace`, each with inputs that `seed` decides."""
    found = Mark(exercise.id, seed)
    missing = [name for name in exercise.defines if name not in namespace]
    for item in exercise.checks:
        result = Result(item.name, item.points)
        found.results.append(result)
        if missing:
            result.fault = "learner"
            result.what = f"{missing[0]} is not defined; run the cell with your answer, and keep its name"
            continue
        _run(item, result, SimpleNamespace(**{name: namespace[name] for name in exercise.defines}), namespace, seed)
    return found


def _run(item: Check, result: Result, work: SimpleNamespace, namespace: dict[str, Any], seed: int) -> None:
    try:
        item.run(work, Random(f"{seed} {item.name}"))
    except Wrong as wrong:
        result.what, result.case, result.slip = wrong.what, wrong.case, wrong.slip
    except MemoryError:
        result.fault, result.what = "limit", "it took more memory than there is"
    except (Exception, SystemExit) as error:  # of the learner's code, or of ours
        own = learners_frames(error, namespace, work)
        result.fault = "learner" if own else "grader"
        fault = f"{type(error).__name__}: {_first_line(error)}"
        if not own:
            result.what = f"the check itself failed ({fault}); this costs you nothing"
            return
        frame, line = own[-1]
        name = frame.f_code.co_name
        if isinstance(error, NotImplementedError):
            result.what = f"{name} is still to be written"
        else:
            result.what, result.case = f"{name}, line {line}: {fault}", _inputs(own[0][0])
    else:
        result.passed = True


def learners_frames(
    error: BaseException, namespace: dict[str, Any], work: SimpleNamespace
) -> list[tuple[FrameType, int]]:
    """The frames of a traceback that run what the learner wrote, each with its line."""
    homes = [namespace, *(value.__globals__ for value in vars(work).values() if isinstance(value, FunctionType))]
    walk = traceback.walk_tb(error.__traceback__)
    return [(frame, line) for frame, line in walk if any(frame.f_globals is home for home in homes)]


def _inputs(frame: FrameType) -> str:
    """What a function was given, as far as it fits a line."""
    code, told = frame.f_code, []
    for name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
        value = frame.f_locals.get(name)
        shape = getattr(value, "shape", None)
        try:
            words = f"{type(value).__name__} of shape {tuple(shape)}" if isinstance(shape, tuple) else repr(value)
        except Exception:  # of a learner's class
            words = type(value).__name__
        if len(words) <= 60 and " at 0x" not in words and "\n" not in words:
            told.append(f"{name} = {words}")
    return ", ".join(told)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0][:200]
