"""What the report shows of a device that is not here: every number carries the word estimated."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from speechnas_lab.hardware.estimates.energy import Battery
from speechnas_lab.report.words import estimated_on, milliseconds, number, significant

Column = tuple[str, str, Callable[[float], str]]  # key, heading, how to print
SPEECH = "energy, 1 s of speech"
ENERGY = {"energy_mj": "", "energy_estimated_mj": ", estimated"}  # key of what was taken here -> more of its heading


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
    """The table's columns: after the latency, energy, and what is estimated for a device that is not here."""
    away, found = estimated_on(findings), []
    for key, name, form in columns:
        found.append((key, f"{name}, measured here" if away and key == "latency_ms" else name, form))
        if key == "latency_ms":
            found += [(energy, f"{SPEECH}{more}", millijoules) for energy, more in ENERGY.items()
                      if any(energy in row for row in findings["models"])]  # fmt: skip
        if away and key == "latency_ms":
            found.append(("latency_estimated_ms", f"latency on {away}, estimated", milliseconds))
            found.append(("energy_away_estimated_mj", f"{SPEECH} on {away}, estimated", millijoules))
    return found


def energy_rows(winner: dict, batteries: Iterable[Battery]) -> list[tuple[str, str]]:
    """What the winner's encoder takes here for a second of speech and, of each battery, for an hour; [] if unknown."""
    key = next((key for key in ENERGY if number(winner.get(key)) is not None), None)
    if key is None:
        return []
    said = " (estimated)" if "estimated" in key else ""
    rows = [("encoder, a second of speech", f"{millijoules(winner[key])}{said}"), ("by", winner["energy_by"])]
    for battery in batteries:
        charge, share = battery.hour_of_speech(winner[key])
        told = f"{significant(charge)} mAh{said}, {100 * share:.2g}% of {battery.capacity_mah:,.0f} mAh"
        rows.append((f"an hour of speech, battery of {battery.name}", told))
    return rows
