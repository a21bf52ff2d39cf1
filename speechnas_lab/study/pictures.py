"""Pictures that have words for those who cannot see them, sound players, tables.

    plt.style.use(STYLE)
    fig, axis = plt.subplots()
    show(fig, "What the picture says, in a sentence.")
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from IPython.display import display

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Bundle = dict[str, Any]  # MIME type -> content, richest and plainest form of the same thing

# Okabe and Ito's colours, which colour-blind readers tell apart, on an opaque sheet: the same on light and dark pages.
INK, SOFT, RULE, SHEET = "#1d2530", "#56616f", "#dfe2e6", "#fcfbf7"
ORANGE, BLUE, GREEN, SKY, PINK = "#d55e00", "#0072b2", "#009e73", "#56b4e9", "#cc79a7"
STYLE: dict[str, Any] = {
    "figure.facecolor": SHEET, "axes.facecolor": SHEET, "savefig.facecolor": SHEET, "figure.figsize": (9, 3.2),
    "figure.constrained_layout.use": True, "font.size": 11, "text.color": INK, "axes.labelcolor": SOFT,
    "axes.edgecolor": RULE, "axes.titlelocation": "left", "axes.titlesize": 12, "axes.titleweight": "bold",
    "axes.spines.top": False, "axes.spines.right": False, "xtick.color": SOFT, "ytick.color": SOFT,
    "lines.linewidth": 2, "image.cmap": "cividis", "legend.frameon": False,
}  # fmt: skip
PIXELS, DPI = 96, 120  # an inch on the page, and as stored: sharp on finer screens too


def bundle(picture: Figure | str, alt: str) -> Bundle:
    """A matplotlib figure (which is closed) or an SVG drawing, as HTML with `alt`, as an image, and as plain text."""
    if isinstance(picture, str):
        kind, data, width = "image/svg+xml", picture.encode(), "100%"
    else:
        kind, data, width = "image/png", _png(picture), f"{picture.get_figwidth() * PIXELS:.0f}"
    code = base64.b64encode(data).decode()
    image = f'<img src="data:{kind};base64,{code}" alt="{escape(alt)}" width="{width}" style="max-width: 100%">'
    return {"text/html": image, kind: picture if isinstance(picture, str) else code, "text/plain": alt}


def _png(figure: Figure) -> bytes:
    """The figure in 128 colours, a third of the bytes: notebooks travel."""
    import matplotlib.pyplot as plt
    from PIL import Image

    full, small = io.BytesIO(), io.BytesIO()
    figure.savefig(full, format="png", dpi=DPI)
    plt.close(figure)
    Image.open(full).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(small, "png", optimize=True)
    return small.getvalue()


def show(picture: Figure | str, alt: str) -> None:
    """Show a figure or an SVG drawing here; `alt` says in words what it shows."""
    display(bundle(picture, alt), raw=True)


def sound(wave: Any, rate: int = 16_000, autoplay: bool = False) -> Bundle:
    """A player for samples (n,) in [-1, 1], as loud as they are."""
    from IPython.display import Audio

    player = Audio(wave, rate=rate, normalize=False, autoplay=autoplay)._repr_html_()
    return {"text/html": player, "text/plain": f"A player with {len(wave) / rate:.1f} seconds of sound."}


def table(head: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "") -> None:
    """Show rows as a table; numbers stand to the right."""

    def cell(value: object, tag: str) -> str:
        side = "right" if isinstance(value, (int, float)) or str(value)[:1].isdigit() else "left"
        return f'<{tag} style="text-align: {side}; padding: 0.1em 0.8em">{escape(str(value))}</{tag}>'

    body = "".join(f"<tr>{''.join(cell(value, 'td') for value in row)}</tr>" for row in rows)
    first = rows[0] if rows else head
    top = "".join(cell(h, "th") if not isinstance(v, (int, float)) else cell(h, "th").replace("left", "right")
                  for h, v in zip(head, first, strict=True))  # fmt: skip
    html = f"<table>{f'<caption>{escape(caption)}</caption>' if caption else ''}<tr>{top}</tr>{body}</table>"
    texts = [[str(value) for value in row] for row in (head, *rows)]
    wide = [max(map(len, column)) for column in zip(*texts, strict=True)]
    plain = "\n".join("  ".join(t.ljust(w) for t, w in zip(row, wide, strict=True)).rstrip() for row in texts)
    display({"text/html": html, "text/plain": f"{caption}\n{plain}" if caption else plain}, raw=True)
