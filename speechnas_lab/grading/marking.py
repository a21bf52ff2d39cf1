"""Run the checks of an exercise on what a learner wrote. A mark starts at 0 and is earned."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from types import FrameType, FunctionType, SimpleNamespace
from typing import Any

from .exercise import Check, Exercise, Wrong, undecorated

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
    waits: bool = False  # not passed, but neither is a check that it needs: nothing can be said yet


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
    refused = next(filter(None, (_no_function(name, namespace) for name in exercise.defines)), "")
    work = SimpleNamespace(**{name: _Answer(namespace.get(name)) for name in exercise.defines})
    failed: list[Check] = []
    for item in exercise.checks:
        result = Result(item.name, item.points)
        found.results.append(result)
        if refused:
            result.fault, result.what = "learner", refused
        else:
            _run(item, result, work, namespace, seed)
        if not result.passed:
            result.waits = any(need in failed for need in item.needs)
            failed.append(item)
    return found


def _no_function(name: str, namespace: dict[str, Any]) -> str:
    """Why `name` cannot be called, or ""."""
    if name not in namespace:
        return f"{name} is not defined; run the cell with your answer, and keep its name"
    return "" if callable(namespace[name]) else f"{name} is a {type(namespace[name]).__name__}, not a function"


class _Answer:
    """What a learner defined, called through here: an error that comes by this place is the answer's, also where none
    of its lines ran, as with a wrong number of arguments.
    """

    def __init__(self, function: Callable[..., Any] | None) -> None:
        self.__wrapped__ = function

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        return self.__wrapped__(*inputs, **options)


def _run(item: Check, result: Result, work: SimpleNamespace, namespace: dict[str, Any], seed: int) -> None:
    try:
        item.run(work, Random(f"{seed} {item.name}"))
    except Wrong as wrong:
        result.what, result.case, result.slip = wrong.what, wrong.case, wrong.slip
    except MemoryError:
        result.fault, result.what = "limit", "it took more memory than there is"
    except (Exception, SystemExit) as error:  # of the learner's code, or of ours
        own, asked = learners_frames(error, namespace, work), _asked(error)
        result.fault = "learner" if own or asked else "grader"
        fault = f"{type(error).__name__}: {_first_line(error)}"
        if not own and asked:
            result.what = f"your function could not be called ({fault}); the task says what it is given"
            return
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
    plain = map(undecorated, vars(work).values())
    homes = [namespace, *(value.__globals__ for value in plain if isinstance(value, FunctionType))]
    walk = traceback.walk_tb(error.__traceback__)
    return [(frame, line) for frame, line in walk if any(frame.f_globals is home for home in homes)]


def _asked(error: BaseException) -> bool:
    """Whether the error came out of a call of the answer."""
    return any(frame.f_code is _Answer.__call__.__code__ for frame, _ in traceback.walk_tb(error.__traceback__))


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
