"""A chart as inline SVG, drawn with plain text: axes, markers of different shapes, lines, labels that do not collide.

Colours and fonts come from the page's style sheet through class names, so one picture serves light and dark.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from math import ceil, cos, floor, log10, pi, sin

WIDTH, HEIGHT = 480, 350
LEFT, RIGHT, TOP, BOTTOM = 62, 16, 40, 52
CHARACTER = 6.7  # mean width of a letter at the labels' 12.5 units

Point = tuple[float, float]


@dataclass(frozen=True)
class Axis:
    """From data to pixels. `low` and `high` are data values at the ends of the plot."""

    label: str
    low: float
    high: float
    start: float
    end: float
    log: bool = False
    form: Callable[[float], str] = "{:g}".format

    def at(self, value: float) -> float:
        low, high, here = self.low, self.high, value
        if self.log:
            low, high, here = log10(low), log10(high), log10(value)
        return self.start + (here - low) / (high - low) * (self.end - self.start)

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high

    def ticks(self) -> list[float]:
        """Three to eight round values inside the axis."""
        if self.log:
            decades = range(floor(log10(self.low)), ceil(log10(self.high)) + 1)
            for steps in ((1,), (1, 3), (1, 2, 5)):
                found = [s * 10.0**d for d in decades for s in steps if self.holds(s * 10.0**d)]
                if 3 <= len(found) <= 7:
                    return found
        rough = (self.high - self.low) / 5
        unit = 10.0 ** floor(log10(rough))
        step = min((s * unit for s in (1, 2, 5, 10)), key=lambda s: abs(s - rough))
        return [step * k for k in range(ceil(self.low / step - 1e-9), floor(self.high / step + 1e-9) + 1)]


def spread(values: Sequence[float], log: bool = False, floor_at: float | None = None) -> Point:
    """Ends of an axis that hold all values with room around them."""
    low, high = min(values), max(values)
    if log:
        room = max((high / low) ** 0.1, 1.15)
        return low / room, high * room
    room = 0.08 * (high - low) or 0.1 * abs(high) or 1.0
    return (low - room if floor_at is None else max(low - room, floor_at)), high + room


def across(label: str, ends: Point, log: bool = False, form: Callable[[float], str] = "{:g}".format) -> Axis:
    """The horizontal axis."""
    return Axis(label, *ends, LEFT, WIDTH - RIGHT, log, form)


def upward(label: str, ends: Point, log: bool = False, form: Callable[[float], str] = "{:g}".format) -> Axis:
    """The vertical axis."""
    return Axis(label, *ends, HEIGHT - BOTTOM, TOP, log, form)


def shape(kind: str, x: float, y: float, r: float = 6) -> str:
    """Path of a marker. Kinds differ in shape as well as in colour."""
    if kind == "found":  # a star
        ring = [(r * 1.6 if k % 2 == 0 else r * 0.7) for k in range(10)]
        corners = [(x + s * sin(pi * k / 5), y - s * cos(pi * k / 5)) for k, s in enumerate(ring)]
    elif kind == "hand-designed":  # a square
        corners = [(x - r + 1, y - r + 1), (x + r - 1, y - r + 1), (x + r - 1, y + r - 1), (x - r + 1, y + r - 1)]
    elif kind == "random":  # a triangle
        corners = [(x, y - r), (x + r, y + r * 0.8), (x - r, y + r * 0.8)]
    elif kind == "finalist":  # a diamond
        corners = [(x, y - r), (x + r, y), (x, y + r), (x - r, y)]
    else:  # a circle
        return f"M{x - r + 2:.1f} {y:.1f}a{r - 2} {r - 2} 0 1 0 {2 * r - 4} 0a{r - 2} {r - 2} 0 1 0 {4 - 2 * r} 0Z"
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in corners) + "Z"


@dataclass
class Chart:
    """Collects marks; `svg` writes them. Marks outside the axes are left out: count them in the caption."""

    x: Axis
    y: Axis
    body: list[str] = field(default_factory=list)
    labels: list[tuple[float, float, str, str]] = field(default_factory=list)
    legend: list[tuple[str, str, str]] = field(default_factory=list)
    taken: list[tuple[float, float, float, float]] = field(default_factory=list)

    def line(self, points: Sequence[Point], name: str) -> None:
        """Straight lines from point to point, in pixels straight too."""
        path = "L".join(f"{self.x.at(a):.1f} {self.y.at(b):.1f}" for a, b in points)
        self.body.append(f'<path class="line {name}" d="M{path}"/>')

    def band(self, points: Sequence[Point], name: str) -> None:
        """A filled polygon."""
        path = "L".join(f"{self.x.at(a):.1f} {self.y.at(b):.1f}" for a, b in points)
        self.body.append(f'<path class="{name}" d="M{path}Z"/>')

    def bar(self, x: float, low: float, high: float, kind: str) -> None:
        """An interval as a thin upright line."""
        low, high = max(low, self.y.low), min(high, self.y.high)
        self.body.append(f'<path class="whisker {kind}" d="M{self.x.at(x):.1f} {self.y.at(low):.1f}'
                         f'V{self.y.at(high):.1f}"/>')

    def cloud(self, points: Sequence[Point], name: str) -> int:
        """Many small dots as one path; returns how many lie outside the axes."""
        inside = [(a, b) for a, b in points if self.x.holds(a) and self.y.holds(b)]
        spots = sorted({(round(self.x.at(a)), round(self.y.at(b))) for a, b in inside})
        self.body.append(f'<path class="cloud {name}" d="{"".join(f"M{a} {b}h0" for a, b in spots)}"/>')
        return len(points) - len(inside)

    def mark(self, x: float, y: float, kind: str, label: str = "", hollow: bool = False, tip: str = "") -> None:
        """One marker, with a label beside it and a tip for the mouse."""
        a, b = self.x.at(x), self.y.at(y)
        look = f"mark {kind}" + (" hollow" if hollow else "")
        title = f"<title>{escape(tip)}</title>" if tip else ""
        self.body.append(f'<path class="{look}" d="{shape(kind, a, b)}">{title}</path>')
        self.taken.append((a - 8, b - 8, a + 8, b + 8))
        if label:
            self.labels.append((a, b, label, kind))

    def _placed(self) -> list[str]:
        """Each label on the first free side of its marker; the one that overlaps least where none is free."""
        out = []
        for x, y, text, kind in self.labels:
            wide = CHARACTER * len(text)
            spots = [(x + dx, y + dy, anchor) for dy in (4, -11, 19, -24, 32) for dx, anchor in
                     ((11, "start"), (-11, "end"), (0, "middle")) if dy != 4 or dx]
            best = None
            for a, b, anchor in spots:
                left = a - wide * {"start": 0, "middle": 0.5, "end": 1}[anchor]
                box = (left, b - 11, left + wide, b + 3)
                clash = sum(max(0.0, min(box[2], o[2]) - max(box[0], o[0]))
                            * max(0.0, min(box[3], o[3]) - max(box[1], o[1])) for o in self.taken)
                outside = max(0.0, LEFT - box[0], box[2] - WIDTH + 2, TOP - box[1], box[3] - HEIGHT + BOTTOM)
                cost = clash + 50 * outside
                if best is None or cost < best[0]:
                    best = (cost, a, b, anchor, box)
                if cost == 0:
                    break
            _, a, b, anchor, box = best
            self.taken.append(box)
            out.append(f'<text class="label {kind}" x="{a:.1f}" y="{b:.1f}" text-anchor="{anchor}">'
                       f"{escape(text)}</text>")
        return out

    def svg(self, name: str, title: str, description: str) -> str:
        """The whole picture with its text alternative. `name` makes ids unique on the page."""
        axes = []
        for tick in self.x.ticks():
            at = self.x.at(tick)
            axes.append(f'<path class="grid" d="M{at:.1f} {TOP}V{HEIGHT - BOTTOM}"/><text class="tick" x="{at:.1f}" '
                        f'y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{escape(self.x.form(tick))}</text>')
        for tick in self.y.ticks():
            at = self.y.at(tick)
            axes.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}"/><text class="tick" x="{LEFT - 8}" '
                        f'y="{at + 4:.1f}" text-anchor="end">{escape(self.y.form(tick))}</text>')
        middle = (TOP + HEIGHT - BOTTOM) / 2
        axes.append(f'<text class="axis" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 10}" text-anchor="middle">'
                    f'{escape(self.x.label)}</text><text class="axis" transform="rotate(-90 14 {middle})" x="14" '
                    f'y="{middle}" text-anchor="middle">{escape(self.y.label)}</text>')
        key, at = [], 10.0
        for kind, look, text in self.legend:
            sign = (f'<path class="line {look}" d="M{at} 14h18"/>' if kind == "line" else
                    f'<path class="{look}" d="{shape(kind, at + 9, 14, 5.5)}"/>')
            key.append(f'{sign}<text class="tick" x="{at + 23}" y="18">{escape(text)}</text>')
            at += 30 + 7.8 * len(text)
        return picture(name, title, description, WIDTH, HEIGHT, axes + key + self.body + self._placed())


def picture(name: str, title: str, description: str, width: int, height: int, body: Sequence[str]) -> str:
    """An SVG element with title and description for those who cannot see it."""
    return (f'<svg viewBox="0 0 {width} {height}" role="img" aria-labelledby="{name}-title {name}-desc">'
            f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(description)}</desc>'
            + "\n".join(body) + "</svg>")
