"""When do two cells compute the same family of functions? And what does the published hash say?

A cell is written down as its terms: each a(operation(sum of what it reads)) with weights of its own, and the
output a sum of terms and of the input x, each taken a whole number of times. `form` simplifies this:

- what nothing reads is left out, and `zero` is 0;
- an operation of 0 is a constant c (operations have biases), whichever operation it is;
- a linear operation's bias takes up a constant that is added to what it reads;
- a common factor of what an operation reads goes into its weights: op(2x) can be what op(x) can be. It
  stays in the output and in unlike sums, since the activation ends at 20: 2 op(x) reaches 40, op'(x) never;
- terms that do not read each other may change places.

Two cells are the same if and only if their forms are equal. The last rule is a group acting only where two
operations read x alone, beside a second node that is `zero`: then S2 swaps 5 x 5 pairs, and by Burnside's
lemma (25 + 5) / 2 = 15 orbits remain. Relabelling acts on forms, not on all cells (a swapped cell often has no
place in the space), and the other rules are no permutations: elsewhere the classes are counted one by one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from itertools import permutations
from math import gcd
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .cells import Cell

OPERATIONS = ("linear", "conv5", "conv5d2", "conv7", "conv7d2", "zero")  # the benchmark's order, its numbers 0 to 5
NODES = 3


class Term(NamedTuple):
    """a(operation(sum)). `reads`: how often the sum holds the input and each earlier term; none for a constant."""

    operation: str  # one of OPERATIONS without "zero", or "constant"
    reads: tuple[int, ...]


class Form(NamedTuple):
    """A cell without what does nothing. `output`: how often the output holds the input and each term."""

    terms: tuple[Term, ...]
    output: tuple[int, ...]


def form(cell: Cell) -> Form:
    """The normal form: equal for two cells if and only if they compute the same family of functions.

    >>> from speechnas_lab.space import CellSpace
    >>> form(CellSpace().from_vector([[0, 1], [5, 1, 0], [0, 0, 1, 1]])).output  # 2 x, and both linear terms
    (2, 1, 1)
    """
    found, output = expanded(cell)
    live = alive(found, output)
    return min(_relabelled(found, output, order) for order in permutations(live) if _in_order(found, order))


def expanded(cell: Cell) -> tuple[dict[int, Term], tuple[int, ...]]:
    """Node -> its simplified term, and the output. All sums are over (x, node 1, node 2, node 3)."""
    found: dict[int, Term] = {}
    values = [(1, 0, 0, 0)]
    for node, (operation, skips) in enumerate(zip(cell.operations, cell.skips, strict=True), start=1):
        total = [0, 0, 0, 0]
        for value, skip in zip(values, skips, strict=True):
            if skip:
                total = [a + b for a, b in zip(total, value, strict=True)]
        if operation != "zero":
            found[node] = _simplified(operation, values[-1], found)
            total[node] += 1
        values.append(tuple(total))
    return found, values[-1]


def _simplified(operation: str, reads: tuple[int, ...], found: dict[int, Term]) -> Term:
    if operation == "linear":
        constants = [node for node, term in found.items() if term.operation == "constant"]
        reads = tuple(0 if node in constants else count for node, count in enumerate(reads))
    factor = gcd(*reads)
    if not factor:
        return Term("constant", reads)
    return Term(operation, reads if factor == 1 else tuple(count // factor for count in reads))


def alive(found: dict[int, Term], output: tuple[int, ...]) -> list[int]:
    """The nodes whose terms reach the output."""
    live: list[int] = []
    for node in sorted(found, reverse=True):
        if output[node] or any(found[later].reads[node] for later in live):
            live.append(node)
    return live[::-1]


def _in_order(found: dict[int, Term], order: tuple[int, ...]) -> bool:
    """Does no term read one that comes later?"""
    return not any(found[a].reads[b] for i, a in enumerate(order) for b in order[i + 1 :])


def _relabelled(found: dict[int, Term], output: tuple[int, ...], order: tuple[int, ...]) -> Form:
    terms = []
    for place, node in enumerate(order):
        operation, reads = found[node]
        terms.append(Term(operation, (reads[0], *[reads[earlier] for earlier in order[:place]])))
    return Form(tuple(terms), (output[0], *[output[node] for node in order]))


# ---- the published hash (Mehrotra et al., ICLR 2021, in the manner of NAS-Bench-101, Ying et al., 2019)


def published_id(cell: Cell) -> str:
    """The benchmark's hash of a cell: 32 hex digits, 8,242 different ones among all 13,824 cells.

    It is taken of a graph of operations from which `zero`, and what is then cut off from input or output, is
    removed. A skip from node j is an edge from the operation of node j alone, although the network adds all
    of node j's output, its own skips included: so the hash also merges cells that differ in function. And it
    knows no multiplicity: an edge is there or not.
    """
    zeros = tuple(operation == "zero" for operation in cell.operations)
    kept, before, after = _graph(zeros, cell.skips)
    labels = (-1, *[OPERATIONS.index(operation) for operation in cell.operations], -2)
    return _graph_hash(before, after, tuple(labels[node] for node in kept))


Neighbours = tuple[tuple[int, ...], ...]  # of each vertex


@cache
def _graph(zeros: tuple[bool, ...], skips: Neighbours) -> tuple[list[int], Neighbours, Neighbours]:
    """Nodes that lie between input and output, and for each of them the places of those before and after it."""
    edges = {(node - 1, node) for node in range(1, NODES + 2)}
    edges |= {(j, i + 1) for i, row in enumerate(skips, start=1) for j, skip in enumerate(row) if skip}
    removed = {node for node, zero in enumerate(zeros, start=1) if zero}
    edges = {edge for edge in edges if not removed.intersection(edge)}
    kept = sorted(_reached(0, edges) & _reached(NODES + 1, {(b, a) for a, b in edges}))
    before = tuple(tuple(place for place, a in enumerate(kept) if (a, node) in edges) for node in kept)
    after = tuple(tuple(place for place, b in enumerate(kept) if (node, b) in edges) for node in kept)
    return kept, before, after


def _reached(start: int, edges: set[tuple[int, int]]) -> set[int]:
    """The node `start` and all that `edges` lead to from it."""
    found, fresh = {start}, {start}
    while fresh:
        fresh = {b for a, b in edges if a in fresh} - found
        found |= fresh
    return found


@cache
def _graph_hash(before: Neighbours, after: Neighbours, labels: tuple[int, ...]) -> str:
    """Each vertex starts from its degrees and label, then takes in its neighbours' hashes, once a vertex."""
    sides = list(zip(before, after, strict=True))
    degrees = [(len(targets), len(sources)) for sources, targets in sides]
    hashes = [_start(*pair, label) for pair, label in zip(degrees, labels, strict=True)]
    for _ in labels:
        told = [["".join(sorted([hashes[w] for w in side])) for side in pair] for pair in sides]
        hashes = [_md5(f"{sources}|{targets}|{own}") for (sources, targets), own in zip(told, hashes, strict=True)]
    return _md5(str(sorted(hashes)))


@cache
def _start(outgoing: int, incoming: int, label: int) -> str:
    # The benchmark counts degrees in floating point, and hashes the text of the numbers.
    return _md5(str((float(outgoing), float(incoming), label)))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def group(cells: Iterator[Cell]) -> dict[Form, list[Cell]]:
    """The cells of each form, in the order in which they come."""
    found: dict[Form, list[Cell]] = {}
    for cell in cells:
        found.setdefault(form(cell), []).append(cell)
    return found
