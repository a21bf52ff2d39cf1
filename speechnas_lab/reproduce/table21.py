"""Manual against searched: hand-designed networks and ours, on each device at hand and estimated on others."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import BadInput
from ..files import read_json
from ..hardware import (
    ESTIMATED,
    Meter,
    Sizes,
    at_hand,
    calibrate,
    export_onnx,
    latency_estimated_ms,
    measure,
    open_on,
    peak_memory,
    threads_kept,
)
from ..hardware.conditions import Watch
from ..hardware.estimates.operations import operations
from ..hardware.estimates.roofline import trust, trust_words
from ..models import baseline, build
from ..space import Architecture, counts
from ..speech import LogMel, greedy_decode
from ..steps import LARGE, REFERENCE

HERE = Path(__file__).parents[1] / "measured"
MANUAL = {"conformer-large": "Conformer", "conformer-small": "Conformer, small", "quartznet": "QuartzNet",
          "jasper": "Jasper", "lstm": "LSTM (both ways)"}  # fmt: skip
SECONDS = 2.0  # of sound
TURNS, BURST = 20, 3


def manual_against_searched(out: Path, count: int, search: Path | None = None) -> dict[str, Any]:
    """WER, RTF, memory, bytes and energy of five hand-designed networks and ours, on every device at hand.

    The networks have random weights: no speed depends on training. WER and bytes are those of a search's table (search:
    its folder; left out, the measured one), one training each. Exported files stay in `out`.
    """
    known, ours, labels = _known(search)
    torch.manual_seed(0)
    networks = {name: baseline(name, vocab_size=labels).eval() for name in MANUAL}
    networks["ours"] = build(ours, vocab_size=labels).eval()
    files = {name: _file(network, out / name) for name, network in networks.items()}
    watch = Watch()
    with threads_kept(*at_hand()):
        taken, features_ms = _timings(networks, files, labels)
    told = watch.stop()
    roof, meter = calibrate(), Meter()
    rows = {}
    for name, network in networks.items():
        whole = files[name]
        model = whole.read_bytes()
        listed = operations(model)
        encoder = open_on(at_hand()[0], model, Sizes(vocab_size=labels))
        energy = meter.measure(encoder, 0.5)
        rows[name] = {
            "title": MANUAL.get(name, f"ours ({ours.id})"), **known[name],
            "parameters": sum(weight.numel() for weight in network.parameters()), "macs": sum(o.macs for o in listed),
            "peak_memory_bytes": peak_memory(whole),
            "rtf": {key: (features_ms + timing.median_ms) / 1000 / SECONDS for key, timing in taken[name].items()},
            "rtf_spread": {key: timing.spread for key, timing in taken[name].items()},
            **energy.facts(SECONDS),
            "encoder_ms": taken[name]["ort"].median_ms, "encoder_bound_ms": latency_estimated_ms(listed, roof),
            "encoder_rtf_estimated": {key: latency_estimated_ms(listed, key) / 1000 / SECONDS for key in ESTIMATED},
        }  # fmt: skip
    slack = (trust() or {"slack": 1.0})["slack"]
    found = {
        "rows": rows, "devices": {device.name: device.words for device in at_hand()},
        "processor": at_hand()[0].processor, "audio_seconds": SECONDS, "features_ms": features_ms,
        "conditions": told.to_dict(), "warning": told.warning(), "energy_source": energy.source, "trust": trust_words(),
        "roofline_error_here": {name: slack * row["encoder_bound_ms"] / row["encoder_ms"] - 1
                                for name, row in rows.items()},
    }  # fmt: skip
    print(as_text(found))
    return found


def _known(search: Path | None) -> tuple[dict[str, dict[str, Any]], Architecture, int]:
    """What a search found out: WER and bytes of each row, the winner's architecture, how many labels there were."""
    table = search / "candidates.csv" if search else HERE / "search-candidates.csv"
    winner = read_json(search / "winner.json" if search else HERE / "search-winner.json")
    if not winner or not table.is_file():
        raise BadInput(f"there is no finished search in {search}: give a folder that search wrote")
    with table.open(newline="", encoding="utf-8") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    lacking = set(MANUAL) - set(rows)
    if lacking:
        raise BadInput(f"{table} lacks {', '.join(sorted(lacking))}: take a search of standard or full size")
    ours = Architecture.from_json(json.dumps(winner["architecture"]))
    size = int(rows[REFERENCE]["parameters"])
    labels = next((n for n in range(2, 5000) if counts(LARGE, vocab_size=n).parameters == size), 200)
    keys = {"wer": float, "wer_low": float, "wer_high": float, "bytes_fp32": int, "bytes_int8": int}
    known = {name: {key: kind(rows[of][key]) for key, kind in keys.items()}
             for name, of in [*((name, name) for name in MANUAL), ("ours", winner["id"])]}  # fmt: skip
    return known, ours, labels


def _file(network: torch.nn.Module, folder: Path) -> Path:
    """The network as ONNX, float32; written once."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = folder / "model.onnx"
    if not whole.exists():
        export_onnx(network, whole)
    return whole


def _timings(networks: dict, files: dict, labels: int) -> tuple[dict[str, dict[str, Any]], float]:
    """Encoder and decoding of every network on every device, all taking turns; and the milliseconds of the features."""
    sizes, log_mel = Sizes(vocab_size=labels, frames=round(100 * SECONDS)), LogMel()
    wave = np.random.default_rng(0).standard_normal(round(16_000 * SECONDS)).astype(np.float32) / 10
    calls: dict[str, Callable[[], object]] = {"features": lambda: log_mel(wave)}
    for name, network in networks.items():
        for device in at_hand():
            given = network if device.runtime.startswith("torch") else files[name].read_bytes()
            calls[f"{name} {device.name}"] = _with_decoding(open_on(device, given, sizes))
    taken = measure(calls, TURNS, burst=BURST)
    features = taken.pop("features").median_ms
    return {name: {d.name: taken[f"{name} {d.name}"] for d in at_hand()} for name in networks}, features


def _with_decoding(encoder: Callable[[], Any]) -> Callable[[], object]:
    return lambda: greedy_decode(*(torch.as_tensor(part).cpu() for part in encoder()))


def as_text(found: dict[str, Any]) -> str:
    """The table in Markdown: what was measured here, then what is estimated."""
    here, rows = list(found["devices"]), found["rows"].values()
    estimated = any("energy_estimated_mj" in row for row in rows)
    head = ["network", "WER (95% interval)", *(f"RTF, {name}" for name in here), "peak memory", "bytes fp32",
            "bytes int8", f"mJ a second of speech{' (estimated)' * estimated}"]  # fmt: skip
    lines = [[row["title"], f"{row['wer']:.1%} ({100 * row['wer_low']:.1f} to {100 * row['wer_high']:.1f})",
              *(f"{row['rtf'][name]:.5f}" for name in here),
              "not measured" if row["peak_memory_bytes"] is None else f"{row['peak_memory_bytes'] / 1e6:.1f} MB",
              f"{row['bytes_fp32']:,}", f"{row['bytes_int8']:,}",
              f"{row.get('energy_mj', row.get('energy_estimated_mj')):.2f}"] for row in rows]  # fmt: skip
    away = [[row["title"], *(f"{value:.5f}" for value in row["encoder_rtf_estimated"].values())] for row in rows]
    notes = [f"{name}: {words}" for name, words in found["devices"].items()] + [found["warning"], found["trust"]]
    guessed = _markdown(["network", *(f"encoder RTF, {name} (estimated)" for name in ESTIMATED)], away)
    return "\n\n".join([_markdown(head, lines), guessed, "\n".join(note for note in notes if note)])


def _markdown(head: list[str], lines: list[list[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
