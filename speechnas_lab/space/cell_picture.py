"""A cell in plain words and as a picture (SVG) of what it really computes: its terms from left to right.

Both show the normal form, so equal canonical forms are drawn alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from .cell_layers import KERNELS, SKELETON
from .cell_symmetry import Form, form
from .cells import Cell
from .counting import counts
from .picture import COLOURS, FAINT, INK, rect, sheet, text

_LETTERS = "ABC"
_COLUMN, _BOX, _HEIGHT, _LANE, _TOP = 190, 130, 52, 26, 84  # pixels


def describe(cell: Cell) -> str:
    """Plain words, several lines."""
    simple, width, steps = form(cell), SKELETON.width, SKELETON.steps
    lines = [headline(cell), f"Stem: {steps[0]} frames of 10 ms become one of {10 * steps[0]} ms, {width} channels."]
    for letter, (operation, reads) in zip(_LETTERS, simple.terms, strict=False):
        of = "" if operation == "constant" else f" of {_sum(reads)}"
        lines.append(f"  {letter}: {_name(operation)}{of}.")
    rates = ", ".join(f"{10 * step} ms" for step in steps)
    return "\n".join(
        [
            *lines,
            f"  Output of the cell: {_sum(simple.output)}; then LayerNorm.",
            f"The cell is stacked {len(steps)} times, on frames of {rates}.",
            f"Head: one output each {10 * steps[-1]} ms.",
        ]
    )


def formula(cell: Cell) -> str:
    """The output as a formula.

    >>> formula(Cell(("linear", "zero", "conv5"), ((1,), (0, 1), (0, 0, 0))))
    'conv5(input + linear(input))'
    >>> formula(Cell(("linear", "conv5", "zero"), ((0,), (0, 1), (0, 0, 1))))
    'A + conv5(A), A = linear(input)'
    """
    simple = form(cell)
    sums, kept = [*[reads for _, reads in simple.terms], simple.output], []
    names = ["input"]
    for place, (operation, reads) in enumerate(simple.terms, start=1):
        name = operation if operation == "constant" else f"{operation}({_sum(reads, names)})"
        if sum(later[place] for later in sums[place:]) > 1:  # said once, by its letter
            kept.append(f"{_LETTERS[place - 1]} = {name}")
            name = _LETTERS[place - 1]
        names.append(name)
    return ", ".join([_sum(simple.output, names), *kept])


def headline(cell: Cell) -> str:
    total, terms = counts(cell), len(form(cell).terms)
    operations = "1 operation" if terms == 1 else f"{terms} operations"
    return (
        f"Cell, {operations}, {total.parameters / 1e3:.0f} k parameters, "
        f"{total.macs / 1e6:.1f} M multiply-adds for 2 s of speech"
    )


def _name(operation: str) -> str:
    if operation not in KERNELS:
        return operation
    taps, dilation = KERNELS[operation]
    return f"convolution ({taps} frames{', every second' if dilation == 2 else ''})"


def _sum(counted: tuple[int, ...], names: Sequence[str] = ("input", *_LETTERS)) -> str:
    parts = [name if n == 1 else f"{n} × {name}" for n, name in zip(counted, names, strict=False) if n]
    return " + ".join(parts) or "zero"


def drawing(cell: Cell) -> str:
    """An SVG picture as text, with <title> and <desc> for screen readers. An arc with ×2 counts twice."""
    simple, words = form(cell), headline(cell)
    columns = len(simple.terms) + 2
    middle = _TOP + _LANE * (columns - 1)
    body = [text(24, 36, words.split(", ")[0], 17, weight=600), text(24, 57, words.split(", ", 1)[1], 12.5, fill=FAINT)]
    for source, target, count in _edges(simple):
        body += _edge(source, target, count, middle)
    boxes = ["input", *[operation for operation, _ in simple.terms], "output"]
    for column, operation in enumerate(boxes):
        letter = _LETTERS[column - 1] if 0 < column < columns - 1 else ""
        body += _box(column, middle, letter, operation)
    size = (24 + columns * _COLUMN - (_COLUMN - _BOX) + 24, middle + _HEIGHT + 28)
    return sheet(f"speechnas-{cell.id}", size, words, describe(cell), body)


def _edges(simple: Form) -> list[tuple[int, int, int]]:
    """(from column, to column, how often)."""
    sums = [*[reads for _, reads in simple.terms], simple.output]
    return [(source, target, n) for target, reads in enumerate(sums, start=1) for source, n in enumerate(reads) if n]


def _edge(source: int, target: int, count: int, y: float) -> list[str]:
    """To the next box a straight arrow, else an arc above the boxes between."""
    start, end = 24 + source * _COLUMN, 24 + target * _COLUMN
    if target == source + 1:
        path, at = f"M{start + _BOX} {y + _HEIGHT / 2}H{end - 4}", (start + _BOX + end) / 2
        head, label = f"M{end - 9} {y + _HEIGHT / 2 - 5}l6 5l-6 5", y + _HEIGHT / 2 - 8
    else:
        top = y - _LANE * (target - source)
        start, end = start + _BOX - 14 * (target - source), end + 14 * (target - source)
        path, at = f"M{start} {y}C{start} {top} {end} {top} {end} {y - 2}", (start + end) / 2
        head, label = f"M{end - 5} {y - 8}l5 6l5 -6", y + 0.75 * (top - y) - 5
    lines = [f'<path d="{d}" fill="none" stroke="{FAINT}" stroke-width="1.6"/>' for d in (path, head)]
    return lines if count == 1 else [*lines, text(at, label, f"×{count}", 12.5, weight=600, anchor="middle")]


def _box(column: int, y: float, letter: str, operation: str) -> list[str]:
    """A term with its letter; input and output in white."""
    x, kernel = 24 + column * _COLUMN, KERNELS.get(operation)
    fill = COLOURS["convolution"] if kernel else COLOURS["feed-forward"] if letter else "#ffffff"
    words = f"{letter}: {'convolution' if kernel else operation}" if letter else escape(operation)
    box = [rect(x, y, _BOX, _HEIGHT, 9, fill, stroke="#c3c9d1")]
    box.append(text(x + _BOX / 2, y + (22 if kernel else 31), words, 12.5, fill=INK, weight=600, anchor="middle"))
    if kernel:
        seen = f"{kernel.taps} frames{', every 2nd' if kernel.dilation == 2 else ''}"
        box.append(text(x + _BOX / 2, y + 39, seen, 11.5, anchor="middle"))
    return box
