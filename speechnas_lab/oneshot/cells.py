"""One set of weights for every cell of NAS-Bench-ASR's space (single path: SPOS, Guo et al., 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from math import gcd

import torch
from torch import Tensor, nn

from ..models.cells import MAKE, CellLayers, CellNetwork, FrameLinear, weighted_sum
from ..models.network import build
from ..space import SKELETON, Cell, CellSpace, form
from ..space.cell_layers import CEILING
from ..space.cell_symmetry import NODES, alive, expanded
from ..training.batches import Batch

EMPTY = Cell(("zero",) * NODES, ((0,), (0, 0), (0, 0, 0)))


class CellSupernet(CellNetwork):
    """A network that holds every operation at every node of each stacked cell, and acts as any cell of the space.

    `activate(cell)` only says which of them run. `extract(cell)` copies their weights into the stand-alone network
    that `models.build` makes, which then gives the same outputs.

    Weights belong to nodes. So two cells of one form, which could learn the same, need not answer the same here: train
    and score canonical cells, as `one_path` does. And behind each cell stands a LayerNorm, to which 2 y is y: forms
    whose outputs are multiples of each other answer alike.
    """

    def __init__(self, space: CellSpace, *, input_dim: int = 80, vocab_size: int) -> None:
        super().__init__(EMPTY, input_dim, vocab_size)
        self.space = space
        self.cells = nn.ModuleList(SharedCell(space.operations, SKELETON.width) for _ in SKELETON.steps)
        self.activate(next(space.all()))

    def activate(self, arch: Cell) -> CellSupernet:
        """Act as `arch` from now on. No tensor is made or changed. Raises BadInput for a cell outside the space."""
        self.space.validate(arch)
        self.arch = arch
        for layers in self.cells:
            layers.cell = arch
        return self

    def calibrate(self, batches: list[Batch]) -> None:
        """Nothing to measure: these networks have no batch normalisation."""

    def extract(self, arch: Cell) -> CellNetwork:
        """The stand-alone network of `arch` with its share of the weights: the same outputs, but for rounding.

        Raises BadInput for a cell outside the space.
        """
        self.space.validate(arch)
        return stand_alone(self, arch)


class SharedCell(nn.Module):
    """Every operation at every node; computes `cell` word for word: (B, T, C) -> (B, T, C)."""

    def __init__(self, operations: Sequence[str], width: int) -> None:
        super().__init__()
        names = [name for name in operations if name != "zero"]
        self.nodes = nn.ModuleList(nn.ModuleDict({name: MAKE[name](width) for name in names}) for _ in range(NODES))
        self.cell = EMPTY

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        y = [x]
        for own, operation, skips in zip(self.nodes, self.cell.operations, self.cell.skips, strict=True):
            total = weighted_sum(y, skips)
            if operation != "zero":
                total = total + own[operation](y[-1], mask).clamp(0.0, CEILING)
            y.append(total)  # y_i = op_i(y_{i-1}) + sum_{j < i} s_ij y_j
        return y[-1]


@torch.no_grad()
def stand_alone(shared: CellNetwork, cell: Cell) -> CellNetwork:
    """The network of `cell` with the weights, copied, of one whose `cells` are `SharedCell`s."""
    alone = build(cell, input_dim=shared.input_dim, vocab_size=shared.head[-1].out_features).to(shared.stem.weight)
    own = shared.state_dict()
    for name, tensor in alone.state_dict().items():
        if not name.startswith("cells."):
            tensor.copy_(own[name])
    for layers, source in zip(alone.cells, shared.cells, strict=True):
        carry(cell, source, layers)
    return alone.train(shared.training)


def carry(cell: Cell, source: SharedCell, alone: CellLayers) -> None:
    """Give the terms of a cell's form the weights of the nodes that they come from.

    Each rule of `space.form` has its counterpart, so that every cell can be carried:

    - an operation of 0 is a(bias), whatever its weights are;
    - a linear operation's bias takes up W c for every constant c that it reads;
    - op(n x) with weights W is op(x) with n W;
    - terms that change places take their weights along, and what reaches no output leaves them behind.
    """
    layers = dict(zip(nodes_of_terms(cell), alone.operations, strict=True))
    constants: dict[int, Tensor] = {}
    for node, term in expanded(cell)[0].items():
        operation, reads = source.nodes[node - 1][cell.operations[node - 1]], holds(cell, node - 1)
        weight, bias = operation.parameters()
        if isinstance(operation, FrameLinear):
            bias = sum((weight @ (reads[at] * value) for at, value in constants.items()), start=bias)
            reads = tuple(0 if at in constants else count for at, count in enumerate(reads))
        if term.operation == "constant":
            constants[node] = bias.clamp(0.0, CEILING)
        if node in layers:
            *own_weights, own_bias = layers[node].parameters()
            own_bias.copy_(bias)
            for own in own_weights:  # a constant has none
                own.copy_(gcd(*reads) * weight)


def holds(cell: Cell, node: int) -> tuple[int, ...]:
    """How often y_node holds x and each operation: it is the output of the cell that ends there.

    >>> holds(CellSpace().from_vector([[1, 1], [5, 1, 1], [2, 0, 0, 0]]), 2)  # y_2 = x + y_1 = 2 x + conv5(x)
    (2, 1, 0, 0)
    """
    passed = [(*(0,) * at, 1) for at in range(node, NODES)]  # y_3 = y_2 = ... = y_node
    return expanded(Cell((*cell.operations[:node], *EMPTY.operations[node:]), (*cell.skips[:node], *passed)))[1]


def nodes_of_terms(cell: Cell) -> tuple[int, ...]:
    """The node, 1 to 3, that each term of `form(cell)` comes from.

    >>> nodes_of_terms(CellSpace().from_vector([[0, 0], [5, 1, 0], [1, 0, 1, 0]]))  # conv5(x) goes before linear(x)
    (3, 1)
    """
    found, output = expanded(cell)
    simple = form(cell)

    def pick(counts: Sequence[int], order: Sequence[int]) -> tuple[int, ...]:
        return tuple(counts[at] for at in (0, *order))

    width = len(simple.output)
    wanted = [(operation, (*reads, *(0,) * (width - len(reads)))) for operation, reads in simple.terms]
    return next(
        order
        for order in permutations(alive(found, output))
        if [(found[node].operation, pick(found[node].reads, order)) for node in order] == wanted
        and pick(output, order) == simple.output
    )
