"""The README's picture: the found network above the hand-designed one, with what each costs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from ..files import read_json, write_text
from ..models.baselines import LARGE
from ..space import Architecture, drawing
from ..steps import REFERENCE

MEASURED = Path(__file__).parents[1] / "measured"
WIDTH, TOP, GAP = 1006, 124, 14
INK, FAINT, FOUND, DESIGNED = "#1d2530", "#56616f", "#0072b2", "#d55e00"
ROWS = (  # what is compared, from a row of peers.json, and how it is said
    ("errors, words in a hundred", lambda m: 100 * m["wer"], "{:.1f}"),
    ("weights as stored, MB", lambda m: m["stored"] / 1e6, "{:.2f}"),
    ("seconds for 1,000 s of speech", lambda m: 1000 * m["rtf"], "{:.2f}"),
)


def found_beside_designed(out: Path, count: int) -> dict[str, Any]:
    """The picture of the README, out of the figures in `speechnas_lab/measured`: picture.svg."""
    peers = read_json(MEASURED / "peers.json")
    told = json.loads((MEASURED / "search-winner.json").read_text(encoding="utf-8"))
    found = {**peers["models"][peers["winner"]], "stored": peers["models"][peers["winner"]]["bytes_int8"]}
    designed = {**peers["models"][REFERENCE], "stored": peers["models"][REFERENCE]["bytes_fp32"]}
    above, below = drawing(Architecture.from_json(json.dumps(told["architecture"]))), drawing(LARGE)
    first = TOP + 40  # where the found network's drawing begins, and the other's
    second = first + height(above) + GAP + 40
    tall = second + height(below)
    pairs = [(name, form.format(of(found)), form.format(of(designed))) for name, of, form in ROWS]
    words = "; ".join(f"{name}: {ours} against {theirs}" for name, ours, theirs in pairs)
    body = [
        *panel(found, designed),
        f'<text x="16" y="{first - 12}" font-size="18" font-weight="700" fill="{FOUND}">Found by search</text>',
        placed(above, first),
        f'<text x="16" y="{second - 12}" font-size="18" font-weight="700" fill="{DESIGNED}">'
        "Designed by hand: a Conformer</text>",
        placed(below, second),
    ]
    box = f'width="{WIDTH}" height="{tall:.0f}"'
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {tall:.0f}" {box} role="img" '
        'aria-labelledby="t d" font-family="system-ui, Helvetica, Arial, sans-serif">'
        '<title id="t">The found network above the hand-designed Conformer</title>'
        f'<desc id="d">{words}</desc><rect {box} rx="14" fill="#fcfbf7"/>' + "\n".join(body) + "</svg>\n"
    )
    write_text(out / "picture.svg", svg)
    return {"svg": str(out / "picture.svg"), "words": words}


def height(svg: str) -> float:
    """Of a drawing, in pixels."""
    return float(re.search(r'height="([\d.]+)"', svg)[1])


def placed(svg: str, y: float) -> str:
    """A drawing inside another one, `y` below its top."""
    return svg.replace("<svg ", f'<svg y="{y}" ', 1)


def panel(found: dict[str, Any], designed: dict[str, Any]) -> list[str]:
    """Side by side, two bars for each thing that is compared."""
    parts, room = [], WIDTH / len(ROWS)
    for column, (name, of, form) in enumerate(ROWS):
        x, most = 16 + room * column, max(of(found), of(designed))
        parts.append(f'<text x="{x}" y="26" font-size="14.5" font-weight="600" fill="{INK}">{name}</text>')
        for line, (model, colour) in enumerate(((found, FOUND), (designed, DESIGNED))):
            at, wide = 36 + 28 * line, max(3.0, (room - 90) * of(model) / most)
            parts.append(f'<rect x="{x}" y="{at}" width="{wide:.1f}" height="22" rx="3" fill="{colour}"/>')
            label = form.format(of(model))
            parts.append(f'<text x="{x + wide + 8:.1f}" y="{at + 17}" font-size="16" fill="{INK}">{label}</text>')
    note = "Blind test of unheard voices, mean of three seeds. Weights: found in int8, designed in float32."
    return [*parts, f'<text x="16" y="114" font-size="12.5" fill="{FAINT}">{note}</text>']
