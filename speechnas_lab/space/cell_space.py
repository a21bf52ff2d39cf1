"""The cell space of NAS-Bench-ASR (Mehrotra et al., ICLR 2021) and its moves. `rng` is a `random.Random`.

Micro search: what is searched is one cell of three nodes; how often it is stacked is fixed (`SKELETON`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from itertools import chain, product
from random import Random
from typing import Any

import numpy as np

from ..errors import BadInput
from . import cell_layers, cell_symmetry
from .cell_symmetry import NODES, OPERATIONS
from .cells import Cell, check_cell
from .genes import Gene, chosen

_TRIES = 300  # draws before a mutation gives up; a draw succeeds far more often than not
_SHAPE = ((0,), (0, 0), (0, 0, 0))  # skips into nodes 1, 2 and 3


class CellSpace:
    """All cells of the given operations: 13,824 with all six.

    operations: those that a node may hold, for a smaller space. Raises BadInput for unknown ones or none.
    """

    output_reduction = 8  # 10 ms frames per output of the network that is stacked from a cell

    def __init__(self, operations: Sequence[str] | None = None) -> None:
        asked = OPERATIONS if operations is None else tuple(operations)
        unknown = [name for name in asked if name not in OPERATIONS]
        if unknown or not asked:
            raise BadInput(f"operations are {asked}; allowed: one or more of {', '.join(map(repr, OPERATIONS))}")
        self.operations = tuple(name for name in OPERATIONS if name in asked)

    def __repr__(self) -> str:
        return f"CellSpace(operations={self.operations})"

    # ---- membership

    def validate(self, arch: Cell) -> None:
        """Raise BadInput that names the first field outside the space, and what is allowed there."""
        check_cell(arch, self.operations)

    def __contains__(self, arch: object) -> bool:
        try:
            self.validate(arch)  # type: ignore[arg-type]
        except BadInput:
            return False
        return True

    def cardinality(self) -> int:
        """Exact number of raw members (before `canonical`): three operations and six skips."""
        return len(self.operations) ** NODES * 2 ** len(list(chain(*_SHAPE)))

    def all(self) -> Iterator[Cell]:
        """Every raw member, once: operations in the benchmark's order, the last node's fastest, then skips."""
        rows = [list(product((0, 1), repeat=len(row))) for row in _SHAPE]
        skips = list(product(*rows))
        return (Cell(names, s) for names in product(self.operations, repeat=NODES) for s in skips)

    # ---- genes: three operations, six skips

    @cached_property
    def _every_gene(self) -> tuple[Gene, ...]:
        genes = [Gene(f"operations[{i}]", self.operations) for i in range(NODES)]
        return (*genes, *[Gene(f"skips[{i}][{j}]", (0, 1)) for i, row in enumerate(_SHAPE) for j in range(len(row))])

    @cached_property
    def _genes(self) -> tuple[Gene, ...]:
        return tuple(gene for gene in self._every_gene if len(gene.options) > 1)

    def genes(self) -> tuple[Gene, ...]:
        """The choices that have two options or more."""
        return self._genes

    def to_genes(self, arch: Cell) -> tuple[int, ...]:
        """For each of `genes()`, the index of its option in `arch`."""
        try:
            return _genes_and_members(self.operations)[0][arch]
        except (KeyError, TypeError):  # no member, or not even hashable
            self.validate(arch)
            raise

    def from_genes(self, indices: Sequence[int]) -> Cell:
        """The member with these options of `genes()`. Raises BadInput where an index is outside."""
        member = _genes_and_members(self.operations)[1].get(tuple(indices))
        return self._member(chosen(self._genes, indices)) if member is None else member

    def _member(self, options: Sequence[Any]) -> Cell:
        open_choices = iter(options)
        values = [next(open_choices) if len(gene.options) > 1 else gene.options[0] for gene in self._every_gene]
        return Cell(tuple(values[:NODES]), _rows(values[NODES:]))

    # ---- moves

    def sample(self, rng: Random) -> Cell:
        """Draw a raw member uniformly."""
        return self.from_genes([rng.randrange(len(gene.options)) for gene in self._genes])

    def mutate(self, arch: Cell, rng: Random) -> Cell:
        """Change one or two genes so that the canonical form changes.

        The same cell comes back only if all members of the space are of one form.
        """
        before = self.canonical(arch)
        for _ in range(_TRIES):
            genes = list(self.to_genes(arch))
            for place in rng.sample(range(len(genes)), rng.choice((1, 2))):
                options = len(self._genes[place].options)
                genes[place] = (genes[place] + rng.randrange(1, options)) % options
            child = self.from_genes(genes)
            if self.canonical(child) != before:
                return child
        others = [cell for cell in self.classes() if cell != before]  # no neighbour: any other
        return rng.choice(others) if others else arch

    def crossover(self, a: Cell, b: Cell, rng: Random) -> Cell:
        """Take every gene from one parent or the other, by a fair coin."""
        return self.from_genes([rng.choice(pair) for pair in zip(self.to_genes(a), self.to_genes(b), strict=True)])

    # ---- what is the same, which numbers

    def canonical(self, arch: Cell) -> Cell:
        """One representative for all members that compute the same family of functions. See `cell_symmetry`.

        Of them, the one with the fewest operations, then the fewest skips, then the first of `all()`.
        """
        try:
            return _representatives(self.operations)[arch]
        except (KeyError, TypeError):  # no member, or not even hashable
            self.validate(arch)
            raise

    def classes(self) -> dict[Cell, list[Cell]]:
        """Canonical cell -> all members that compute what it computes, in the order of `all()`."""
        found: dict[Cell, list[Cell]] = {}
        for cell, representative in _representatives(self.operations).items():
            found.setdefault(representative, []).append(cell)
        return found

    def published_id(self, arch: Cell) -> str:
        """The benchmark's own hash, which merges more and less than `canonical`. See `cell_symmetry`."""
        self.validate(arch)
        return cell_symmetry.published_id(arch)

    def from_vector(self, vector: Sequence[Sequence[int]]) -> Cell:
        """Read the benchmark's notation: for each node its operation's number (in `OPERATIONS`), then its skips.

        >>> CellSpace().from_vector([[1, 0], [1, 0, 0], [5, 1, 0, 0]]).operations
        ('conv5', 'conv5', 'zero')
        """
        try:
            rows = [[int(number) for number in row] for row in vector]
            names = tuple(OPERATIONS[row[0]] if row[0] >= 0 else row[0] for row in rows)
        except (TypeError, ValueError, IndexError):
            raise BadInput(f"{vector!r} is no cell; give 3 lists such as [[1, 0], [1, 0, 0], [5, 1, 0, 0]]") from None
        cell = Cell(names, tuple(tuple(row[1:]) for row in rows))
        self.validate(cell)
        return cell

    def to_vector(self, arch: Cell) -> list[list[int]]:
        """The benchmark's notation, as `from_vector` reads it."""
        self.validate(arch)
        pairs = zip(arch.operations, arch.skips, strict=True)
        return [[OPERATIONS.index(operation), *skips] for operation, skips in pairs]

    def feature_names(self) -> list[str]:
        """One name for each column of `encode`."""
        names = [f"operations[{i}] {operation}" for i in range(NODES) for operation in self.operations]
        names += [gene.name for gene in self._every_gene[NODES:]]
        return names + cell_layers.feature_names()

    def encode(self, arch: Cell) -> np.ndarray:
        """float32 row of shape (features,), equal for equal canonical forms: choices one-hot, then what runs."""
        cell = self.canonical(arch)
        row = [float(own == operation) for own in cell.operations for operation in self.operations]
        return np.array([*row, *chain(*cell.skips), *cell_layers.features(cell)], dtype=np.float32)


def _rows(flat: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    return (tuple(flat[:1]), tuple(flat[1:3]), tuple(flat[3:]))


@cache
def _genes_and_members(operations: tuple[str, ...]) -> tuple[dict[Cell, tuple[int, ...]], dict[tuple[int, ...], Cell]]:
    """Every member of a space -> its genes, and back: a search asks for them all the time."""
    space = CellSpace(operations)
    options = [gene.options for gene in space._every_gene]
    found = {}
    for cell in space.all():
        pairs = zip(options, (*cell.operations, *chain(*cell.skips)), strict=True)
        found[cell] = tuple(of.index(value) for of, value in pairs if len(of) > 1)
    return found, {genes: cell for cell, genes in found.items()}


@cache
def _representatives(operations: tuple[str, ...]) -> dict[Cell, Cell]:
    """Every member of a space -> its canonical form."""
    found: dict[Cell, Cell] = {}
    for members in cell_symmetry.group(CellSpace(operations).all()).values():
        found.update(dict.fromkeys(members, min(members, key=_size)))
    return {cell: found[cell] for cell in CellSpace(operations).all()}


def _size(cell: Cell) -> tuple[int, int]:
    return sum(operation != "zero" for operation in cell.operations), sum(chain(*cell.skips))
