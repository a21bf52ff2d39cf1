"""An architecture in plain words, and as a picture (SVG) that shows what it really computes, block by block.

Both leave out skipped blocks and invisible stage boundaries, so equal canonical forms are drawn alike.
"""

from __future__ import annotations

from functools import singledispatch
from xml.sax.saxutils import escape

from .architecture import Architecture, Block
from .cells import Cell
from .counting import counts
from .symmetry import Segment, segments

_ACTIVATION_NAMES = {"swish": "Swish", "gelu": "GELU", "relu": "ReLU"}
_NORM_NAMES = {"layer": "LayerNorm", "batch": "BatchNorm"}
_REDUCTION_NAMES = {"conv": "strided convolution", "pool": "average pooling"}

# Okabe and Ito's colours, a little lighter: colour-blind readers tell them apart. Dark ink on an opaque sheet
# reads the same on a light and on a dark page.
COLOURS = {"attention": "#d98cb8", "convolution": "#7cc4ee", "feed-forward": "#f0b840"}
_SHEET, _CARD, INK, FAINT, _TENSOR = "#fcfbf7", "#ffffff", "#1d2530", "#56616f", "#2f8f78"
_ROW_BLOCKS = 4  # blocks side by side
_CARD_WIDTH, _CHIP_HEIGHT, _LEFT, _GAP = 178, 24, 214, 18  # pixels


@singledispatch
def describe(arch: Architecture | Cell) -> str:
    """Plain words, several lines."""
    parts, step = segments(arch), arch.stem
    lines = [
        _headline(arch),
        f"Stem: {step} frames of 10 ms become one of {10 * step} ms, {parts[0].width} channels.",
    ]
    number = 0
    for place, segment in enumerate(parts):
        if place:
            step *= 1 if segment.reduction == "none" else 2
            lines.append(f"{_transition(segment)}: {10 * step} ms frames, {segment.width} channels.")
        for block in segment.blocks:
            number += 1
            lines.append(f"  Block {number}: {', '.join(_modules(block, arch.macaron, 10 * step))}.")
    if number:
        genes = f"Activation: {_ACTIVATION_NAMES[arch.activation]}."
        if any(block.kernel for segment in parts for block in segment.blocks):
            genes += f" Inside the convolutions: {_NORM_NAMES[arch.norm]}."
        lines.append(genes)
    return "\n".join([*lines, _ending(arch, step)])


@describe.register
def _(arch: Cell) -> str:
    from . import cell_picture  # in this file's words

    return cell_picture.describe(arch)


def _headline(arch: Architecture) -> str:
    total = counts(arch)
    blocks = "1 block" if arch.depth == 1 else f"{arch.depth} blocks"
    return (
        f"Mobile Conformer, {blocks}, {total.parameters / 1e6:.2f} M parameters, "
        f"{total.macs / 1e6:.0f} M multiply-adds for 2 s of speech"
    )


def _transition(segment: Segment) -> str:
    return (
        f"Halve time by {_REDUCTION_NAMES[segment.reduction]}"
        if segment.reduction != "none"
        else "Change width"
    )


def _ending(arch: Architecture, step: int) -> str:
    pooled = (
        f"average over {arch.output_reduction // step} frames, then " if arch.output_reduction > step else ""
    )
    return f"Head: {pooled}one output each {10 * arch.output_reduction} ms."


def _modules(block: Block, macaron: bool, frame_ms: int = 0) -> list[str]:
    """What a block holds, in order. With `frame_ms`, a convolution also says how much time it sees."""
    forward = f"feed-forward ×{block.expansion:g}"
    words = [f"½ {forward}"] if macaron else []
    if block.heads:
        words.append(f"attention ({block.heads} heads)")
    if block.kernel:
        seen = f", {block.kernel * frame_ms} ms" if frame_ms else ""
        words.append(f"convolution ({block.kernel} frames{seen})")
    return [*words, f"½ {forward}" if macaron else forward]


@singledispatch
def drawing(arch: Architecture | Cell) -> str:
    """An SVG picture as text, with <title> and <desc> for screen readers.

    Sound goes down the rows, and through blocks from left to right. The comb at the left of a row shows its
    frames: a tooth's width is the length of a frame, its height the number of channels.
    """
    parts, step = segments(arch), arch.stem
    widest = max(segment.width for segment in parts)
    columns = max(2, min(_ROW_BLOCKS, max(len(segment.blocks) for segment in parts)))
    width = _LEFT + columns * (_CARD_WIDTH + _GAP) + 8
    body = [text(24, 36, _headline(arch).split(", ")[0], 17, weight=600)]
    body.append(text(24, 57, ", ".join(_headline(arch).split(", ")[1:]), 12.5, fill=FAINT))
    y, number = 76, 0
    body += _note(y, f"Stem: stack {step} frames of 10 ms")
    for place, segment in enumerate(parts):
        if place:
            step *= 1 if segment.reduction == "none" else 2
            body += _note(y, _transition(segment))
        y += 32
        body += _comb(y, step, segment.width, widest)
        for start in range(0, max(1, len(segment.blocks)), _ROW_BLOCKS):
            cards = [_modules(block, arch.macaron) for block in segment.blocks[start : start + _ROW_BLOCKS]]
            for column, modules in enumerate(cards):
                number += 1
                body += _card(_LEFT + column * (_CARD_WIDTH + _GAP), y, number, modules, arrow=column > 0)
            y += max([76, *(_card_height(modules) + 12 for modules in cards)])
    body += _note(y, _ending(arch, step))
    legend = "Green: the frames of 0.48 s, as high as they have channels."
    body.append(text(24, y + 44, legend, 11.5, fill=FAINT))
    height = y + 62
    return sheet(f"speechnas-{arch.id}", (width, height), _headline(arch), describe(arch), body)


@drawing.register
def _(arch: Cell) -> str:
    from . import cell_picture  # drawn with this file's pens

    return cell_picture.drawing(arch)


def sheet(label: str, size: tuple[float, float], title: str, words: str, body: list[str]) -> str:
    """A whole SVG picture: an opaque sheet with `body` on it, and `title` and `words` for screen readers."""
    width, height = size
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" '
        f'role="img" aria-labelledby="{label}-title {label}-desc" style="max-width:100%;height:auto" '
        f"font-family=\"system-ui, 'Segoe UI', Helvetica, Arial, sans-serif\">\n"
        f'<title id="{label}-title">{escape(title)}</title>\n'
        f'<desc id="{label}-desc">{escape(words)}</desc>\n'
        f"{rect(0.5, 0.5, width - 1, height - 1, 14, _SHEET, stroke='#d5d9de')}\n"
        + "\n".join(body)
        + "\n</svg>\n"
    )


def text(
    x: float, y: float, words: str, size: float, fill: str = INK, weight: int = 400, anchor: str = "start"
) -> str:
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" fill="{fill}" font-weight="{weight}" '
        f'text-anchor="{anchor}">{escape(words)}</text>'
    )


def rect(x: float, y: float, w: float, h: float, radius: float, fill: str, stroke: str = "none") -> str:
    return f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="{radius}" fill="{fill}" stroke="{stroke}"/>'


def _note(y: float, words: str) -> list[str]:
    """A line between rows: what happens to all frames there."""
    arrow = f'<path d="M30 {y + 4}v14m-4 -5l4 5l4 -5" fill="none" stroke="{FAINT}" stroke-width="1.6"/>'
    return [arrow, text(46, y + 16, words, 12.5, weight=600)]


def _comb(y: float, step: int, width: int, widest: int) -> list[str]:
    """The frames of 480 ms: one tooth for each."""
    pitch = 160 * step / 48
    height = max(4.0, round(40 * width / widest, 1))
    teeth = [
        rect(round(24 + i * pitch, 1), y + 40 - height, round(pitch - 2.5, 1), height, 1.5, _TENSOR)
        for i in range(max(1, 48 // step))
    ]
    return [*teeth, text(24, y + 57, f"{10 * step} ms frames, {width} channels", 11.5, fill=FAINT)]


def _card_height(modules: list[str]) -> int:
    return 28 + len(modules) * (_CHIP_HEIGHT + 4)


def _card(x: int, y: int, number: int, modules: list[str], arrow: bool) -> list[str]:
    """One block: its number and its modules from top to bottom; an arrow from the block before it."""
    card = [
        rect(x, y, _CARD_WIDTH, _card_height(modules), 9, _CARD, stroke="#c3c9d1"),
        text(x + 10, y + 16, f"Block {number}", 11, fill=FAINT, weight=600),
    ]
    if arrow:
        shaft = f"M{x - _GAP + 3} {y + 34}h{_GAP - 6}m-4 -4l4 4l-4 4"
        card.append(f'<path d="{shaft}" fill="none" stroke="{FAINT}" stroke-width="1.6"/>')
    for place, words in enumerate(modules):
        top = y + 22 + place * (_CHIP_HEIGHT + 4)
        fill = next(colour for name, colour in COLOURS.items() if name in words)
        card.append(rect(x + 7, top, _CARD_WIDTH - 14, _CHIP_HEIGHT, 5, fill))
        card.append(text(x + _CARD_WIDTH / 2, top + 16, words, 12, anchor="middle"))
    return card
