"""Run the checks of an exercise on what a learner wrote. A mark starts at 0 and is earned."""

from __future__ import annotations

import random
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from types import SimpleNamespace
from typing import Any

from .exercise import Check, Exercise, Wrong
from .judge.inside.frames import first_line, inputs_of, learners_frames
from .judge.inside.meters import fresh, metered

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
    answers = {name: Answer(name, namespace) for name in exercise.defines}
    return run_checks(exercise, answers, seed, lambda error: _told(error, namespace, answers.values()))


def run_checks(
    exercise: Exercise, answers: Mapping[str, Any], seed: int, told: Callable[[BaseException], Told | None],
    begin: Callable[[Check], None] = lambda item: None,
) -> Mark:  # fmt: skip
    """Run every check on `answers`, name -> callable. told: an error of the learner's, None for one of ours. begin: is
    called before each check.
    """
    found, work, failed, stopped = Mark(exercise.id, seed), SimpleNamespace(**answers), [], False
    for item in exercise.checks:
        result = Result(item.name, item.points)
        found.results.append(result)
        if stopped:  # by hand: the next check would only hang again
            result.waits = True
            continue
        begin(item)
        stopped = _run(item, result, work, seed, told)
        if not result.passed:
            result.waits = any(need in failed for need in item.needs)
            failed.append(item)
    return found


class Unusable(Exception):
    """What the learner should have defined is not there, or is no function."""


@dataclass(frozen=True)
class Told:
    """An error of the learner's. place: function and line, or "" where it arose in the call itself. inputs: of the
    function. name: the function's. first: the first line of its text.
    """

    place: str
    name: str
    first: str
    inputs: str


class Answer:
    """What a learner defined, called through here: an error that comes by this place is the answer's, also where none
    of its lines ran, as with a wrong number of arguments.

    Beyond a call, checks may ask how much work it was, and whether it touched the program's own source of chance.
    """

    def __init__(self, name: str, namespace: dict[str, Any]) -> None:
        self.name, self.namespace, self.__wrapped__ = name, namespace, namespace.get(name)

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        self._usable()
        return self.__wrapped__(*inputs, **options)

    def metered(self, unit: str, most: int, *inputs: Any) -> tuple[Any, int]:
        """(what it gave, how many "calls" or "lines" it took); (None, most + 1) where it takes more than `most`."""
        self._usable()
        return metered(unit, most, self.__wrapped__, *inputs)

    def often(self, times: int, *inputs: Any) -> list[Any]:
        """What each of many calls gives, with fresh lists and tensors each time, and one generator of chance."""
        return [self(*map(fresh, inputs)) for _ in range(times)]

    def chance(self) -> str:
        """The state of the source of chance that all of the answer's program shares."""
        return repr(random.getstate())

    def stir(self) -> None:
        """Move that source on."""
        random.random()

    def _usable(self) -> None:
        if self.name not in self.namespace:
            raise Unusable(f"{self.name} is not defined; run the cell with your answer, and keep its name")
        if not callable(self.__wrapped__):
            raise Unusable(f"{self.name} is a {type(self.__wrapped__).__name__}, not a function")


def _run(
    item: Check, result: Result, work: SimpleNamespace, seed: int, told: Callable[[BaseException], Told | None]
) -> bool:
    """Run one check into `result`; True where somebody interrupted the answer."""
    start = time.monotonic()
    try:
        item.run(work, Random(f"{seed} {item.name}"))
    except Wrong as wrong:
        result.what, result.case, result.slip = wrong.what, wrong.case, wrong.slip
    except Unusable as problem:
        result.fault, result.what = "learner", str(problem)
    except MemoryError:
        result.fault, result.what = "limit", "it took more memory than there is"
    except KeyboardInterrupt as error:
        if told(error) is None:
            raise
        seconds = time.monotonic() - start
        result.fault, result.what = "learner", f"Interrupted after {seconds:.0f} s: does your loop end?"
        return True
    except (Exception, SystemExit) as error:  # of the learner's code, or of ours
        own = told(error)
        result.fault = "learner" if own else "grader"
        fault = f"{type(error).__name__}: {own.first if own else first_line(error)}"
        if own is None:
            result.what = f"the check itself failed ({fault}); this costs you nothing"
        elif not own.place:
            result.what = f"your function could not be called ({fault}); the task says what it is given"
        elif isinstance(error, NotImplementedError):
            result.what = f"{own.name} is still to be written"
        else:
            result.what, result.case = f"{own.place}: {fault}", own.inputs
    else:
        result.passed = True
    return False


def _told(error: BaseException, namespace: dict[str, Any], answers: Iterable[Answer]) -> Told | None:
    """What to say of an error of the learner's; None where it is not theirs."""
    own = learners_frames(error, namespace, [answer.__wrapped__ for answer in answers])
    if own:
        frame, line = own[-1]
        name = frame.f_code.co_name
        return Told(f"{name}, line {line}", name, first_line(error), inputs_of(own[0][0]))
    doors = (Answer.__call__.__code__, Answer.metered.__code__)
    asked = any(frame.f_code in doors for frame, _ in traceback.walk_tb(error.__traceback__))
    return Told("", "", first_line(error), "") if asked else None
