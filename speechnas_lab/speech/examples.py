"""What training and evaluation are handed: features, tokens and texts of one split."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor

from ..errors import BadInput
from .corpus import SPLITS, Corpus, Utterance
from .features import Scale, Stored, stored_features

SMALL = 10  # infeasible training utterances that are left out whatever their share, unless it is half


class Tokenizer(Protocol):
    """What `prepare` needs of a tokenizer."""

    def encode(self, text: str, skip_unknown: bool = False) -> list[int]: ...


@dataclass(frozen=True)
class Examples:
    """The utterances of one split. features: float16 (T, F) each, normalised; tokens: int64 (U,) each;
    labels: int64 (T,) each, or None where the corpus has none; scale: the normalisation.
    """

    ids: list[str]
    texts: list[str]
    speakers: list[str]
    seconds: list[float]
    features: list[Tensor]
    tokens: list[Tensor]
    labels: list[Tensor] | None
    scale: Scale

    def __len__(self) -> int:
        return len(self.ids)

    def subset(self, indices: Iterable[int]) -> Examples:
        """The examples at these positions, in this order."""
        chosen = list(indices)
        lists = ("ids", "texts", "speakers", "seconds", "features", "tokens", "labels")
        picked = {n: [v[i] for i in chosen] for n in lists if (v := getattr(self, n)) is not None}
        return replace(self, **picked)


def frames_needed(tokens: list[int] | Tensor) -> int:
    """Output frames that CTC needs: U, and one blank between equal neighbours (Graves et al. 2006)."""
    ids = list(map(int, tokens))
    return len(ids) + sum(a == b for a, b in pairwise(ids))


def prepare(
    corpus: Corpus,
    tokenizer: Tokenizer,
    output_reduction: int = 8,
    cache: str | os.PathLike[str] | None = None,
    progress: bool = True,
    running: bool = False,
) -> dict[str, Examples]:
    """Features, tokens and labels of every split ("valid_weights" may be empty). running: for a stream, see `Scale`.

    output_reduction: 10 ms frames in one output frame. A training utterance with fewer output frames than
    `frames_needed` has no finite CTC loss: it is left out and named in `corpus.notes`. In the other splits
    it stays, as an utterance that no network can get right, and is noted too. A text with units that the
    tokenizer does not know loses them outside the training split; the error rate is counted on the whole
    text all the same. Raises BadInput if more than a tenth of the training utterances (and more than ten),
    or half of them, would go.
    """
    stored = stored_features(corpus, cache, progress, running=running)
    result = {}
    for name in SPLITS:
        utterances = corpus.split(name)
        tokens = {u.id: encode(corpus, tokenizer, u) for u in utterances}
        frames = {u.id: output_frames(stored, u, output_reduction) for u in utterances}
        short = [u for u in utterances if frames[u.id] < frames_needed(tokens[u.id])]
        if short:
            first = short[0]
            why = (
                f"{frames[first.id]} output frames, needed {frames_needed(tokens[first.id])}, {first.text!r}"
            )
            report(corpus, name, short, len(utterances), output_reduction, why)
        if name == "train":
            lost = {u.id for u in short}
            utterances = [u for u in utterances if u.id not in lost]
        result[name] = examples(corpus, stored, utterances, tokens)
    return result


def encode(corpus: Corpus, tokenizer: Tokenizer, utterance: Utterance) -> list[int]:
    """Token ids; outside training, what the tokenizer does not know is left out and noted."""
    try:
        return tokenizer.encode(utterance.text)
    except BadInput as error:
        if utterance.split == "train":
            raise BadInput(f"{utterance.id}: {error}") from error
        corpus.note(f"{utterance.split} {utterance.id}: {error}; it will count as an error")
        return tokenizer.encode(utterance.text, skip_unknown=True)


def output_frames(stored: Stored, utterance: Utterance, reduction: int) -> int:
    """Frames that a network gives for an utterance, rounded up."""
    first, last = stored.where[utterance.id]
    return -(-(last - first) // reduction)


def report(corpus: Corpus, split: str, short: list[Utterance], total: int, reduction: int, why: str) -> None:
    """Note the infeasible utterances of a split, or refuse if training would lose too many."""
    if split == "train" and (len(short) > max(SMALL, total // 10) or 2 * len(short) >= total):
        raise BadInput(
            f"{len(short)} of {total} training utterances are too short for CTC at output reduction "
            f"{reduction}, first {short[0].id} ({why}): use word or piece tokens or a lower reduction"
        )
    fate = "left out" if split == "train" else "kept, though no network can get them right"
    names = ", ".join(u.id for u in short)
    corpus.note(
        f"{len(short)} of {total} {split} utterances are too short for their tokens at output reduction "
        f"{reduction} and are {fate}: {names} (first: {why})"
    )


def examples(
    corpus: Corpus, stored: Stored, utterances: list[Utterance], tokens: dict[str, list[int]]
) -> Examples:
    """The examples of these utterances; `tokens` by id."""
    features = [stored[u.id] for u in utterances]
    labels = [frame_labels(corpus, u, len(f)) for u, f in zip(utterances, features, strict=True)]
    return Examples(
        ids=[u.id for u in utterances],
        texts=[u.text for u in utterances],
        speakers=[u.speaker for u in utterances],
        seconds=[u.seconds for u in utterances],
        features=features,
        tokens=[torch.tensor(tokens[u.id], dtype=torch.int64) for u in utterances],
        labels=[x for x in labels if x is not None] if corpus.label_names else None,
        scale=stored.scale,
    )


def frame_labels(corpus: Corpus, utterance: Utterance, frames: int) -> Tensor | None:
    """The corpus's labels as int64 (frames,), or None. Raises ValueError if they do not fit the sound."""
    labels = corpus.frame_labels(utterance)
    if labels is None:
        return None
    if len(labels) != frames:
        raise ValueError(f"{utterance.id}: {len(labels)} frame labels for {frames} frames")
    return torch.as_tensor(labels, dtype=torch.int64)
