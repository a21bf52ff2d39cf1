"""What an exercise is, and how a check speaks: what failed, on which small example, which slip is likely. Never the
answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np

from .words import short


class Wrong(Exception):
    """The learner's answer is wrong. `what` failed, on which `case`; `slip` is the likely misconception, if known."""

    def __init__(self, what: str, case: str = "", slip: str = "") -> None:
        super().__init__(what)
        self.what, self.case, self.slip = what, case, slip


@dataclass(frozen=True)
class Check:
    """One thing that an answer must do. `run(work, rng)` raises Wrong where it does not.

    work: what the learner defined, as attributes. rng: for fresh inputs; nobody knows its seed beforehand. needs: the
    earlier checks that it builds on. Where one of them fails, a failure of this one shows no new mistake: it waits.
    effects: whether it looks at what the answer did to its inputs. Where answers run apart, only then do changes of
    inputs come back, so that no answer bends what a check goes on to compute with.
    """

    name: str
    points: int
    run: Callable[[Any, Random], None]
    needs: tuple[Check, ...] = ()
    effects: bool = False


def check(
    name: str, points: int = 1, needs: tuple[Check, ...] = (), effects: bool = False
) -> Callable[[Callable[[Any, Random], None]], Check]:
    """Make a function a `Check`; `name` completes the sentence "Your answer ..." as a list of ticks would."""
    return lambda run: Check(name, points, run, needs, effects)


@dataclass(frozen=True)
class Exercise:
    """id: such as "03-mixed-op". defines: the names that the learner writes. lesson: the notebook that leads here.

    difficulty: 1 to 5. why: one sentence on what it is good for. hints: a question, a plan, a few lines.
    """

    id: str
    title: str
    lesson: str
    defines: tuple[str, ...]
    minutes: int
    difficulty: int
    why: str
    hints: tuple[str, str, str]
    checks: tuple[Check, ...]

    @property
    def points(self) -> int:
        """What a right answer earns."""
        return sum(item.points for item in self.checks)


def same(
    got: Any,
    right: Any,
    case: str,
    what: str = "the result",
    slips: Mapping[str, Any] | None = None,
    tolerance: float = 1e-6,
) -> None:
    """Raise Wrong unless `got` is `right`: numbers, arrays and tensors within `tolerance` (relative to the largest
    number), of the same shape and finite; all else by equality.

    case: the input, in words. slips: misconception -> what an answer with it gives; the first that fits is named.
    """
    problem = difference(got, right, what, tolerance)
    if problem:
        fits = (slip for slip, value in (slips or {}).items() if not difference(got, value, what, tolerance))
        raise Wrong(problem, case, next(fits, ""))


def difference(got: Any, right: Any, what: str, tolerance: float) -> str:
    """Say how `got` differs from `right`; empty if it does not."""
    if got is None:
        return f"{what} is None; does the function return it?"
    a, b = _array(got), _array(right)
    if b is None:
        return "" if a is None and _plain_equal(got, right) else f"{what} is {short(got, 80)}, which is not right"
    if a is None:
        return f"{what} is a {type(got).__name__}, not numbers"
    if a.shape != b.shape:
        return f"{what} has shape {a.shape}, expected {b.shape}"
    if not np.isfinite(a).all() and np.isfinite(b).all():
        return f"{what} holds {a[~np.isfinite(a)].flat[0]}"
    with np.errstate(invalid="ignore"):
        off = np.where(a == b, 0.0, np.abs(a - b))
    off = np.where(np.isnan(off), np.inf, off)
    if not off.size or off.max() <= tolerance * max(1.0, float(np.abs(b[np.isfinite(b)]).max(initial=0.0))):
        return ""
    worst = off >= off.max() * (1 - 1e-9)  # of equals the first, whatever rounding says
    place = np.unravel_index(int(worst.argmax()), off.shape)
    where = f" at {list(map(int, place))}" if off.ndim else ""
    return f"{what} is {a[place]:.6g}{where}, off by {off.max():.3g}" + (f" (shape {a.shape})" if off.ndim else "")


def number(got: Any) -> float | None:
    """A single number of any plain kind, else None."""
    found = _array(got)
    return found.item() if found is not None and found.shape == () else None


def overflows(got: Any) -> bool:
    """Whether `got` is numbers of which one is infinite or none at all."""
    found = _array(got)
    return found is not None and not np.isfinite(found).all()


def likely(answer: Callable[..., Any], slips: Mapping[str, Callable[..., Any]], cases: Iterable[tuple]) -> str:
    """The first misconception that answers like `answer` in all of `cases` where the answer runs; "" if none does, or
    if it runs in none.

    slips: misconception -> a function that has it. One small case may fit several; together they tell.
    """
    answers = []
    for case in cases:
        try:
            answers.append((case, answer(*case)))
        except Exception:  # it is told by the check that meets it
            continue
    fits = lambda slip: all(not difference(got, slip(*case), "", 1e-6) for case, got in answers)  # noqa: E731
    return next((name for name, slip in slips.items() if answers and fits(slip)), "")


def _array(value: Any) -> np.ndarray | None:
    """Numbers as a float64 array; None for anything else. Reads plain types only, so that no object can lie."""
    if type(value).__module__.split(".")[0] == "torch":
        import torch

        if not isinstance(value, torch.Tensor):
            return None
        try:
            plain = torch.Tensor.resolve_neg(torch.Tensor.resolve_conj(torch.Tensor.detach(value)))
            if torch.Tensor.is_floating_point(plain):
                plain = torch.Tensor.double(plain)  # NumPy has no bfloat16
            value = torch.Tensor.numpy(torch.Tensor.cpu(torch.Tensor.to_dense(plain)))
        except (TypeError, RuntimeError):  # without numbers, such as on the device "meta"
            return None
    try:
        found = np.asarray(float(value) if type(value) in (Fraction, Decimal) else value)
    except (ValueError, TypeError, RuntimeError, ArithmeticError):  # rows of different lengths; too large for a float
        return None
    return found.astype(np.float64) if found.dtype.kind in "biuf" else None


def _plain_equal(got: Any, right: Any) -> bool:
    """Equality that the right answer decides, not the learner's `__eq__`."""
    try:
        return type(got) is type(right) and bool(right == got)
    except (ValueError, RuntimeError):  # arrays in a list of other things
        return False
