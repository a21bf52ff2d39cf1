"""16-drift: a cumulative sum that notices when a model became slower, once for each change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import accumulate
from math import exp, log, log2, log10
from random import Random
from statistics import mean, median
from typing import Any

import numpy as np

from ..exercise import Exercise, Wrong, check, likely, same

Pairs = list[tuple[int, int]]
TRIES = 2000  # draws of a case in which every slip can be told from the right answer


def _sums(latencies: Sequence[float], reference: float, allowance: float) -> list[float]:
    """The right sums."""
    return _added([log(ms / reference) - allowance for ms in latencies])


def _added(steps: Sequence[float]) -> list[float]:
    return list(accumulate(steps, lambda total, step: max(0.0, total + step), initial=0.0))[1:]


def _sum_slips(latencies: Sequence[float], reference: float, allowance: float) -> Mapping[str, list[float]]:
    """Misconception -> the sums that it gives."""
    scores = [log(ms / reference) for ms in latencies]
    right = _sums(latencies, reference, allowance)
    steps = [score - allowance for score in scores]
    before = [reference, *latencies[:-1]]
    return {
        "the allowance is not taken off": _added(scores),
        "the allowance is added; it is taken off": _added([score + allowance for score in scores]),
        "nothing stops the sum at 0, so that good times are saved up, and hide what comes later":
            list(accumulate(steps)),
        "each step is stopped at 0, not the sum: it never falls again":
            list(accumulate(max(0.0, step) for step in steps)),
        "the sum is of milliseconds above the reference, not of logarithms":
            _added([ms - reference - allowance for ms in latencies]),
        "the score is the relative change; the logarithm of the ratio is meant":
            _added([ms / reference - 1 - allowance for ms in latencies]),
        "this is log2; the natural logarithm is meant": _added([log2(ms / reference) - allowance for ms in latencies]),
        "this is log10; the natural logarithm is meant":
            _added([log10(ms / reference) - allowance for ms in latencies]),
        "the sign is turned: this notices what became faster": _added([-score - allowance for score in scores]),
        "the size of each deviation counts, whatever its sign": _added([abs(score) - allowance for score in scores]),
        "these are the steps, not their sum": steps,
        "each sum is that of the sample before": [0.0, *right[:-1]],
        "each latency is compared with the one before it, not with the reference":
            _added([log(ms / old) - allowance for ms, old in zip(latencies, before, strict=True)]),
        "the allowance is taken off once, at the end": [total - allowance for total in _added(scores)],
        "a sum that fell below 0 is made positive; it is 0 then":
            list(accumulate(steps, lambda total, step: abs(total + step), initial=0.0))[1:],
    }  # fmt: skip


def _found(latencies: Sequence[float], reference: float, allowance: float, threshold: float, learn: int,
           slip: str = "") -> Pairs:
    """The right pairs (since, found); with `slip`, those of an answer that has it. See `SLIPS`."""
    total, zero, pairs, at, begun = 0.0, -1, [], 0, 0
    while at < len(latencies):
        total = max(0.0, total + log(latencies[at] / reference) - allowance)
        zero = at if total == 0 else zero
        if total > threshold:
            since = {"zero": zero, "found": at, "first": 0}.get(slip, zero + 1)
            pairs.append((since - begun, at - begun) if slip == "local" else (since, at))
            if slip == "again":
                at += 1
                continue
            taught = latencies[at + 1 : at + 1 + learn]
            taught = latencies[at : at + learn] if slip == "with the alarm" else taught
            taught = latencies[zero + 1 : at + 1] if slip == "of the alarm" else taught
            if slip == "once" or (len(taught) < learn and slip not in ("no level", "of the alarm", "only reset")):
                break
            reference = {"mean": mean, "last": lambda some: some[-1], "largest": max}.get(slip, median)(
                taught) if slip not in ("no level", "only reset") else reference  # fmt: skip
            total = total if slip == "keeps the sum" else 0.0
            at += 0 if slip in ("of the alarm", "watches", "only reset") else learn - (slip == "with the alarm")
            zero, begun = zero if slip == "old zero" else at, at + 1
        at += 1
    if slip == "from 1":
        return [(since + 1, found + 1) for since, found in pairs]
    if slip == "after":
        return [(since, found + 1) for since, found in pairs]
    return [(found, since) for since, found in pairs] if slip == "turned round" else pairs


SLIPS = {
    "again": "the alarm never ends: one change raises an alarm at every sample that follows",
    "only reset": "the sum begins anew, but nothing is learnt: the same change is found again and again",
    "no level": "the samples that follow are left out, but the reference stays the old one: the same change is found "
                "again",
    "zero": "since is the last sample whose sum was 0; the change begins with the one after it",
    "found": "since is where the alarm was raised; the change began where the sum left 0",
    "first": "since is always 0",
    "from 1": "samples are counted from 1; here from 0",
    "after": "found is the sample after the one that raised the alarm",
    "turned round": "the pairs are (found, since)",
    "once": "the search ends with the first alarm",
    "mean": "the new reference is a mean, which one slow call carries away; the median is meant",
    "last": "the new reference is one single latency; the median of those that teach is meant",
    "largest": "the new reference is the slowest of those that teach; their median is meant",
    "with the alarm": "the sample that raised the alarm teaches, too; only those after it do",
    "of the alarm": "the samples that raised the alarm teach the new level; the next `learn` samples do",
    "watches": "the samples that teach are watched as well; watching goes on after them",
    "keeps the sum": "after learning the sum goes on from where it stood; it begins at 0",
    "old zero": "since of a later change reaches back to before the learning; the sum begins at 0 after it",
    "local": "later samples are counted from where watching began anew; count from the first of all",
}  # fmt: skip


def _case(rng: Random, spans: Sequence[tuple[int, float]]) -> tuple[list[float], float]:
    """Latencies of spans (samples, level relative to the reference) with some noise, and the reference, in ms."""
    reference = round(rng.uniform(2.0, 4.0), 1)
    levels = [level for count, level in spans for _ in range(count)]
    return [round(reference * level * exp(rng.gauss(0, 0.04)), 2) for level in levels], reference


def _told(
    rng: Random, spans: Sequence[tuple[int, float]], learn: int, apart: Sequence[str], spike: int | None = None
) -> tuple[list[float], float, float, float, int]:
    """What `drifts` is asked, where the slips in `apart` answer otherwise and no sum is near the threshold.

    spike: the place of one call that took half as long again.
    """
    levels = [1.0, *(level for _, level in spans)]
    rises = sum(after > 1.1 * before for before, after in zip(levels, levels[1:], strict=False))
    for _ in range(TRIES):
        latencies, reference = _case(rng, spans)
        if spike:
            latencies[spike] = round(1.5 * latencies[spike], 2)
        asked = (latencies, reference, 0.1, 0.5, learn)
        right = _found(*asked)
        if len(right) == rises and all(_found(*asked, slip=slip) != right for slip in apart) and all(
            _found(latencies, reference, 0.1, near, learn) == right for near in (0.499, 0.501)):  # fmt: skip
            break
    return asked


def _compare(work: Any, cases: Sequence[tuple]) -> None:
    """Compare the learner's pairs with the right ones; all cases together tell which slip it is."""
    for latencies, *rest in cases:
        right = _found(latencies, *rest)
        shown = ", ".join(f"{ms:g}" for ms in latencies) if len(latencies) <= 30 else f"{len(latencies)} of them"
        case = "latencies [{}], reference {:g}, allowance {}, threshold {}, learn {}".format(shown, *rest)
        got = work.drifts(list(latencies), *rest)
        if not right and isinstance(got, np.ndarray) and got.size == 0:
            continue
        try:
            same(got, right, case, "drifts(...)")
        except Wrong as wrong:
            slips = {words: partial(_found, slip=slip) for slip, words in SLIPS.items()}
            answer = lambda ms, *more: work.drifts(list(ms), *more)  # noqa: E731
            raise Wrong(wrong.what, case, likely(answer, slips, cases)) from None


@check("adds up what exceeds the allowance, and never falls below 0", 2)
def adds(work: Any, rng: Random) -> None:
    cases = []
    for count in (1, 2, 6, 9):
        latencies, reference = _case(rng, [(count - count // 2, 0.97), (count // 2, 1.2)])
        latencies[0] = round(reference * (1.3 if count in (1, 9) else 0.8), 2)
        cases.append((latencies, reference, 0.05))
    for latencies, reference, allowance in cases:
        case = f"latencies {latencies}, reference {reference}, allowance {allowance}"
        got = work.cusum(list(latencies), reference, allowance)
        try:
            same(got, _sums(latencies, reference, allowance), case, "cusum(...)")
        except Wrong as wrong:
            slips = {words: partial(_slipped, words) for words in _sum_slips(*cases[0])}
            answer = lambda ms, *more: work.cusum(list(ms), *more)  # noqa: E731
            raise Wrong(wrong.what, case, likely(answer, slips, cases)) from None


def _slipped(words: str, *asked: Any) -> list[float]:
    return _sum_slips(*asked)[words]


@check("finds a slow-down once, and tells since when", 2, needs=(adds,))
def once(work: Any, rng: Random) -> None:
    apart = ("again", "only reset", "no level", "zero", "found", "first", "from 1", "after", "turned round")
    cases = [_told(rng, [(before, 1.0), (after, 1.4)], 3, apart) for before, after in ((4, 12), (10, 30), (40, 200))]
    _compare(work, [*cases, _told(rng, [(12, 1.4)], 3, ())])  # the last is slow from the first call on


@check("stays silent where nothing changes, and where latency falls", needs=(adds,))
def silent(work: Any, rng: Random) -> None:
    spans = ([(12, 1.0)], [(8, 1.0), (12, 0.7)], [(200, 1.05)])
    _compare(work, [_told(rng, span, 3, ()) for span in spans])


@check("learns the new level, and finds the next change against it", 3, needs=(once,))
def again(work: Any, rng: Random) -> None:
    _compare(work, [
        _told(rng, [(4, 1.0), (9, 1.3), (8, 1.7)], 5, ("once", "local", "with the alarm", "of the alarm")),
        _told(rng, [(4, 1.0), (9, 1.4), (12, 2.2)], 9, ("watches", "with the alarm")),  # it rises while it teaches
        _told(rng, [(5, 1.0), (14, 1.4), (20, 1.75)], 7, ("mean", "last", "largest"), 11),
        _told(rng, [(4, 1.0), (7, 1.5), (7, 2.4)], 4, ("keeps the sum", "old zero")),
        _told(rng, [(10, 1.0), (20, 1.4), (20, 1.0), (20, 2.0)], 5, ("once", "local")),
    ])  # fmt: skip


@check("ends where the latencies end: none at all, or too few left to learn from", needs=(once,))
def ends(work: Any, rng: Random) -> None:
    asked = _told(rng, [(5, 1.0), (6, 1.4)], 20, ())
    latencies, *rest = asked
    at = _found(*asked)[0][1]
    _compare(work, [([], 3.0, 0.1, 0.5, 3), asked, (latencies[: at + 1], *rest), (latencies[: at + 3], *rest[:3], 2)])


EXERCISE = Exercise(
    id="16-drift",
    title="A detector of drift",
    lesson="16_streaming_and_drift",
    defines=("cusum", "drifts"),
    minutes=25,
    difficulty=2,
    why="A model in production gets slower and nobody is told; a sum of small excesses tells it from noise.",
    hints=(
        "A tenth slower is less than the noise of one call. What could you do with many calls, so that noise goes "
        "away and a tenth stays? And what must not happen while all is well?",
        "One pass over the latencies. Keep the sum, and the place where it was last 0. Where the sum passes the "
        "threshold, note the pair; jump over the samples that teach, take their median, and set the sum to 0.",
        "total = max(0.0, total + math.log(ms / reference) - allowance); if total == 0: zero = at. At an alarm the "
        "teachers are latencies[at + 1 : at + 1 + learn], and watching goes on behind them.",
    ),
    checks=(adds, once, silent, again, ends),
)
