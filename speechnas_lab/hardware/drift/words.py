"""What a monitor says: a line for a change, a line at the end, and a text file for Prometheus."""

from __future__ import annotations

import numpy as np

from .monitor import LEARN, Change
from .watch import Watch

SECONDS = 1e-3  # Prometheus counts in base units


def told(change: Change, half: float) -> str:
    """A change in one line. half: half the smallest change that counts."""
    if change.settled:
        if not change.lasting:
            return f"  it did not last: a burst of calls; the median is {change.after_ms:.3f} ms again"
        return f"  the new level is known: {_by(change)}"
    way, clock = "slower" if change.slower else "faster", f" ({change.since_time})" if change.since_time else ""
    if abs(change.relative) < half:
        way = "slow calls became more frequent" if change.slower else "slow calls became rarer"
    return (f"DRIFT, {way} since sample {change.since + 1:,}{clock}: {_by(change)} so far; found at sample "
            f"{change.found + 1:,}{_unit(change)}")


def _by(change: Change) -> str:
    return (f"median {change.before_ms:.3f} -> {change.after_ms:.3f} ms, {change.relative:+.1%} "
            f"({change.low:+.1%} to {change.high:+.1%}), 95th percentile {change.p95_before_ms:.3f} -> "
            f"{change.p95_after_ms:.3f} ms")


def _unit(change: Change) -> str:
    """A hint where the change is about a factor of 1000."""
    factor = change.after_ms / change.before_ms
    if not (1 / 3 < factor / 1000 < 3 or 1 / 3 < factor * 1000 < 3):
        return ""
    return f"; about a factor of 1000: are the timings in {'microseconds' if factor > 1 else 'seconds'}?"


def summary(watch: Watch) -> str:
    """What it came to, in one line, with what was odd about the lines."""
    monitor, odd = watch.monitor, watch.timings.words()
    if not monitor.seen:
        return f"no timings{f'; left out: {odd}' if odd else ''}"
    lasting = [change for change in monitor.changes if change.lasting]
    line = f"{monitor.seen:,} samples, {len(monitor.changes) or 'no'} change{'s' * (len(monitor.changes) != 1)}"
    if len(lasting) < len(monitor.changes):
        line += f" ({len(monitor.changes) - len(lasting)} did not last)"
    if monitor.seen < monitor.baseline.delay:
        line += f" (a change takes about {monitor.baseline.delay:.0f} samples to show, estimated)"
    recent = float(np.median(monitor.recent[-LEARN:]))
    line += (f"; median of the last {min(monitor.seen, LEARN)}: {recent:.3f} ms, {monitor.level:+.1%} from the "
             f"baseline's {monitor.baseline.median_ms:.3f} ms")
    return line + (f"; odd lines: {odd}" if odd else "")


def prometheus(watch: Watch) -> str:
    """The state as Prometheus's text format (version 0.0.4), for the node exporter's folder of text files."""
    monitor, timings = watch.monitor, watch.timings
    recent = monitor.recent[-LEARN:] if len(monitor.recent) else np.array([np.nan])
    model = str(watch.facts.get("model", "")).replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    rows = [
        ("samples_total", "counter", "Latencies that were watched.", monitor.seen),
        ("missing_total", "counter", "Values that were missing.", timings.missing),
        ("impossible_total", "counter", "Values that were 0, negative or infinite.", timings.impossible),
        ("clock_back_total", "counter", "Times at which the clock went back.", timings.back),
        ("changes_total", "counter", "Changes that were found.", len(monitor.changes)),
        ("drifted", "gauge", "1 while the level is not the baseline's.", int(monitor.drifted)),
        ("change_ratio", "gauge", "Recent median relative to the baseline's, less 1.", monitor.level),
        ("recent_median_seconds", "gauge", "Median of the last samples.", float(np.median(recent)) * SECONDS),
        ("recent_p95_seconds", "gauge", "95th percentile of the last samples.",
         float(np.percentile(recent, 95)) * SECONDS),
        ("baseline_median_seconds", "gauge", "Median of the baseline.", monitor.baseline.median_ms * SECONDS),
    ]
    lines = []
    for name, kind, help_text, value in rows:
        name = f"speechnas_latency_{name}"
        shown = "NaN" if value != value else repr(value)
        lines += [f"# HELP {name} {help_text}", f"# TYPE {name} {kind}", f'{name}{{model="{model}"}} {shown}']
    return "\n".join(lines) + "\n"
