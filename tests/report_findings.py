"""Made-up findings of a search, in the form that the report reads. The numbers are plausible and mean nothing."""

from __future__ import annotations

from random import Random
from typing import Any

from speechnas_lab import space
from speechnas_lab.search import pareto_front

PEERS = [  # name, parameters, latency in ms, WER
    ("conformer-large", 9_400_000, 19.8, 0.084),
    ("conformer-small", 1_150_000, 5.1, 0.097),
    ("quartznet", 640_000, 3.4, 0.112),
    ("jasper", 4_900_000, 14.2, 0.094),
    ("lstm", 1_900_000, 7.7, 0.121),
]


def model(name: str, kind: str, parameters: int, latency: float, wer: float, arch: str | None) -> dict[str, Any]:
    return {
        "name": name, "kind": kind, "arch": arch, "parameters": parameters, "macs": parameters * 50,
        "bytes_fp32": 4 * parameters, "bytes_int8": int(1.09 * parameters), "latency_ms": latency,
        "latency_predicted_ms": latency * 0.97 if arch else None, "rtf": latency / 2000 + 0.0006,
        "rtf_int8": latency / 1900 + 0.0006, "peak_memory_bytes": 4 * parameters + 21_000_000, "valid_wer": wer - 0.004,
        "wer": wer, "wer_low": wer - 0.009, "wer_high": wer + 0.01, "wer_unit": "speakers", "wer_int8": wer + 0.0015,
        "wer_source": None,
    }


def example(trials: int = 2000) -> dict[str, Any]:
    """A search at standard size whose winner is as accurate as the large Conformer and far smaller."""
    rng, mobile = Random(5), space.MobileConformerSpace()
    tried = []
    for n in range(trials):
        arch = mobile.sample(rng)
        cost = 0.35 + space.counts(arch).macs / 1.1e7
        score = 0.9 + 0.55 / (cost + 0.3) + abs(rng.gauss(0, 0.11)) * (1 - 0.5 * n / trials)
        if cost < 4.0:
            tried.append({"number": n, "id": arch.id, "score": score, "latency_ms": cost, "arch": arch})
    best = sorted(tried, key=lambda t: t["score"])[:5]
    wers = [0.0826, 0.081, 0.0842, 0.083, 0.0871]
    found = best[1]
    models = [model(t["id"], "found" if t is found else "finalist", 520_000 + 9_000 * k, t["latency_ms"], wer,
                    t["arch"].to_json()) for k, (t, wer) in enumerate(zip(best, wers, strict=True))]
    models += [model(name, "hand-designed", p, ms, wer, None) for name, p, ms, wer in PEERS]
    other = mobile.sample(rng)
    models.append(model("random", "random", 610_000, found["latency_ms"] * 1.02, 0.103, other.to_json()))
    profile = []
    for n in range(100):
        measured = 0.5 * 9 ** rng.random()
        profile.append({"id": f"p{n:03d}", "measured_ms": measured, "held_out": n >= 50,
                        "predicted_ms": measured * (1 + rng.gauss(0, 0.035 if n >= 50 else 0.012))})
    return {
        "corpus": {"name": "homecommands", "hours": 6.4, "notes": ["2 utterances too long for their audio left out."],
                   "splits": {"train": {"utterances": 9600, "speakers": 62, "words": 52_310},
                              "valid_weights": {"utterances": 640, "speakers": 8, "words": 3_490},
                              "valid": {"utterances": 800, "speakers": 10, "words": 4_377},
                              "test": {"utterances": 1900, "speakers": 24, "words": 10_412}}},
        "settings": {"budget": "standard", "seed": 0,
                     "command": "speechnas search --corpus homecommands --budget standard --seed 0 --out found"},
        "machine": {"processor": "Example CPU @ 2.5 GHz", "cores": 2, "system": "Linux-6.1-x86_64"},
        "versions": {"torch": "2.14.1", "onnxruntime": "1.27.0", "numpy": "2.5.1", "python": "3.12.4"},
        "limits": {"latency_ms": 4.0, "bytes": None, "memory_bytes": None},
        "space": {"preset": "laptop", "cardinality": mobile.cardinality()},
        "winner": found["id"], "models": models,
        "paired": {"conformer-large": {"difference": -0.003, "low": -0.009, "high": 0.002, "unit": "speakers"},
                   "random": {"difference": -0.022, "low": -0.03, "high": -0.013, "unit": "speakers"}},
        "trials": [{k: t[k] for k in ("number", "id", "score", "latency_ms")} for t in tried],
        "front": [tried[i]["id"] for i in pareto_front([(t["score"], t["latency_ms"]) for t in tried])],
        "profile": profile, "profile_spread": 0.014,
        "finalists": [{"id": t["id"], "score": t["score"], "wer": wer} for t, wer in zip(best, wers, strict=True)],
        "rank": {"tau": 0.6, "tau_parameters": 0.4, "ceiling_between_seeds": 0.79},
        "seconds": {"speech": 21.0, "profile": 44.2, "supernet": 318.0, "search": 62.5, "scratch training": 271.0,
                    "export": 33.0},
    }
