"""What the report says in words: numbers as people write them, the headline, and what may be concluded.

Every sentence is computed from the findings, also when the search lost. WER values are fractions (0.081 is 8.1%).
"""

from __future__ import annotations

from decimal import Decimal
from math import isfinite, log
from typing import Any

SMOKE = "This was a smoke run: it shows that every step works. Its numbers mean nothing yet."
SAME = 0.05  # ratios nearer to 1 than this are told as "the same"
UNTRAINED = "In this untrained state: "  # before what a smoke run says about accuracy
INT8_LOSS = 0.01  # a WER that int8 raises by more than this is remarked on
CURVE_SLACK = 0.0005  # a WER nearer to the curve than this counts as on it (reports print one decimal of a per cent)


def number(value: Any) -> float | None:
    """The value as a finite float; None for what is missing, NaN, infinite or no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if isfinite(value) else None


def significant(value: float, digits: int = 3) -> str:
    """`digits` significant digits, without an exponent: 0.00312, 4.07, 1,230."""
    if value == 0:
        return "0"
    decimals = digits - 1 - int(f"{value:.{digits - 1}e}".split("e")[1])
    return f"{round(value, decimals):,.{max(decimals, 0)}f}"


def percent(fraction: float) -> str:
    """0.081 -> 8.1%"""
    return f"{100 * fraction:.1f}%"


def points(fraction: float) -> str:
    """Signed percentage points with a true minus: -0.003 -> −0.3, 0.002 -> +0.2, 0 -> 0.0"""
    text = f"{100 * fraction:+.1f}"
    return "0.0" if float(text) == 0 else text.replace("-", "−")


def size(count: float) -> str:
    """Bytes in decimal units: 940 B, 87 kB, 1.23 MB."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{significant(count / scale)} {unit}"
    return f"{count:.0f} B"


def amount(count: float) -> str:
    """Large counts: 940, 87 k, 1.23 M, 4.5 G."""
    for unit, scale in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= scale:
            return f"{significant(count / scale)} {unit}"
    return f"{count:.0f}"


def astronomical(count: int) -> str:
    """6549033315726720 -> 6.5 × 10¹⁵; below a million with thousands separators."""
    if count < 10**6:
        return f"{count:,}"
    mantissa, exponent = f"{Decimal(count):.1e}".split("e")
    return f"{mantissa} × 10{str(int(exponent)).translate(str.maketrans('0123456789', '⁰¹²³⁴⁵⁶⁷⁸⁹'))}"


def milliseconds(value: float) -> str:
    """3.456 -> 3.46 ms"""
    return f"{significant(value)} ms"


def duration(seconds: float) -> str:
    """8.2 s, 3 min 20 s, 1 h 05 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def times(value: float) -> str:
    """18.4 -> 18x, 5.13 -> 5.1x, 5.0 -> 5x"""
    return f"{value:,.0f}x" if value >= 9.95 else f"{value:.1f}".removesuffix(".0") + "x"


def estimated_on(findings: dict) -> str:
    """The device whose latencies are estimated; "" where they were measured."""
    device = findings.get("device") or {}
    return device["name"] if device.get("estimated") else ""


def winner_of(findings: dict) -> dict:
    """The models row of the winner. Raises ValueError where the findings name none of their rows."""
    for row in findings["models"]:
        if row["name"] == findings["winner"]:
            return row
    raise ValueError(f"no models row is named {findings['winner']!r}, the winner")


def of_kind(findings: dict, *kinds: str) -> list[dict]:
    """The models rows of these kinds, in their order."""
    return [row for row in findings["models"] if row.get("kind") in kinds]


def reference_of(findings: dict) -> tuple[dict | None, str]:
    """The hand-designed row that the headline compares with, and its name in a sentence."""
    peers = of_kind(findings, "hand-designed")
    conformers = [row for row in peers if "conformer" in row["name"].lower()]
    if not peers:
        return None, ""
    largest = max(conformers or peers, key=lambda r: number(r.get("parameters")) or number(r.get("bytes_fp32")) or 0)
    if not conformers:
        return largest, f"{largest['name']}, the largest hand-designed network"
    return largest, f"the {'large ' if len(conformers) > 1 else ''}hand-designed Conformer"


def ratio(ours: Any, theirs: Any, less: str, more: str) -> tuple[str, int]:
    """("18x smaller", -1), ("1.3x larger", +1), ("", 0) for the same; ("?", 0) where a value is missing."""
    a, b = number(ours), number(theirs)
    if not a or not b:
        return "?", 0
    if abs(a / b - 1) <= SAME:
        return "", 0
    return (f"{times(b / a)} {less}", -1) if a < b else (f"{times(a / b)} {more}", 1)


def costs(ours: dict, theirs: dict, name: str) -> str:
    """' that is 18x smaller (fp32 against fp32) and 5x faster than NAME', as the WER is. '' where nothing is known."""
    sizes = [row.get("bytes_fp32") for row in (ours, theirs)]
    space, smaller = ratio(*sizes, "smaller (fp32 against fp32)", "larger (fp32 against fp32)")
    kinds = ("latency_estimated_ms", "rtf")
    kind = next((kind for kind in kinds if number(ours.get(kind)) and number(theirs.get(kind))), "latency_ms")
    speed, faster = ratio(ours.get(kind), theirs.get(kind), "faster", "slower")
    speed = f"an estimated {speed}" if speed not in ("", "?") and kind == "latency_estimated_ms" else speed
    told = [text for text in (space, speed) if text not in ("", "?")]
    noun = "estimated speed" if kind == "latency_estimated_ms" else "speed"
    same = [noun for text, noun in ((space, "size"), (speed, noun)) if text == ""]
    if len(told) == 2:
        return f" that is {told[0]} {'and' if smaller == faster else 'but'} {told[1]} than {name}"
    if told:
        return f" that is {told[0]} than {name}" + (f", at the same {same[0]}" if same else "")
    return f" of the same {' and '.join(same)} as {name}" if same else ""


def interval(low: Any, high: Any, form=points) -> str:
    """', 95% interval -0.9 to +0.2', or '' where it was not measured."""
    a, b = number(low), number(high)
    return "" if a is None or b is None else f", 95% interval {form(a)} to {form(b)}"


def headline(findings: dict) -> str:
    """One plain sentence: how large, how quick and how accurate, beside the large hand-designed Conformer."""
    winner, (peer, name) = winner_of(findings), reference_of(findings)
    wer, other = number(winner.get("wer")), number((peer or {}).get("wer"))
    start = "The search found a recogniser" + (costs(winner, peer, name) if peer else "")
    if wer is None:
        return f"{start}; its word error rate was not measured."
    if peer is None or other is None:
        spread = interval(winner.get("wer_low"), winner.get("wer_high"), percent)
        return f"{start}; its word error rate is {percent(wer)}{spread}."
    paired = findings.get("paired", {}).get(peer["name"]) or {}
    difference, low, high = (number(paired.get(key)) for key in ("difference", "low", "high"))
    now = "in this untrained state " if findings.get("settings", {}).get("budget") == "smoke" else ""
    link = f"; {now}its word error rate is"
    if low is not None and high is not None and low > 0:
        link = f", but {now}it makes more errors: its word error rate is"
    elif low is not None and high is not None and high < 0:
        link = f", and {now}it makes fewer errors: its word error rate is"
    named = " than " in start or " as " in start
    against = f"{percent(wer)} against {percent(other)}" + ("" if named else f" of {name}")
    difference = wer - other if difference is None else difference
    return f"{start}{link} {against}, difference {points(difference)} points{interval(low, high)}."


def compared(findings: dict, row: dict, name: str) -> str:
    """Whether the winner's WER differs from this row's by more than chance."""
    paired = findings.get("paired", {}).get(row["name"]) or {}
    low, high = number(paired.get("low")), number(paired.get("high"))
    if low is None or high is None:
        return f"Against {name} no paired interval was computed: a difference may be chance."
    spread = f"({points(low)} to {points(high)} points, over {paired.get('unit') or 'test items'})"
    if high < 0:
        return f"More accurate than {name}: the whole interval {spread} lies below zero."
    if low > 0:
        return f"Less accurate than {name}: the whole interval {spread} lies above zero."
    worst = f"it is at most {100 * max(high, 0):.1f} points worse" if high >= 0.0005 else "it is not worse"
    return f"Not told apart from {name}: the interval {spread} includes zero. At its upper end, {worst}."


def staircase(rows: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The (cost, WER) pairs that no other pair beats on both, cheapest first."""
    kept: list[tuple[float, float]] = []
    for cost, wer in sorted(rows):
        if not kept or wer < kept[-1][1]:
            kept.append((cost, wer))
    return kept


def versions(row: dict, key: str) -> list[tuple[float, float]]:
    """(cost, WER) of a model as fp32 and, for stored bytes, as int8: each WER beside its own cost."""
    pairs = [(row.get(key), row.get("wer"))]
    if key == "bytes_fp32":
        pairs.append((row.get("bytes_int8"), row.get("wer_int8")))
    found = [(number(cost), number(wer)) for cost, wer in pairs]
    return [(cost, wer) for cost, wer in found if cost and cost > 0 and wer is not None]


def beside_curve(findings: dict, key: str, noun: str) -> str | None:
    """Where the winner (fp32) lies beside the curve of the hand-designed networks, cost on a log scale."""
    ours = versions({key: winner_of(findings).get(key), "wer": winner_of(findings).get("wer")}, key)
    curve = staircase([pair for row in of_kind(findings, "hand-designed") for pair in versions(row, key)])
    if not ours or not curve:
        return None
    cost, wer = ours[0]
    start = f"WER against {noun}: the winner lies"
    if cost < curve[0][0]:
        return f"{start} left of the whole hand-designed curve: it costs less than every point of it."
    level = curve[-1][1]
    for (x0, y0), (x1, y1) in zip(curve, curve[1:], strict=False):
        if x0 <= cost < x1:
            level = y0 + (y1 - y0) * log(cost / x0) / log(x1 / x0)
    gap = wer - level
    if abs(gap) <= CURVE_SLACK:
        return f"{start} on the hand-designed curve."
    side = "below (better than)" if gap < 0 else "above (worse than)"
    return f"{start} {100 * abs(gap):.1f} points {side} the hand-designed curve."


def int8_words(winner: dict, peer: dict | None) -> str | None:
    """What int8 does to size, errors and speed."""
    small, full = number(winner.get("bytes_int8")), number(winner.get("bytes_fp32"))
    if not small or not full:
        return None
    text = f"Stored as int8 the winner takes {size(small)} instead of {size(full)}"
    theirs = [(number((peer or {}).get(f"bytes_{form}")), form) for form in ("fp32", "int8")]
    beside = [f"{ratio(small, count, 'smaller', 'larger')[0] or 'the same size'} than the Conformer's {form}"
              for count, form in theirs if count]
    if beside and "conformer" in (peer or {})["name"].lower():
        text += f" ({', '.join(beside)})".replace("the same size than", "the same size as")
    before, after = number(winner.get("wer")), number(winner.get("wer_int8"))
    if before is not None and after is not None:
        text += f"; its WER goes from {percent(before)} to {percent(after)}"
        if after - before > INT8_LOSS:
            text += f". Mind that this is more than the {100 * INT8_LOSS:.0f} point of WER that int8 may cost"
    speed, _ = ratio(winner.get("rtf_int8"), winner.get("rtf"), "faster", "slower")
    return text + {"?": ".", "": ", at the same speed."}.get(speed, f", and it runs {speed}.")


def limit_words(findings: dict, winner: dict) -> list[str]:
    """Does the winner, as measured, keep each limit?"""
    away, said = estimated_on(findings), []
    latency = winner.get("latency_estimated_ms" if away else "latency_ms")
    for key, value, form, what in (
        ("latency_ms", latency, milliseconds, f"Estimated latency on {away}" if away else "Latency"),
        ("bytes", number(winner.get("bytes_int8")) or winner.get("bytes_fp32"), size, "Stored size"),
        ("memory_bytes", winner.get("peak_memory_bytes"), size, "Peak memory"),
    ):
        limit, measured = number(findings.get("limits", {}).get(key)), number(value)
        if limit is not None and measured is not None:
            over, spread = measured / limit - 1, number(findings.get("profile_spread")) or 0.0
            at = what == "Latency" and 0 < over <= spread
            more = f": {100 * over:.2g}% over, and two timings here differ by {100 * spread:.2g}%" if at else ""
            kept = "within" if over <= 0 else "at" if at else "OVER"
            said.append(f"{what} {form(measured)}, {kept} the limit of {form(limit)}{more}.")
    return said


def verdicts(findings: dict) -> list[str]:
    """What may be concluded, and what may not, one sentence each."""
    winner, (peer, name) = winner_of(findings), reference_of(findings)
    said = [compared(findings, peer, name)] if peer else []
    chance = of_kind(findings, "random")
    like = "the random architecture of like latency"
    said += [compared(findings, row, f"{like} {row['name']}" if chance[1:] else like) for row in chance]
    ours = (number(winner.get("rtf")), number(winner.get("wer")))
    beaten = []
    for row in of_kind(findings, "hand-designed"):
        theirs = (number(row.get("rtf")), number(row.get("wer")))
        if None not in ours + theirs and theirs != ours and theirs[0] <= ours[0] and theirs[1] <= ours[1]:
            beaten.append(row["name"])
    if beaten:
        said.append(f"At least as fast and as accurate as the winner in this test: {', '.join(beaten)}.")
    elif None not in ours and of_kind(findings, "hand-designed"):
        said.append("No hand-designed network measured here is both as fast and as accurate as the winner.")
    said += [text for key, noun in (("rtf", "RTF"), ("bytes_fp32", "bytes"))
             if (text := beside_curve(findings, key, noun))]
    if findings.get("settings", {}).get("budget") == "smoke":  # an interval knows the voices, not the brief training
        said = [UNTRAINED + text for text in said]
    said += [text for text in [int8_words(winner, peer)] if text] + limit_words(findings, winner)
    if estimated_on(findings):
        said.append(findings["device"]["note"])
    if winner.get("wer_unit") == "utterances":
        said.append("The test has too few speakers to resample them: intervals are over utterances and say "
                    "nothing about how well other speakers would be understood.")
    said.append("Intervals cover which test speech was drawn. They do not cover the luck of training: for a claim "
                "about accuracy, repeat with at least three seeds.")
    return said
