"""The two spaces of the table: small enough that every member could be trained."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from random import Random
from typing import Any

from ..search import ArchitectureTree, within
from ..space import CellSpace, Choices, MobileConformerSpace


class _Remembering(MobileConformerSpace):
    """Works out each answer once: a search asks the same about few members again and again."""

    def __init__(self, choices: Choices) -> None:
        super().__init__(choices=choices)
        self._canonical, self._from_genes = cache(super().canonical), cache(super().from_genes)

    def canonical(self, arch: Any) -> Any:
        return self._canonical(arch)

    def from_genes(self, indices: Sequence[int]) -> Any:
        return self._from_genes(tuple(indices))


def macro_space() -> MobileConformerSpace:
    """Three stages of width 64, each block free: a kernel of 7 or 15, attention with 4 heads, both, or nothing; the
    frames halved at the entry of one stage or at the end. 860 architectures, 615 after symmetry.
    """
    return _Remembering(Choices(
        slots=(1, 1, 1), widths=(64,), kernels=(0, 7, 15), heads=(0, 4), expansions=(2.0,),
        reductions=("none", "pool"), activations=("swish",), norms=("batch",), macarons=(False,), stems=(4,),
        output_reductions=(8,), min_depth=1, max_depth=3,
    ))  # fmt: skip


def cell_space() -> CellSpace:
    """The cells of NAS-Bench-ASR whose operations are linear, conv7d2 or zero. 1,728 cells, 684 after symmetry."""
    return CellSpace(("linear", "conv7d2", "zero"))


SPACES = {"macro": macro_space, "cell": cell_space}


@cache
def members(kind: str) -> list[Any]:
    """Every architecture of a table's space, once, in canonical form; in a fixed order that chance has chosen, so that
    the first few are a fair sample.
    """
    space = SPACES[kind]()
    raw = space.all() if kind == "cell" else within(ArchitectureTree(space, lambda arch: 0.0), 0.0)
    found = sorted({space.canonical(arch) for arch in raw}, key=lambda arch: arch.id)
    Random(2026).shuffle(found)
    return found
