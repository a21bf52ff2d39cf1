"""11-latency-lookup: a price list, milliseconds for each thing that a network does, learnt from measured networks."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import cache
from random import Random
from typing import Any

import numpy as np
from scipy.optimize import nnls

from ...hardware import LatencyPredictor
from ...space import MobileConformerSpace, counts
from ..exercise import Exercise, Wrong, check, same

SIZES = ((3, 1), (6, 2), (12, 3))  # (networks, kinds of things counted), the smallest case first


def fitted(things: np.ndarray, ms: np.ndarray) -> np.ndarray:
    """The right price list (kinds + 1,): relative least squares, no price below 0, the fixed part last."""
    rows = np.hstack([things, np.ones((len(things), 1))])
    return nnls(rows / ms[:, None], np.ones(len(ms)))[0]


def _slips(things: np.ndarray, ms: np.ndarray) -> Mapping[str, np.ndarray]:
    """Misconception -> the price list that it gives."""
    kinds = things.shape[1]
    ones = np.ones((len(things), 1))
    rows = np.hstack([things, ones])
    weighted = rows / ms[:, None]
    free = np.linalg.lstsq(weighted, np.ones(len(ms)), rcond=None)[0]
    plain = nnls(rows, ms)[0]
    right = fitted(things, ms)
    bare = nnls(things / ms[:, None], np.ones(len(ms)))[0]
    means = ms.mean() / things.mean(0)
    return {
        "the prices are in seconds": right / 1000,
        "every network gets the mean latency": np.r_[np.zeros(kinds), ms.mean()],
        "the fixed part stands first; it belongs last": np.roll(right, 1),
        "the fixed part is forgotten: a network also takes time for what is not counted": np.r_[bare, 0.0],
        "the fixed part is missing from the list": bare,
        "plain least squares: an error of 0.1 ms counts alike for a network of 0.2 ms and one of 5 ms": plain,
        "the fixed part's ones must be divided by the latency, too": nnls(
            np.hstack([things / ms[:, None], ones]), np.ones(len(ms))
        )[0],
        "each row was divided by the root of its latency; slow networks still count more": nnls(
            rows / np.sqrt(ms)[:, None], np.sqrt(ms)
        )[0],
        "plain least squares without the limit at 0": np.linalg.lstsq(rows, ms, rcond=None)[0],
        "nothing keeps the prices from falling below 0, and more work will seem to take less time": free,
        "negative prices are cut off after the fit; the others must be fitted anew without them": free.clip(min=0),
        "negative prices are turned positive": np.abs(free),
        "the weight is ms, not 1 / ms: slow networks count most": nnls(rows * ms[:, None], ms * ms)[0],
        "each price is the mean latency divided by the mean count, as if nothing else took time": np.r_[means, 0.0],
    }


def _case(rng: Random, networks: int, kinds: int, noise: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, str]:
    """Counts (networks, kinds), milliseconds (networks,), the true price list, and this in words.

    The networks differ by a factor of about 30 in latency, so that relative and absolute errors differ.
    """
    draw = np.random.default_rng(rng.randrange(2**32))
    things = np.round(10 ** draw.uniform(-0.5, 1.0, (networks, kinds)), 2)
    prices = np.append(np.round(draw.uniform(0.1, 0.5, kinds), 2), np.round(draw.uniform(0.05, 0.2), 2))
    ms = (things @ prices[:-1] + prices[-1]) * np.exp(noise * draw.standard_normal(networks))
    of = f"counts of {kinds} kind{'s' if kinds > 1 else ''}"
    return things, ms, prices, f"{networks} networks, {of}, from {ms.min():.2f} to {ms.max():.2f} ms"


def _call(function: Callable[..., Any], case: str, **inputs: np.ndarray) -> Any:
    """What a learner's function makes of copies of `inputs`; Wrong where it writes into them."""
    given = {name: array.copy() for name, array in inputs.items()}
    got = function(*given.values())
    changed = next((name for name, array in inputs.items() if not np.array_equal(given[name], array)), "")
    if changed:
        slip = "/= and the like write into the caller's array; a / b makes a new one"
        raise Wrong(f"the caller's array is changed: {changed} is not what it was", case, slip)
    return got


def _fit(work: Any, things: np.ndarray, ms: np.ndarray, case: str) -> Any:
    """The learner's price list."""
    got = _call(work.fit_prices, case, counts=things, ms=ms)
    if isinstance(got, tuple) and len(got) == 2 and np.ndim(got[1]) == 0 and isinstance(got[0], np.ndarray):
        slip = "nnls gives the prices and an error: take the first"
        raise Wrong("fit_prices(counts, ms) is a pair of an array and a number, not one array", case, slip)
    return got


@check("finds the prices of a machine that keeps them", 2, effects=True)
def exact(work: Any, rng: Random) -> None:
    for networks, kinds in SIZES:
        things, ms, prices, case = _case(rng, networks + kinds, kinds, noise=0.0)
        got = _fit(work, things, ms, case)
        same(got, prices, case, "fit_prices(counts, ms)", _slips(things, ms), 1e-4)


@check("counts an error in proportion to the latency", 2, effects=True)
def relative(work: Any, rng: Random) -> None:
    for networks, kinds in ((8, 1), (20, 2), (40, 3)):
        things, ms, _, case = _case(rng, networks, kinds, noise=0.15)
        right = fitted(things, ms)
        same(_fit(work, things, ms, case), right, case, "fit_prices(counts, ms)", _slips(things, ms), 1e-4)


@check("gives nothing a price below 0", 2, effects=True)
def nothing_for_less(work: Any, rng: Random) -> None:
    draw = np.random.default_rng(rng.randrange(2**32))
    work_done = draw.uniform(1, 4, 16)
    beside = np.round(6 - work_done + draw.uniform(0, 0.5, 16), 2)  # the more of one, the less of the other
    things = np.stack([np.round(work_done, 2), beside], 1)
    ms = 0.3 + 0.5 * things[:, 0] - 0.05 * things[:, 1] + 0.02 * draw.standard_normal(16)
    case = f"16 networks, counts of 2 kinds, the second seems to save time; from {ms.min():.2f} to {ms.max():.2f} ms"
    right = fitted(things, ms)
    same(_fit(work, things, ms, case), right, case, "fit_prices(counts, ms)", _slips(things, ms), 1e-4)


@check("adds up a network that nobody measured", 2, effects=True)
def adds_up(work: Any, rng: Random) -> None:
    for networks, kinds in SIZES:
        things, _, prices, case = _case(rng, networks, kinds, noise=0.0)
        sums = things @ prices[:-1]
        slips = {
            "the fixed part is forgotten": sums,
            "the fixed part is added once for each thing counted": sums + kinds * prices[-1],
            "the fixed part is multiplied, not added": sums * prices[-1],
            "the result is in seconds": (sums + prices[-1]) / 1000,
            "the fixed part is taken for the first price": np.hstack([np.ones((networks, 1)), things]) @ prices,
            "all networks are added up": (sums + prices[-1]).sum(),
        }
        got = _call(work.predict_ms, case, prices=prices, counts=things)
        same(got, sums + prices[-1], f"{case}; prices {prices.tolist()}", "predict_ms(prices, counts)", slips, 1e-6)


@cache
def _real() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts of 40 Mobile Conformers, milliseconds of a made-up machine, and what the library's table predicts."""
    space, rng = MobileConformerSpace("laptop"), random.Random(11)
    archs = [space.sample(rng) for _ in range(40)]
    noise = np.random.default_rng(11).normal(0, 0.03, len(archs))
    ms = np.array([0.1 + counts(arch).macs / 4e7 + 0.02 * arch.depth for arch in archs]) * np.exp(noise)
    table = LatencyPredictor("lookup", space).fit(archs, ms)
    rows = np.stack([space.encode(arch) for arch in archs]).astype(float)
    return rows @ table.fitted_.line.table, ms, table.predict(archs)


@check("agrees with the library on Mobile Conformers", 2, effects=True)
def like_the_library(work: Any, rng: Random) -> None:
    things, ms, right = _real()
    order = list(range(len(ms)))
    rng.shuffle(order)
    things, ms, right = things[order], ms[order], right[order]
    case = f"{len(ms)} Mobile Conformers, counts of {things.shape[1]} kinds, from {ms.min():.2f} to {ms.max():.2f} ms"
    got = work.predict_ms(_fit(work, things, ms, case), things.copy())
    rows = np.hstack([things, np.ones((len(things), 1))])
    slips = {name: rows @ prices for name, prices in _slips(things, ms).items() if len(prices) == rows.shape[1]}
    same(got, right, case, "predict_ms(fit_prices(counts, ms), counts)", slips, 1e-3)


EXERCISE = Exercise(
    id="11-latency-lookup",
    title="A price list for latency",
    lesson="11_latency",
    defines=("fit_prices", "predict_ms"),
    minutes=12,
    difficulty=2,
    why="With a price for each kind of work, a search can ask how long a network takes without ever building it.",
    hints=(
        "Each measured network gives one equation: its counts times the unknown prices, plus the fixed part, is its "
        "time. What must both sides be divided by, so that 10% too much weighs the same for every network?",
        "Put a column of ones beside the counts for the fixed part. Divide each row, and its time, by the time. Then "
        "solve by least squares with all prices at 0 or above.",
        "rows = np.hstack([counts, np.ones((len(counts), 1))]). nnls(A, b) of scipy gives (x, error) with x >= 0 that "
        "brings A @ x closest to b. What is b, if each row was divided by its own time?",
    ),
    checks=(exact, relative, nothing_for_less, adds_up, like_the_library),
)
