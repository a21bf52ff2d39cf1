"""A small space of which all is known: each of its architectures was trained from scratch, tested and timed.

`speechnas reproduce small-space` makes the table anew: every network by one recipe, 300 steps of batch 8 on
HomeCommands' smoke size, one seed, tested on voices that it never trained on.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ..search import ArchitectureTree, within
from ..space import Architecture, Choices, MobileConformerSpace

TABLE = Path(__file__).parents[1] / "measured" / "small-space.json"


class Known(NamedTuple):
    """Word error rates on validation voices and on blind-test voices, and milliseconds for two seconds of speech."""

    valid_wer: float
    test_wer: float
    latency_ms: float


def small_space() -> MobileConformerSpace:
    """One or two blocks: convolution, attention or both, of width 48 or 96, the frames halved between or not."""
    return MobileConformerSpace(choices=Choices(
        slots=(1, 1), widths=(48, 96), kernels=(0, 7), heads=(0, 4), expansions=(2.0,), reductions=("none", "pool"),
        activations=("relu",), norms=("batch",), macarons=(False,), stems=(4,), output_reductions=(8,),
        min_depth=1, max_depth=2,
    ))  # fmt: skip


@cache
def members() -> list[Architecture]:
    """Every architecture of the small space, once, in canonical form."""
    space = small_space()
    return list(dict.fromkeys(map(space.canonical, within(ArchitectureTree(space, lambda arch: 0.0), 0.0))))


@cache
def known() -> dict[Architecture, Known]:
    """What was measured of each."""
    table = json.loads(TABLE.read_text(encoding="utf-8"))
    columns = (table[name] for name in Known._fields)
    rows = {id: Known(*values) for id, *values in zip(table["id"], *columns, strict=True)}
    return {arch: rows[arch.id] for arch in members()}
