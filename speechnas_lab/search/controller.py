"""The controller of Zoph and Le 2017: an LSTM that writes an architecture gene by gene. Torch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from random import Random

import numpy as np
import torch
from scipy.special import expit
from torch import Tensor, nn

NEVER = -1e9  # logit of an option that a gene does not have


class Controller(nn.Module):
    """An LSTM over the genes: one step a gene, which reads the last choice and gives a softmax over the next.

    options: how many each gene has. Weights start within 0.1 around 0 (as in the paper: 0.08), so that every
    choice is about as likely as the others. All genes' layers lie in one tensor, padded to the most options: a
    step of learning takes a dozen operations however many genes there are.
    """

    def __init__(self, options: Sequence[int], hidden: int, seed: int) -> None:
        super().__init__()
        self.options = tuple(options)
        genes, most = len(self.options), max(self.options)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.start = nn.Parameter(torch.empty(1, hidden))
            self.lstm = nn.LSTM(hidden, hidden)
            self.head = nn.Parameter(torch.empty(genes, most, hidden))
            self.bias = nn.Parameter(torch.empty(genes, most))
            self.choices = nn.Embedding(sum(self.options), hidden)
            for weight in self.parameters():
                nn.init.uniform_(weight, -0.08, 0.08)
        missing = torch.arange(most)[None, :] >= torch.tensor(self.options)[:, None]
        self.register_buffer("mask", missing * NEVER)
        self.register_buffer("first", torch.tensor([0, *accumulate(self.options)][:-1]))  # in `choices`, of each gene

    def forward(self, indices: Sequence[int]) -> Tensor:
        """Log-probabilities (genes, most options) along the choices `indices`; -1e9 where there is no option."""
        chosen = self.choices(self.first[:-1] + torch.tensor(indices[:-1], dtype=torch.int64))
        states, _ = self.lstm(torch.cat([self.start, chosen]))  # (genes, hidden)
        logits = torch.einsum("goh,gh->go", self.head, states) + self.bias
        return (logits + self.mask.to(logits)).log_softmax(1)

    def draw(self, rng: Random) -> tuple[int, ...]:
        """Write one architecture by chance. In NumPy: a step of one row takes torch fifteen times as long."""
        part = {name: weight.detach().numpy() for name, weight in self.named_parameters()}
        bias = part["lstm.bias_ih_l0"] + part["lstm.bias_hh_l0"]
        indices: list[int] = []
        hidden = cell = np.zeros(self.lstm.hidden_size, bias.dtype)
        below, first = part["start"][0], self.first.tolist()
        for gene, count in enumerate(self.options):
            gates = part["lstm.weight_ih_l0"] @ below + part["lstm.weight_hh_l0"] @ hidden + bias
            entry, forget, value, out = np.split(gates, 4)
            cell = expit(forget) * cell + expit(entry) * np.tanh(value)
            hidden = expit(out) * np.tanh(cell)
            logits = part["head"][gene, :count] @ hidden + part["bias"][gene, :count]
            indices += rng.choices(range(count), np.exp(logits - logits.max()).tolist())
            below = part["choices.weight"][first[gene] + indices[-1]]
        return tuple(indices)

    @torch.no_grad()
    def probabilities(self, indices: Sequence[int]) -> list[list[float]]:
        """How likely each option of each gene is, given `indices` before it."""
        return [row[:count].exp().tolist() for row, count in zip(self(indices), self.options, strict=True)]


def policy_loss(logs: Tensor, indices: Sequence[int], advantage: float, entropy: float) -> Tensor:
    """Loss whose gradient is REINFORCE's (Williams 1992; Zoph and Le 2017, section 3.2) with an entropy bonus.

    L = -(r - b) sum over genes of log p(a_t | a_1..t-1)  -  entropy * sum over genes of H(p_t)
    """
    chosen = logs.gather(1, torch.tensor(indices)[:, None]).sum()
    spread = -(logs.exp() * logs).sum()
    return -advantage * chosen - entropy * spread
