"""Error rates, and how far a small test set can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jiwer
import numpy as np

FEWEST_SPEAKERS = 5  # with fewer, resampling speakers says nothing
AT_ONCE = 4_000_000  # draws held in memory at a time


@dataclass(frozen=True)
class Interval:
    """A rate with its 95% bootstrap interval; `unit` is what was resampled, "speakers" or "utterances"."""

    value: float
    low: float
    high: float
    unit: str


def word_error_rate(refs: Sequence[str], hyps: Sequence[str]) -> float:
    """(substitutions + deletions + insertions) / reference words, over all utterances together, by jiwer.

    It may exceed 1. An empty reference counts its hypothesis's words as insertions. If there is no
    reference word at all, the number of errors itself is returned (0.0 if nothing was said): never NaN.
    """
    return rate(error_counts(refs, hyps))


def character_error_rate(refs: Sequence[str], hyps: Sequence[str]) -> float:
    """The same over characters, spaces between words included."""
    return rate(counts_of(jiwer.process_characters(*tidy(refs, hyps))) if len(refs) else [])


def error_counts(refs: Sequence[str], hyps: Sequence[str]) -> list[tuple[int, int]]:
    """For each utterance (word errors, reference words)."""
    references, hypotheses = tidy(refs, hyps)
    return counts_of(jiwer.process_words(references, hypotheses)) if references else []


def bootstrap_wer(
    refs: Sequence[str], hyps: Sequence[str], speakers: Sequence[str], seed: int = 0, n: int = 1000
) -> Interval:
    """Word error rate with its bootstrap interval (Bisani and Ney 2004).

    Whole speakers are drawn with replacement, since the errors of one voice go together; with fewer than five
    speakers, utterances are drawn instead and the interval is too narrow for a new voice.
    """
    counts = np.array(error_counts(refs, hyps), np.int64).reshape(-1, 2)  # (N, 2)
    groups, unit = grouped(counts, speakers)
    low, high = ends(rates(resampled(groups, seed, n)))
    return Interval(float(rates(counts.sum(0))), low, high, unit)


def paired_bootstrap(
    refs: Sequence[str],
    hyps_a: Sequence[str],
    hyps_b: Sequence[str],
    speakers: Sequence[str],
    seed: int = 0,
    n: int = 1000,
) -> Interval:
    """WER of a minus WER of b, both on the same draws: an interval that leaves out 0 is a real difference."""
    a = np.array(error_counts(refs, hyps_a), np.int64).reshape(-1, 2)
    b = np.array(error_counts(refs, hyps_b), np.int64).reshape(-1, 2)
    difference = np.stack([a[:, 0] - b[:, 0], a[:, 1]], 1)  # (N, 2): the words are the same
    groups, unit = grouped(difference, speakers)
    low, high = ends(rates(resampled(groups, seed, n)))
    return Interval(float(rates(difference.sum(0))), low, high, unit)


def grouped(counts: np.ndarray, speakers: Sequence[str]) -> tuple[np.ndarray, str]:
    """(N, 2) counts of utterances -> (G, 2) counts of what is resampled, and its name."""
    if len(speakers) != len(counts):
        raise ValueError(f"{len(speakers)} speakers for {len(counts)} utterances")
    names, index = np.unique(np.asarray(speakers, dtype=str), return_inverse=True)
    if len(names) < FEWEST_SPEAKERS:
        return counts, "utterances"
    sums = np.zeros((len(names), 2), np.int64)
    np.add.at(sums, index, counts)
    return sums, "speakers"


def resampled(groups: np.ndarray, seed: int, n: int) -> np.ndarray:
    """Sums int64 (n, 2) of n draws of G groups from int64 (G, 2), words under 2**32 in all."""
    if len(groups) == 0:
        return np.zeros((n, 2), np.int64)
    rng = np.random.default_rng(seed)
    # errors and words in one integer, so that one fetch and one sum serve both: twice as fast
    pairs = (groups[:, 0] << 32) + groups[:, 1]
    step = max(1, AT_ONCE // len(groups))
    sums = [
        pairs[rng.integers(0, len(groups), (min(step, n - at), len(groups)))].sum(1)
        for at in range(0, n, step)
    ]
    drawn = np.concatenate(sums)
    return np.stack([drawn >> 32, drawn & 0xFFFFFFFF], 1)


def rates(sums: np.ndarray) -> np.ndarray:
    """Errors / words along the last axis, with the rule of `word_error_rate` for no words."""
    return sums[..., 0] / np.maximum(sums[..., 1], 1)


def rate(counts: Sequence[tuple[int, int]]) -> float:
    """The error rate of all (errors, words) together."""
    return float(rates(np.array(counts, np.int64).reshape(-1, 2).sum(0)))


def ends(values: np.ndarray) -> tuple[float, float]:
    """The middle 95% of resampled values: their 2.5th and 97.5th percentile."""
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def tidy(refs: Sequence[str], hyps: Sequence[str]) -> tuple[list[str], list[str]]:
    """One space between words, none around, for both lists. Raises ValueError if they differ in length."""
    if len(refs) != len(hyps):
        raise ValueError(f"{len(refs)} references but {len(hyps)} hypotheses")
    return [" ".join(r.split()) for r in refs], [" ".join(h.split()) for h in hyps]


def counts_of(output: jiwer.WordOutput | jiwer.CharacterOutput) -> list[tuple[int, int]]:
    """Errors and reference units of each utterance, out of jiwer's alignments."""
    return [
        (
            sum(
                max(c.ref_end_idx - c.ref_start_idx, c.hyp_end_idx - c.hyp_start_idx)
                for c in chunks
                if c.type != "equal"
            ),
            len(reference),
        )
        for chunks, reference in zip(output.alignments, output.references, strict=True)
    ]
