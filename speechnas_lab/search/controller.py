"""The controller of Zoph and Le 2017: an LSTM that writes an architecture gene by gene. Torch."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Controller(nn.Module):
    """An LSTM over the genes: one step a gene, which reads the last choice and gives a softmax over the next.

    options: how many each gene has. Weights start within 0.1 around 0 (as in the paper: 0.08), so that every
    choice is about as likely as the others.
    """

    def __init__(self, options: Sequence[int], hidden: int, seed: int) -> None:
        super().__init__()
        self.options = tuple(options)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.start = nn.Parameter(torch.empty(1, hidden))
            self.cell = nn.LSTMCell(hidden, hidden)
            self.heads = nn.ModuleList(nn.Linear(hidden, n) for n in self.options)
            self.choices = nn.ModuleList(nn.Embedding(n, hidden) for n in self.options[:-1])
            for weight in self.parameters():
                nn.init.uniform_(weight, -0.08, 0.08)

    def steps(self, pick: Sequence[int] | Random) -> tuple[list[int], list[Tensor]]:
        """Write one architecture: (indices, log-probabilities (options,) of each gene).

        pick: the indices to follow, or where the dice are.
        """
        indices: list[int] = []
        logs: list[Tensor] = []
        state = None
        below = self.start  # (1, hidden)
        for place, head in enumerate(self.heads):
            state = self.cell(below, state)
            log = F.log_softmax(head(state[0])[0], dim=0)  # (options,)
            index = _roll(log, pick) if isinstance(pick, Random) else pick[place]
            logs.append(log)
            indices.append(index)
            if place < len(self.choices):
                below = self.choices[place](torch.tensor([index]))
        return indices, logs

    @torch.no_grad()
    def draw(self, rng: Random) -> tuple[int, ...]:
        return tuple(self.steps(rng)[0])

    @torch.no_grad()
    def probabilities(self, indices: Sequence[int]) -> list[list[float]]:
        """How likely each option of each gene is, given `indices` before it."""
        return [log.exp().tolist() for log in self.steps(indices)[1]]


def _roll(log: Tensor, rng: Random) -> int:
    return rng.choices(range(len(log)), weights=log.detach().exp().tolist())[0]


def policy_loss(logs: Sequence[Tensor], indices: Sequence[int], advantage: float, entropy: float) -> Tensor:
    """Loss whose gradient is REINFORCE's (Williams 1992; Zoph and Le 2017, section 3.2) with an entropy bonus.

    L = -(r - b) sum over genes of log p(a_t | a_1..t-1)  -  entropy * sum over genes of H(p_t)
    """
    chosen = torch.stack([log[index] for log, index in zip(logs, indices, strict=True)]).sum()
    spread = torch.stack([-(log.exp() * log).sum() for log in logs]).sum()
    return -advantage * chosen - entropy * spread
