"""A stacked cell that is still undecided: DARTS (Liu et al., 2019) on NAS-Bench-ASR's cell space."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..models.cells import CellNetwork
from ..space import SKELETON, Cell, CellSpace
from ..space.cell_layers import CEILING
from ..space.cell_symmetry import NODES
from .cells import EMPTY, SharedCell, stand_alone
from .mixing import SOFTMAX, Mixing


class MixedCellNetwork(CellNetwork):
    """Micro search: one cell is searched, so all stacked cells mix by the same alphas, each with weights of its own.

        y_i = sum_o w_io op_o(y_{i-1}) + sum_{j < i} p_ij y_j

    An alpha over the space's operations at each node, `mixed`, gives w_i; an alpha over (absent, present) at each of
    the six skips, `switches`, gives p_ij. All start at 0: nothing is preferred. If the mixing is noisy, one draw
    serves all stacked cells in a pass. The history of `DartsStep` and cures that touch mixtures look at `mixed`.

    It trains like any network; `derive` reads the cell that the alphas prefer, `inherit` makes it a network.
    """

    def __init__(self, space: CellSpace, *, input_dim: int = 80, vocab_size: int, mixing: Mixing = SOFTMAX) -> None:
        super().__init__(EMPTY, input_dim, vocab_size)
        self.space, self.mixing = space, mixing
        self.cells = nn.ModuleList(MixedCell(space.operations, SKELETON.width) for _ in SKELETON.steps)
        self.mixed = nn.ModuleList(Choice(len(space.operations), mixing) for _ in range(NODES))
        self.switches = nn.ModuleList(nn.ModuleList(Choice(2, mixing) for _ in row) for row in EMPTY.skips)

    @property
    def alphas(self) -> list[Tensor]:
        """(n_operations,) of each node, then (2,) of each skip: the architecture's own parameters."""
        return [choice.alpha for choice in (*self.mixed, *chain(*self.switches))]

    def operation_weights(self) -> list[Tensor]:
        """Every parameter that is not an alpha."""
        own = {id(alpha) for alpha in self.alphas}
        return [p for p in self.parameters() if id(p) not in own]

    def states(self, features: Tensor, lengths: Tensor) -> list[tuple[Tensor, Tensor]]:
        drawn = [
            Drawn(choice.weights(), choice.beta, torch.stack([switch.weights()[1] for switch in row]))
            for choice, row in zip(self.mixed, self.switches, strict=True)
        ]
        for cell in self.cells:
            cell.drawn = drawn
        try:
            return super().states(features, lengths)
        finally:
            for cell in self.cells:  # a module that holds tensors of a graph cannot be copied
                cell.drawn = ()

    def derive(self) -> Cell:
        """Discretise: of each alpha keep the option that is largest, the first of equals; in the space.

        Where the mixing finds no operation good enough (`Sigmoid`), the node is `zero`, or if the space has none, the
        operation of the largest alpha; a skip is then absent.
        """
        skips = tuple(tuple(int(switch.choice() == 1) for switch in row) for row in self.switches)
        return Cell(tuple(self._operation(choice) for choice in self.mixed), skips)

    def _operation(self, choice: Choice) -> str:
        kept = choice.choice()
        if kept is None and "zero" in self.space.operations:
            return "zero"
        return self.space.operations[int(choice.alpha.argmax()) if kept is None else kept]

    def inherit(self) -> CellNetwork:
        """The derived network with this one's weights, in the same mode."""
        return stand_alone(self, self.derive())

    def kept(self) -> dict[str, float]:
        """Share of the three nodes that each operation would get, and as "skips" the share of the six that are present:
        collapse shows as many skips and "zero"."""
        cell = self.derive()
        shares = {name: count / NODES for name, count in sorted(Counter(cell.operations).items())}
        present = [*chain(*cell.skips)]
        return shares | {"skips": sum(present) / len(present)}


class Choice(nn.Module):
    """An alpha (n_options,) that all stacked cells share: a `MixedOp` whose operations live elsewhere.

    `beta` and `shift` are laid over the mixture during a search, as there.
    """

    def __init__(self, options: int, mixing: Mixing = SOFTMAX) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(options))
        self.mixing = mixing
        self.beta, self.shift = 0.0, None

    def weights(self) -> Tensor:
        """(n_options,) of one pass, `shift` included. Noise, if the mixing has any, in training only."""
        own = self.mixing.weights(self.alpha, self.training)
        return own if self.shift is None else own + self.shift

    def expected(self) -> Tensor:
        """(n_options,) the weights without noise."""
        return self.mixing.expected(self.alpha)

    def choice(self) -> int | None:
        """Index of the option that discretisation keeps. None if the mixing finds none good enough (`Sigmoid`)."""
        return self.mixing.choice(self.alpha)


class Drawn(NamedTuple):
    """What a pass mixes by at one node."""

    operations: Tensor  # (n_operations,)
    beta: float  # of y_{i-1} beside the mixture, see `collapse.AuxiliarySkip`
    skips: Tensor  # (i,)


class MixedCell(SharedCell):
    """Every operation at every node, all at once: (B, T, C) -> (B, T, C)."""

    def __init__(self, operations: tuple[str, ...], width: int) -> None:
        super().__init__(operations, width)
        self.names = operations
        self.drawn: list[Drawn] | tuple[()] = ()

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        y = [x]
        for own, drawn in zip(self.nodes, self.drawn, strict=True):
            total = sum(p * before for p, before in zip(drawn.skips, y, strict=True))
            for name, weight in zip(self.names, drawn.operations, strict=True):
                if name != "zero":  # its weight is what the others lack
                    total = total + weight * own[name](y[-1], mask).clamp(0.0, CEILING)
            y.append(total + drawn.beta * y[-1] if drawn.beta else total)
        return y[-1]
