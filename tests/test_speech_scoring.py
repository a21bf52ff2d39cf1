"""Error rates against a plain dynamic programme, and intervals against what they promise."""

from __future__ import annotations

import random
import time

import jiwer
import numpy as np
import pytest

from speechnas_lab.speech import (
    bootstrap_wer,
    character_error_rate,
    error_counts,
    paired_bootstrap,
    word_error_rate,
)


def distance(a, b) -> int:
    """Levenshtein's recursion, row by row."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        above, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (x != y))
    return row[-1]


def sentences(rng: random.Random, count: int) -> list[str]:
    return [
        " ".join(rng.choice("abcde") * rng.randint(1, 3) for _ in range(rng.randint(0, 6)))
        for _ in range(count)
    ]


def test_counts_are_edit_distances():
    rng = random.Random(0)
    refs, hyps = sentences(rng, 300), sentences(rng, 300)
    wanted = [(distance(r.split(), h.split()), len(r.split())) for r, h in zip(refs, hyps, strict=True)]
    assert error_counts(refs, hyps) == wanted
    assert word_error_rate(refs, hyps) == sum(e for e, _ in wanted) / sum(n for _, n in wanted)
    assert word_error_rate(refs, hyps) == pytest.approx(jiwer.wer(refs, hyps))
    errors = sum(distance(r, h) for r, h in zip(refs, hyps, strict=True))
    assert character_error_rate(refs, hyps) == errors / sum(map(len, refs))


@pytest.mark.parametrize(
    ("refs", "hyps", "rate"),
    [
        ([""], [""], 0.0),
        ([""], ["a b"], 2.0),
        (["", "a b"], ["x", "a b"], 0.5),
        (["fries"], ["no fry"], 2.0),
        (["", "  "], ["", ""], 0.0),
        ([], [], 0.0),
        (["a  b\t c "], [" a b c"], 0.0),
    ],
)
def test_corner_cases(refs, hyps, rate):
    assert word_error_rate(refs, hyps) == rate
    interval = bootstrap_wer(refs, hyps, ["s"] * len(refs))
    assert interval.value == rate and np.isfinite([interval.low, interval.high]).all()


def test_lists_must_match():
    with pytest.raises(ValueError, match="2 references but 1"):
        word_error_rate(["a", "b"], ["a"])
    with pytest.raises(ValueError, match="1 speakers for 2"):
        bootstrap_wer(["a", "b"], ["a", "b"], ["s"])


def made(rng: np.random.Generator, speakers: int, each: int, spread: float):
    """References of ten words; each speaker has an error rate of his own around 20%."""
    refs, hyps, names = [], [], []
    for s in range(speakers):
        wrong = np.clip(0.2 + spread * rng.normal(), 0, 1)
        for _ in range(each):
            refs.append(" ".join(["w"] * 10))
            hyps.append(" ".join("x" if rng.random() < wrong else "w" for _ in range(10)))
            names.append(f"s{s}")
    return refs, hyps, names


def test_interval_agrees_with_a_loop_over_speakers():
    refs, hyps, names = made(np.random.default_rng(0), 12, 8, 0.1)
    got = bootstrap_wer(refs, hyps, names, seed=3, n=4000)
    counts = error_counts(refs, hyps)
    by_speaker = {s: [c for c, n in zip(counts, names, strict=True) if n == s] for s in sorted(set(names))}
    rng, values = random.Random(5), []
    for _ in range(4000):
        drawn = [c for s in rng.choices(sorted(by_speaker), k=12) for c in by_speaker[s]]
        values.append(sum(e for e, _ in drawn) / sum(w for _, w in drawn))
    low, high = np.percentile(values, [2.5, 97.5])
    assert got.unit == "speakers" and got.value == word_error_rate(refs, hyps)
    assert got.low == pytest.approx(low, abs=0.006) and got.high == pytest.approx(high, abs=0.006)
    assert got == bootstrap_wer(refs, hyps, names, seed=3, n=4000)


def test_few_speakers_fall_back_to_utterances_and_say_so():
    refs, hyps, names = made(np.random.default_rng(0), 4, 50, 0.1)
    assert bootstrap_wer(refs, hyps, names).unit == "utterances"
    assert bootstrap_wer(refs, hyps, [f"{n}{k % 2}" for k, n in enumerate(names)]).unit == "speakers"


def test_interval_covers_the_truth():
    """About 95 of 100 intervals hold the true rate; with 20 speakers they are a little narrow."""
    rng = np.random.default_rng(1)
    hits = 0
    for k in range(100):
        interval = bootstrap_wer(*made(rng, 20, 4, 0.05), seed=k, n=300)
        hits += interval.low <= 0.2 <= interval.high
    assert 85 <= hits <= 99


def test_paired_interval_is_narrower_and_signed():
    refs, hyps, names = made(np.random.default_rng(2), 20, 10, 0.1)
    better = [h.replace("x", "w", 1) for h in hyps]
    difference = paired_bootstrap(refs, hyps, better, names, seed=0)
    assert difference.value == pytest.approx(word_error_rate(refs, hyps) - word_error_rate(refs, better))
    assert 0 < difference.low < difference.value < difference.high
    alone = bootstrap_wer(refs, hyps, names, seed=0)
    assert difference.high - difference.low < alone.high - alone.low
    same = paired_bootstrap(refs, hyps, hyps, names)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    other = paired_bootstrap(refs, better, hyps, names, seed=0)
    assert other.value == -difference.value and other.low == pytest.approx(-difference.high, abs=0.005)


def test_resampling_is_quick():
    from speechnas_lab.speech.scoring import resampled

    counts = np.random.default_rng(0).integers(0, 9, (2500, 2))
    times = []
    for _ in range(5):
        start = time.perf_counter()
        assert resampled(counts, 0, 1000).shape == (1000, 2)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.15  # about 0.03 s on an idle machine
