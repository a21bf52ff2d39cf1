"""A page for people: latency in one picture, each change marked, the changes as a table. No scripts, no network."""

from __future__ import annotations

from html import escape
from importlib.resources import files

from ...chart import Chart, across, spread, upward
from .monitor import Change
from .watch import Watch
from .words import summary

HOW = (
    "Each latency is compared with the baseline. What exceeds half the smallest change that counts is added up, and "
    "falls back to 0 while all is well (Page's cumulative sum); the sum raises an alarm where chance would bring it "
    "less than once in 100,000 samples. A short burst stays below. After an alarm the next 200 samples teach the new "
    "level."
)


def picture(watch: Watch) -> str:
    """Medians and the band from the 10th to the 90th percentile over samples, with the changes, as SVG; "" if empty."""
    points, monitor = watch.history.points(), watch.monitor
    if not points:
        return ""
    base = monitor.baseline.median_ms
    low, high = [p[1] for p in points], [p[3] for p in points]
    chart = Chart(across("sample", (0, max(monitor.seen, 2)), form="{:,.0f}".format),
                  upward("latency in ms", spread([*low, *high, base], floor_at=0.0)))
    at = [p[0] for p in points]
    chart.band([*zip(at, high, strict=True), *reversed([*zip(at, low, strict=True)])], "band")
    chart.line([(0, base), (max(monitor.seen, 2), base)], "limit")
    chart.line([(p[0], p[2]) for p in points], "line best")
    for number, change in enumerate(monitor.changes, 1):
        chart.mark(change.found + 1, change.after_ms if chart.y.holds(change.after_ms) else chart.y.high, "found",
                   str(number), not change.lasting, f"{number}: found at sample {change.found + 1}")
    chart.legend = [("line", "limit", "baseline"), ("line", "best", "median"), ("found", "mark found", "change")]
    words = f"{summary(watch)}. Baseline {base:.3f} ms. " + " ".join(
        f"Change {n} found at sample {c.found + 1}." for n, c in enumerate(monitor.changes, 1))
    return chart.svg("latency", "Latency over samples", words)


def page(watch: Watch) -> str:
    """The whole document."""
    monitor, facts = watch.monitor, watch.facts
    device = facts.get("device") if isinstance(facts.get("device"), dict) else {}
    now = "Latency has drifted" if monitor.drifted else "Latency is at its baseline"
    head = f"{now}: {monitor.level:+.1%}" if monitor.seen else "No timings yet"
    about = ", ".join(str(name) for name in (facts.get("model"), *map(device.get, ("name", "processor"))) if name)
    drawn = picture(watch)
    odd = watch.timings.words()
    rows = "".join(_row(number, change) for number, change in enumerate(monitor.changes, 1))
    names = ("", "direction", "since sample", "found at", "median", "change, 95% interval", "95th percentile", "state")
    listing = "".join(f"<th>{name}</th>" for name in names)
    parts = [
        f"<header><p class=eyebrow>{escape(about)}</p><h1>{escape(head)}</h1></header><main>",
        f"<section><p>{escape(summary(watch))}</p></section>",
        f"<section><figure>{drawn}<figcaption>Line: median; band: 10th to 90th percentile of blocks of "
        f"{watch.history.size} samples; dashed: the baseline. Stars: changes, hollow if they did not last."
        "</figcaption></figure></section>" if drawn else "",
        f"<section><h2>Changes</h2><div class=scroll><table><tr>{listing}</tr>{rows}</table></div></section>"
        if rows else "",
        f"<section><h2>Odd lines</h2><p>{escape(odd)}</p></section>" if odd else "",
        f"<section><h2>How it is found</h2><p>{HOW}</p></section></main>",
    ]
    style = files("speechnas_lab").joinpath("report.css").read_text(encoding="utf-8")
    return (f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n<meta name="viewport" '
            f'content="width=device-width, initial-scale=1"><title>{escape(head)}</title>\n<style>\n{style}</style>'
            f"</head><body>\n{chr(10).join(part for part in parts if part)}\n</body></html>\n")


def _row(number: int, change: Change) -> str:
    state = "still learning the level" if not change.settled else "settled" if change.lasting else "did not last"
    cells = (
        number, "slower" if change.slower else "faster",
        f"{change.since + 1:,} {change.since_time}", f"{change.found + 1:,} {change.found_time}",
        f"{change.before_ms:.3f} → {change.after_ms:.3f} ms",
        f"{change.relative:+.1%} ({change.low:+.1%} to {change.high:+.1%})",
        f"{change.p95_before_ms:.3f} → {change.p95_after_ms:.3f} ms", state,
    )
    return "<tr>" + "".join(f"<td>{escape(str(cell).strip())}</td>" for cell in cells) + "</tr>"
