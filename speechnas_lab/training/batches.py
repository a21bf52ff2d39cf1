"""Batches of utterances of like length, the same for the same seed and step however often a run is resumed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from ..speech import Examples


@dataclass
class Batch:
    """Padded utterances."""

    features: Tensor  # (B, T, F) float32
    lengths: Tensor  # (B,) frames
    tokens: Tensor  # (B, U) labels, 0 where padded
    token_lengths: Tensor  # (B,)
    labels: Tensor | None  # (B, T) one frame label a frame, -1 where padded
    ids: list[str]


def collate(examples: Examples, indices: list[int]) -> Batch:
    """Pad the chosen utterances to the longest of them."""
    features = [examples.features[i] for i in indices]
    lengths = torch.tensor([len(f) for f in features])
    padded = torch.zeros(len(indices), int(lengths.max()), features[0].shape[1])
    for row, f in enumerate(features):
        padded[row, : len(f)] = f
    tokens = [examples.tokens[i] for i in indices]
    token_lengths = torch.tensor([len(t) for t in tokens])
    padded_tokens = torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True)
    labels = None
    if examples.labels is not None:
        labels = torch.nn.utils.rnn.pad_sequence([examples.labels[i] for i in indices], True, -1)
    return Batch(padded, lengths, padded_tokens, token_lengths, labels, [examples.ids[i] for i in indices])


class BatchPlan:
    """Which utterances make up training step n: each epoch sorts by length with a little noise, cuts, and shuffles."""

    def __init__(self, examples: Examples, size: int, seed: int) -> None:
        self.frames = np.array([len(f) for f in examples.features])
        self.size, self.seed = min(size, len(self.frames)), seed
        self.per_epoch = len(self.frames) // self.size
        self._epoch, self._order = -1, []

    def __call__(self, step: int) -> list[int]:
        epoch, place = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            rng = np.random.default_rng((self.seed, epoch))
            order = np.argsort(self.frames * rng.uniform(0.9, 1.1, len(self.frames)), kind="stable")
            skip = rng.integers(len(order) % self.size + 1)  # the leftover falls on other utterances each epoch
            rows = order[skip : skip + self.per_epoch * self.size].reshape(self.per_epoch, self.size)
            self._epoch, self._order = epoch, rng.permutation(rows).tolist()
        return self._order[place]


def in_length_order(examples: Examples, size: int) -> list[list[int]]:
    """Every utterance once, in batches of neighbours in length: for evaluation."""
    order = sorted(range(len(examples)), key=lambda i: len(examples.features[i]))
    return [order[i : i + size] for i in range(0, len(order), size)]
