"""The controller of Zoph and Le 2017: an LSTM that writes an architecture gene by gene, and learns from a reward.

In NumPy, gradient and all: for a sequence of ten genes a step of learning takes torch's autograd four times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from math import prod
from random import Random

import numpy as np
from scipy.special import expit


class Controller:
    """An LSTM over the genes: one step a gene, which reads the last choice and gives a softmax over the next.

    options: how many each gene has. Weights start within 0.08 around 0 (as in the paper), so that every choice is
    about as likely as the others. `weights` is one vector, `part` names views of it; a gene's head is padded to the
    most options.
    """

    def __init__(self, options: Sequence[int], hidden: int, seed: int) -> None:
        self.options, self.hidden = tuple(options), hidden
        genes, most = len(self.options), max(self.options)
        self.first = [0, *accumulate(self.options)]  # in `choices`, of each gene
        shapes = {"start": (hidden,), "choices": (sum(self.options), hidden), "lstm": (4 * hidden, 2 * hidden),
                  "gates": (4 * hidden,), "head": (genes, most, hidden), "bias": (genes, most)}  # fmt: skip
        self.weights = np.random.default_rng(seed).uniform(-0.08, 0.08, sum(map(prod, shapes.values())))
        self.slope = np.zeros_like(self.weights)
        self.part, self.part_slope = _views(self.weights, shapes), _views(self.slope, shapes)

    def draw(self, rng: Random) -> tuple[int, ...]:
        """Write one architecture by chance."""
        return tuple(self._write(lambda gene, likely: rng.choices(range(len(likely)), likely)[0])[0])

    def probabilities(self, indices: Sequence[int]) -> list[np.ndarray]:
        """How likely each option of each gene is, given `indices` before it."""
        return self._write(lambda gene, likely: indices[gene])[1]

    def gradient(self, indices: Sequence[int], advantage: float, entropy: float) -> np.ndarray:
        """Of the loss of `policy_slope` along `indices`, by all `weights`: back through the LSTM's steps."""
        _, likely, steps = self._write(lambda gene, likely: indices[gene])
        size, lstm, head = self.hidden, self.part["lstm"], self.part["head"]
        rows = [self.first[gene - 1] + indices[gene - 1] for gene in range(1, len(indices))]  # of `choices`, as read
        logits = np.zeros(head.shape[:2])
        summed = np.empty((len(indices), 4 * size))  # slopes by what the gates add up
        reads = np.empty((len(indices), 2 * size))  # by what the LSTM reads: an embedding and the last state
        by_cell = by_state = np.zeros(size)
        for gene in reversed(range(len(indices))):
            _, gates, value, before, squashed, _ = steps[gene]
            count = self.options[gene]
            logits[gene, :count] = policy_slope(likely[gene], indices[gene], advantage, entropy)
            by_state = by_state + logits[gene] @ head[gene]
            by_cell = by_cell + by_state * gates[2 * size :] * (1 - squashed * squashed)
            by_gate = np.concatenate((by_cell * value, by_cell * before, by_state * squashed))
            summed[gene, : 3 * size] = by_gate * gates * (1 - gates)
            summed[gene, 3 * size :] = by_cell * gates[:size] * (1 - value * value)
            reads[gene] = summed[gene] @ lstm
            by_state, by_cell = reads[gene, size:], by_cell * gates[size : 2 * size]
        slope = self.part_slope
        slope["start"][:] = reads[0, :size]
        slope["choices"][:] = 0.0
        slope["choices"][rows] = reads[1:, :size]
        slope["lstm"][:] = summed.T @ np.array([step[0] for step in steps])
        slope["gates"][:] = summed.sum(0)
        slope["head"][:] = logits[:, :, None] * np.array([step[5] for step in steps])[:, None]
        slope["bias"][:] = logits
        return self.slope

    def _write(self, pick: Callable[[int, np.ndarray], int]) -> tuple[list[int], list[np.ndarray], list]:
        """Choices, probabilities, and for each step what its slope needs: what it read, gates, value, the cell before,
        tanh of the cell, state."""
        part, size = self.part, self.hidden
        state = cell = np.zeros(size)
        below, indices, likely, steps = part["start"], [], [], []
        for gene, count in enumerate(self.options):
            read = np.concatenate([below, state])
            summed = part["lstm"] @ read + part["gates"]
            gates, value, before = expit(summed[: 3 * size]), np.tanh(summed[3 * size :]), cell
            cell = gates[size : 2 * size] * before + gates[:size] * value
            squashed = np.tanh(cell)
            state = gates[2 * size :] * squashed
            steps.append((read, gates, value, before, squashed, state))
            logits = part["head"][gene, :count] @ state + part["bias"][gene, :count]
            share = np.exp(logits - logits.max())
            likely.append(share / share.sum())
            indices.append(pick(gene, likely[-1]))
            below = part["choices"][self.first[gene] + indices[-1]]
        return indices, likely, steps


def policy_slope(likely: np.ndarray, choice: int, advantage: float, entropy: float) -> np.ndarray:
    """Gradient by the logits of REINFORCE's loss for one gene (Williams 1992; Zoph and Le 2017, section 3.2).

    L = -(r - b) log p_choice - entropy * H(p);  dL/dz = (r - b) (p - onehot(choice)) + entropy * p (log p + H)

    likely: p, the softmax of the logits z. advantage: r - b, the reward above the baseline.
    """
    logs = np.log(np.maximum(likely, 1e-300))
    slope = advantage * likely + entropy * likely * (logs - (likely * logs).sum())
    slope[choice] -= advantage
    return slope


class Adam:
    """Kingma and Ba 2015, algorithm 1, on one vector that is changed in place."""

    def __init__(self, weights: np.ndarray, rate: float, decay: float = 0.9, decay_square: float = 0.999) -> None:
        self.weights, self.rate, self.decay, self.decay_square = weights, rate, decay, decay_square
        self.mean, self.square, self.steps = np.zeros_like(weights), np.zeros_like(weights), 0

    def step(self, slope: np.ndarray) -> None:
        self.steps += 1
        self.mean += (1 - self.decay) * (slope - self.mean)
        self.square += (1 - self.decay_square) * (slope**2 - self.square)
        mean, square = self.mean / (1 - self.decay**self.steps), self.square / (1 - self.decay_square**self.steps)
        self.weights -= self.rate * mean / (np.sqrt(square) + 1e-8)


def _views(vector: np.ndarray, shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Parts of a vector, one after the other."""
    ends = list(accumulate(map(prod, shapes.values())))
    pieces = zip(shapes.items(), [0, *ends], ends, strict=False)
    return {name: vector[start:end].reshape(shape) for (name, shape), start, end in pieces}
