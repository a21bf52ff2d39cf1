"""NAS-Bench-ASR's cell space counted twice: by the published hash, and by what the cells compute."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ..space import Cell, CellSpace, form
from ..space.cell_picture import formula


def cell_classes(out: Path, count: int) -> dict[str, Any]:
    """NAS-Bench-ASR's 13,824 cells in classes: by the published hash, by function, and where the two differ."""
    space, start = CellSpace(), time.perf_counter()
    ids = {cell: space.published_id(cell) for cell in space.all()}
    ours = {cell: space.canonical(cell) for cell in ids}
    seconds = time.perf_counter() - start
    published, functions = classes(ids), classes(ours)
    merged = [pair for pair in (first_pair(members, ours) for members in published) if pair]
    parted = [pair for pair in (first_pair(members, ids) for members in functions) if pair]
    print(f"{len(ids):,} cells, all hashes and forms in {seconds:.2f} s")
    for name, found in (("published hash", published), ("function", functions)):
        print(f"by {name}: {len(found):,} classes, the largest of {', '.join(map(str, largest(found)))}")
    print(f"{len(merged):,} published classes hold cells of several functions:")
    reasons = {reason_to_part(*pair): pair for pair in reversed(merged)}
    for reason, pair in sorted(reasons.items()):
        show(space, pair, reason)
    print(f"{len(parted):,} functions have several published hashes:")
    show(space, parted[0], "one sum along other skips: zero passes its skips on, the hash removes it with its edges")
    return {
        "raw": len(ids),
        "published": {"classes": len(published), "largest": largest(published)},
        "by_function": {"classes": len(functions), "largest": largest(functions)},
        "published_classes_of_several_functions": len(merged),
        "functions_of_several_published_classes": len(parted),
        "merged": {reason: [space.to_vector(cell) for cell in pair] for reason, pair in reasons.items()},
        "parted": [space.to_vector(cell) for cell in parted[0]],
        "seconds": round(seconds, 2),
    }


def classes(names: dict[Cell, Any]) -> list[list[Cell]]:
    """The cells that share a name."""
    found: dict[Any, list[Cell]] = {}
    for cell, name in names.items():
        found.setdefault(name, []).append(cell)
    return list(found.values())


def largest(found: list[list[Cell]]) -> list[int]:
    return sorted(map(len, found), reverse=True)[:3]


def first_pair(members: list[Cell], names: dict[Cell, Any]) -> tuple[Cell, Cell] | None:
    """The first two members whose names differ."""
    other = next((cell for cell in members if names[cell] != names[members[0]]), None)
    return other and (members[0], other)


def reason_to_part(one: Cell, other: Cell) -> str:
    """Why two cells of one hash compute different functions."""
    if any(term.operation == "constant" for cell in (one, other) for term in form(cell).terms):
        return "an operation of zeros is its bias, a constant; the hash removes it"
    return "a skip brings a node's whole sum, in the hash its operation alone, and once"


def show(space: CellSpace, pair: tuple[Cell, Cell], reason: str) -> None:
    print(f"  {reason}")
    for cell in pair:
        print(f"    {space.to_vector(cell)}  {formula(cell)}")
