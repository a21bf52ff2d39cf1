"""What the report shows of a device that is not here: every number carries the word estimated."""

from __future__ import annotations

from collections.abc import Callable

from speechnas_lab.report_words import estimated_on, milliseconds, number, significant

Column = tuple[str, str, Callable[[float], str]]  # key, heading, how to print


def millijoules(value: float) -> str:
    """3.456 -> 3.46 mJ"""
    return f"{significant(value)} mJ"


def latency_words(row: dict) -> str:
    """"12.3 ms (estimated)" where the device is not here, "12.3 ms" where it was measured, a dash for neither."""
    if (value := number(row.get("latency_estimated_ms"))) is not None:
        return f"{milliseconds(value)} (estimated)"
    return "–" if (value := number(row.get("latency_ms"))) is None else milliseconds(value)


def limits_name(findings: dict) -> str:
    """What the limit on latency is about."""
    away = estimated_on(findings)
    return f"estimated latency on {away}" if away else "latency"


def with_estimates(columns: list[Column], findings: dict) -> list[Column]:
    """The table's columns: beside what was measured here, what is estimated for a device that is not here."""
    away, found = estimated_on(findings), []
    for key, name, form in columns:
        found.append((key, f"{name}, measured here" if away and key == "latency_ms" else name, form))
        if away and key == "latency_ms":
            found.append(("latency_estimated_ms", f"latency on {away}, estimated", milliseconds))
            speech = f"energy for a second of speech on {away}, estimated"
            found.append(("energy_estimated_mj", speech, millijoules))
    return found
