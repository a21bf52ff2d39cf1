"""13-penalty: the latency that an undecided network may be expected to take, and a loss that pulls it to a target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import torch
from torch import Tensor

from ...hardware import LatencyTable, latency_penalty
from ..exercise import Exercise, Wrong, check, overflows, same
from ..slopes import slopes_of

SIZES = ((2,), (2, 2), (3, 3, 3), (2, 4, 3))  # candidates of each slot, the smallest case first
PLUS, MINUS = 1.0, -1.0


def _case(rng: Random, sizes: Sequence[int]) -> tuple[list[Tensor], list[list[float]], float, str]:
    """Alphas (float32, as torch makes them), a table in milliseconds, its fixed part, and these in words."""
    alphas = [torch.tensor([round(rng.gauss(0, 1), 2) for _ in range(n)]) for n in sizes]
    table = [[round(rng.uniform(0.1, 3.0), 2) for _ in range(n)] for n in sizes]
    fixed = round(rng.uniform(0.2, 1.0), 2)
    shown = ", ".join("[" + ", ".join(f"{a:.2f}" for a in alpha.tolist()) + "]" for alpha in alphas)
    return [a.requires_grad_() for a in alphas], table, fixed, f"alphas [{shown}], table {table}, fixed {fixed}"


def _slips(alphas: Sequence[Tensor], table: Sequence[Sequence[float]], fixed: float) -> Mapping[str, float]:
    """Misconception -> the expected latency that it gives, in milliseconds."""
    rows = [alpha.detach().new_tensor(row) for alpha, row in zip(alphas, table, strict=True)]
    pairs = [(alpha.detach(), row) for alpha, row in zip(alphas, rows, strict=True)]
    right = fixed + sum(float(a.softmax(0) @ row) for a, row in pairs)
    together = torch.cat([a for a, _ in pairs]).softmax(0) @ torch.cat(rows)
    return {
        "only the candidate with the largest alpha counts, and so no slope is left": fixed
        + sum(float(row[a.argmax()]) for a, row in pairs),
        "alpha itself is the weight, without softmax": fixed + sum(float(a @ row) for a, row in pairs),
        "the fixed part is forgotten": right - fixed,
        "the fixed part is added once for each slot": right + fixed * (len(pairs) - 1),
        "all candidates weigh the same": fixed + sum(float(row.mean()) for _, row in pairs),
        "all candidates run, so that their times are added up without weights": fixed
        + sum(float(row.sum()) for row in rows),
        "one softmax runs over the candidates of all slots together": fixed + float(together),
        "the mean over the slots is taken, but slots run one after the other": fixed + (right - fixed) / len(pairs),
        "the slots run side by side, so that only the slowest counts": fixed
        + max(float(a.softmax(0) @ row) for a, row in pairs),
        "each weight is a sigmoid, so that the weights of a slot do not sum to 1": fixed
        + sum(float(a.sigmoid() @ row) for a, row in pairs),
        "alpha has its sign turned": fixed + sum(float((-a).softmax(0) @ row) for a, row in pairs),
        "the result is in seconds": right / 1000,
    }


def _expected(work: Any, alphas: list[Tensor], table: list[list[float]], fixed: float, case: str) -> Any:
    """The learner's expected latency; Wrong where only slots of unlike size stop it."""
    try:
        return work.expected_latency(alphas, [list(row) for row in table], fixed)
    except NotImplementedError:  # still to be written
        raise
    except (RuntimeError, ValueError) as error:
        sizes = [len(row) for row in table]
        if len(set(sizes)) == 1:
            raise
        slip = "slots may have unlike numbers of candidates, so they make no matrix; go slot by slot"
        told = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:100]}"
        raise Wrong(f"slots of {sizes} candidates end in {told}", case, slip) from None


@check("expects the time that softmax(alpha) promises", 2)
def expects(work: Any, rng: Random) -> None:
    for sizes in SIZES:
        alphas, table, fixed, case = _case(rng, sizes)
        right, slips = LatencyTable(fixed, tuple(map(tuple, table))).expected(alphas), _slips(alphas, table, fixed)
        got = _expected(work, alphas, table, fixed, case)
        same(got, right, case, "expected_latency(alphas, table, fixed)", slips, 1e-5)


@check("stays steady where alpha is large")
def steady(work: Any, rng: Random) -> None:
    alphas, table, fixed, _ = _case(rng, (3, 3))
    alphas = [(alpha.detach() + 800.0).requires_grad_() for alpha in alphas]
    case = "alphas of about 800"
    got = work.expected_latency(alphas, [list(row) for row in table], fixed)
    if overflows(got):
        raise Wrong("the result is not finite", case, "exp overflows; torch has a softmax that does not")
    right = LatencyTable(fixed, tuple(map(tuple, table))).expected(alphas)
    same(got, right, case, "the expected latency", tolerance=1e-3)


@check("lets the slope of the expected time reach every alpha", 2)
def slopes(work: Any, rng: Random) -> None:
    for sizes in SIZES:
        alphas, table, fixed, case = _case(rng, sizes)
        right = LatencyTable(fixed, tuple(map(tuple, table))).expected(alphas)
        expected = torch.autograd.grad(right, alphas)
        what = "expected_latency(...)"
        mine = _expected(work, alphas, table, fixed, case)
        got = slopes_of(mine, alphas, case, what, "alpha")
        for slot, (mine, true) in enumerate(zip(got, expected, strict=True)):
            same(mine, true, case, f"the gradient of {what} by the alpha of slot {slot}", tolerance=1e-5)


def _penalty_slips(ms: float, target: float, weight: float, one_sided: bool) -> Mapping[str, float]:
    excess = ms - target
    used = max(excess, 0.0) if one_sided else abs(excess)
    return {
        "the square of the distance is taken, not its size": weight * used**2,
        "the distance keeps its sign, so that being too fast is rewarded without end": weight * excess,
        "the sign is turned: too slow is rewarded": -weight * used,
        "one_sided is not looked at": weight * (abs(excess) if one_sided else max(excess, 0.0)),
        "one-sided is the wrong way round: what is too fast pays": weight * max(-excess, 0.0),
        "the weight is forgotten": used,
        "the target is turned into seconds, the latency is not": weight * abs(ms - target / 1000),
        "the target is taken for seconds, but it is in milliseconds like the latency": weight
        * (max(ms - 1000 * target, 0.0) if one_sided else abs(ms - 1000 * target)),
        "the latency is turned into seconds, the target is not": weight
        * (max(ms / 1000 - target, 0.0) if one_sided else abs(ms / 1000 - target)),
        "the distance is divided by the target; here it is in milliseconds": weight * used / target,
        "the latency itself is punished, whatever the target": weight * ms,
    }


def _penalise(work: Any, rng: Random, *one_sided: bool) -> None:
    """Compare penalties with `one_sided`; it may be left out."""
    sparing, words = any(one_sided), str(one_sided[0]) if one_sided else "left out"
    for side in (PLUS, MINUS, 0.0, PLUS, MINUS):
        target, weight = round(rng.uniform(1.0, 4.0), 2), round(rng.uniform(0.2, 0.9), 2)
        ms = target + side * round(rng.uniform(0.2, 0.8), 2)
        case = f"latency {ms:.2f} ms, target {target:.2f} ms, weight {weight:.2f}, one_sided {words}"
        latency = torch.tensor(ms, dtype=torch.float64, requires_grad=True)
        right, slips = latency_penalty(ms, target, weight, sparing), _penalty_slips(ms, target, weight, sparing)
        if not one_sided:
            slips = {"where it is left out, one_sided is False": latency_penalty(ms, target, weight, True)}
        same(work.penalty(latency, target, weight, *one_sided), right, case, "penalty(...)", slips)


@check("pays for the distance from the target, on both sides", 2)
def two_sided(work: Any, rng: Random) -> None:
    _penalise(work, rng, False)
    _penalise(work, rng)


@check("with one_sided, spares what is faster than the target")
def one_sided(work: Any, rng: Random) -> None:
    _penalise(work, rng, True)


@check("pulls alpha towards the target, from above and from below", 2)
def pulls(work: Any, rng: Random) -> None:
    for side, sparing in ((PLUS, False), (MINUS, False), (PLUS, True), (MINUS, True)):
        alphas, table, fixed, case = _case(rng, (3, 2))
        true = LatencyTable(fixed, tuple(map(tuple, table))).expected(alphas)
        target, weight = true.item() * (0.8 if side == PLUS else 1.25), 0.5
        where = f"{case}; target {target:.2f} ms ({'below' if side == PLUS else 'above'} the expected time)"
        where += f", one_sided {sparing}"
        expected = torch.autograd.grad(latency_penalty(true, target, weight, sparing), alphas)
        latency = _expected(work, alphas, table, fixed, where)
        slip = "the value left the graph on the way (item, float, detach, or a plain 0 from Python's max)"
        got = slopes_of(work.penalty(latency, target, weight, sparing), alphas, where, "the penalty", "alpha", slip)
        for slot, (mine, right) in enumerate(zip(got, expected, strict=True)):
            slips = {"the pull goes the wrong way": -right, "the pull grows with the distance; that of |.| does not":
                     2 * (true.item() - target) * side * right}  # fmt: skip
            same(mine, right, where, f"the gradient of the penalty by the alpha of slot {slot}", slips, 1e-5)


EXERCISE = Exercise(
    id="13-penalty",
    title="Latency inside the loss",
    lesson="13_latency_penalty",
    defines=("expected_latency", "penalty"),
    minutes=15,
    difficulty=2,
    why="A clock gives no gradient; an expectation over a table of times does, so speed can be learnt like the rest.",
    hints=(
        "If a slot takes 2 ms with probability 3/4 and 4 ms with probability 1/4, how long does it take on average? "
        "And where do the probabilities come from?",
        "Slot by slot: softmax of its alpha, times its row of the table, summed. Add the slots up, and the fixed part "
        "once. For the penalty, take the distance from the target first; then ask which distances count.",
        "latency = fixed; for each slot: latency = latency + (alpha.softmax(0) * alpha.new_tensor(row)).sum(). "
        "A tensor has .abs() for two sides and .clamp(min=0) for one.",
    ),
    checks=(expects, steady, slopes, two_sided, one_sided, pulls),
)
