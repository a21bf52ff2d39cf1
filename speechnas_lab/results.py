"""Steps 9 and 10 of the search: the winner as files, everything measured side by side, what the report is told."""

from __future__ import annotations

import csv
import io
import json
import math
import platform
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.stats import kendalltau
from sklearn.model_selection import KFold, cross_val_predict

from .away import device_facts, machine_words
from .files import read_json, write_json, write_text
from .hardware import (
    Device,
    Extrapolation,
    LatencyPredictor,
    Meter,
    Profile,
    Row,
    Sizes,
    SpeedReport,
    at_hand,
    export_onnx,
    open_on,
    peak_memory,
    quantize_dynamic,
    real_time_factor,
    session,
    stored_bytes,
    this_machine,
    threads_kept,
)
from .hardware.drift.baseline import measure_baseline
from .hardware.timing import measure
from .search import SearchResult, Trial, pareto_front
from .space import Architecture, counts
from .speech import LogMel, greedy_decode, paired_bootstrap, word_error_rate
from .steps import Limits, Run
from .training.batches import collate, in_length_order
from .work import Source, Speech, open_speech, trained

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

SPEAKING = 12  # test utterances on which the real-time factor is measured


# Step 9: export -------------------------------------------------------------------------------------------------------
def start_export(run: Run, name: str, arch: str) -> Future:
    """Export a trained network in a worker: models/NAME/model.onnx, model.int8.onnx and export.json."""
    return run.workers.submit(export_model, run.source, str(run.file("models") / name), arch)


def export_model(source: Source, folder: str, arch: str) -> dict[str, Any]:
    """Write a trained network as ONNX, float32 and int8; return sizes, memory and the error rate of int8."""
    speech, place = open_speech(source), Path(folder)
    known = place / "export.json"
    if facts := read_json(known):
        return facts
    network = trained(source, arch, place)
    whole = export_onnx(network, place / "model.onnx", metadata=model_facts(speech))
    small = quantize_dynamic(whole.path, place / "model.int8.onnx")
    heard = hear(small, speech, "test")
    facts = {
        "bytes_fp32": whole.stored_bytes, "bytes_int8": stored_bytes(small), "file_fp32": whole.file_bytes,
        "file_int8": small.stat().st_size, "opset": whole.opset, "exporter": whole.exporter,
        "largest_error": whole.largest_error, "peak_memory_bytes": peak_memory(whole.path),
        "wer_int8": word_error_rate(speech.examples["test"].texts, heard),
    }
    write_json(known, facts)
    return facts


def model_facts(speech: Speech) -> dict[str, Any]:
    """What a model file must tell its user: its labels, and how sound becomes the features that it expects."""
    scale = speech.examples["train"].scale
    centred = "the utterance's mean taken off, then " if scale.centred else ""
    return {"tokenizer": speech.tokenizer.to_json(), **scale.facts(),
            "features": f"log-mel, 80 bands, 16 kHz, 10 ms, {centred}(x - mean) / std"}


def hear(model: Path, speech: Speech, split: str, size: int = 32) -> list[str]:
    """What an exported model makes of each utterance of a split, through ONNX Runtime, `size` at a time."""
    opened, examples = session(model), speech.examples[split]
    texts = [""] * len(examples)
    for rows in in_length_order(examples, size):
        batch = collate(examples, rows)
        logits, lengths = opened.run(None, {"features": batch.features.numpy(), "lengths": batch.lengths.numpy()})
        for row, ids in zip(rows, greedy_decode(torch.from_numpy(logits), torch.from_numpy(lengths)), strict=False):
            texts[row] = speech.tokenizer.decode(ids)
    return texts


def measure_speed(run: Run, networks: Mapping[str, str], profiled: Device) -> dict[str, dict[str, float]]:
    """Real-time factor through ONNX Runtime, fp32 and int8, and encoder latency of all models in one run, in turns.

    networks: name -> architecture's JSON or hand-designed name. `latency_ms` is of the runtime and the threads that
    the search was for, on this machine.
    """
    names, here = list(networks), same_here(run, profiled)
    speech = open_speech(run.source)
    folder = run.file("models")
    models = {name: session(folder / name / "model.onnx") for name in names}
    small = {f"{name} int8": session(folder / name / "model.int8.onnx") for name in names}
    speeds = rtf_on_speech(models | small, speech)
    bands = len(speech.examples["train"].scale.mean)
    feed = {"features": torch.randn(1, 200, bands).numpy(), "lengths": torch.tensor([200]).numpy()}
    calls = {name: lambda m=m: m.run(None, feed) for name, m in small.items()}
    for name, arch in networks.items():
        in_torch, place = here.runtime.startswith("torch"), folder / name
        network = trained(run.source, arch, place) if in_torch else (place / "model.onnx").read_bytes()
        calls[name] = open_on(here, network, Sizes(bands))
    with threads_kept(here):
        encoders = measure(calls, 20, burst=5)
    meter = Meter()
    return {
        name: {"rtf": speeds[name].rtf, "rtf_int8": speeds[f"{name} int8"].rtf, "rtf_spread": speeds[name].spread,
               "features_rtf": speeds[name].features_rtf, "latency_ms": encoders[name].median_ms,
               "latency_int8_ms": encoders[f"{name} int8"].median_ms,
               **meter.measure(lambda m=models[name]: m.run(None, feed), 0.25).facts(2.0)}
        for name in names
    }


def rtf_on_speech(sessions: dict[str, InferenceSession], speech: Speech) -> dict[str, SpeedReport]:
    """The real-time factor of models in one run, on a dozen test utterances."""
    log_mel, scale = LogMel(), speech.examples["train"].scale
    spoken = speech.corpus.split("test")
    waves = [speech.corpus.audio(u) for u in spoken[:: max(1, len(spoken) // SPEAKING)][:SPEAKING]]
    return real_time_factor(sessions, lambda wave: scale(log_mel(wave)), waves)


# Step 10: monitoring --------------------------------------------------------------------------------------------------
def write_baseline(run: Run, winner: dict[str, Any]) -> None:
    """How the winner behaved here, for a monitor to compare with later: baseline.json."""
    keys = ("latency_ms", "rtf", "wer", "wer_low", "wer_high")
    known = {"model": winner["id"], **{key: winner[key] for key in keys}}
    measure_baseline(run.file("winner.onnx"), **known).write(run.file("baseline.json"))


# What everything came to ----------------------------------------------------------------------------------------------
def model_row(
    name: str, kind: str, arch: str, result: dict, export: dict, speed: dict, predicted: float | None
) -> dict[str, Any]:
    """One line of the comparison."""
    test, is_arch = result["test"], arch.startswith("{")
    macs = counts(Architecture.from_json(arch)).macs if is_arch else None
    return {
        "name": name, "kind": kind, "id": name, "arch": arch if is_arch else None, "parameters": result["parameters"],
        "macs": macs, "latency_predicted_ms": predicted, "valid_wer": result["valid"]["wer"], "wer": test["wer"],
        "wer_low": test["low"], "wer_high": test["high"], "wer_unit": test["unit"], "wer_source": None,
        **{key: export[key] for key in ("bytes_fp32", "bytes_int8", "peak_memory_bytes", "wer_int8")}, **speed,
    }


def compare(run: Run, results: dict[str, dict], winner: str) -> dict[str, dict[str, Any]]:
    """Winner minus each other model on the test set: the paired 95% interval over the same speakers."""
    test = open_speech(run.source).examples["test"]
    found = {}
    for name, result in results.items():
        if name == winner:
            continue
        interval = paired_bootstrap(test.texts, results[winner]["test"]["hypotheses"], result["test"]["hypotheses"],
                                    test.speakers, seed=0)
        found[name] = {"difference": interval.value, "low": interval.low, "high": interval.high, "unit": interval.unit}
    return found


def corpus_facts(speech: Speech) -> dict[str, Any]:
    """What was spoken, by how many, and how much."""
    splits = {}
    for split, examples in speech.examples.items():
        splits[split] = {"utterances": len(examples), "speakers": len(set(examples.speakers)),
                         "words": sum(len(text.split()) for text in examples.texts)}
    hours = sum(u.seconds for u in speech.corpus.utterances) / 3600
    return {"name": speech.corpus.name, "hours": hours, "splits": splits, "notes": speech.corpus.notes}


def findings(
    run: Run, limits: Limits, measured: Profile, predictor: LatencyPredictor, found: SearchResult,
    chosen: Sequence[Trial], rows: list[dict], paired: dict, winner: str, command: str, seconds: dict[str, float],
) -> dict[str, Any]:
    """All that the report shows, as plain values."""
    speech, space = open_speech(run.source), run.space
    by_name = {row["name"]: row for row in rows}
    best = [{"id": t.arch.id, "score": t.values[0], "wer": by_name[t.arch.id]["valid_wer"]} for t in chosen]
    inside = [row for row in measured.rows if row.arch in space]
    guessed = out_of_sample(predictor, inside)
    finished, here = found.finished, same_here(run, measured.device)
    own = replace(measured.device, name=here.name) == here  # else what is predicted was not measured here
    front = pareto_ids(finished)
    return {
        "corpus": corpus_facts(speech),
        "settings": {"budget": run.budget.name, "seed": run.seed, "command": command},
        "machine": machine_facts(run, measured.device), "device": device_facts(measured.device),
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("torch", "onnxruntime", "numpy")},
        "limits": {"latency_ms": limits.latency_ms, "bytes": limits.bytes, "memory_bytes": limits.memory_bytes},
        "space": {"preset": "laptop", "cardinality": space.cardinality()},
        "winner": winner, "models": rows, "paired": paired,
        "trials": [{"number": t.number, "id": t.arch.id, "score": t.values[0], "latency_ms": t.parts["latency_ms"]}
                   for t in finished],
        "front": front,
        "profile": [{"id": r.arch.id, "predicted_ms": float(p), "measured_ms": r.latency_ms, "held_out": True}
                    for r, p in zip(inside, guessed, strict=False)]
        + [{"id": row["name"], "predicted_ms": row["latency_predicted_ms"], "measured_ms": row["latency_ms"],
            "held_out": True} for row in rows if own and row["latency_predicted_ms"] is not None],
        "profile_spread": sum(r.spread for r in measured.rows) / len(measured.rows),
        "finalists": best,
        "rank": {"tau": rank_agreement(best)},
        "seconds": seconds,
    }


def machine_facts(run: Run, profiled: Device) -> dict[str, Any]:
    """The machine at hand, where models were trained and timed; and that of the profile, if it is another."""
    here = same_here(run, profiled)
    facts = {"name": here.name, "processor": here.processor, "cores": here.logical_cores, "system": platform.platform()}
    if here.words != this_machine().words:
        facts["latency measured with"] = here.words
    if profiled.estimated:
        facts["estimated for"] = machine_words(profiled)
    elif replace(profiled, name=here.name) != here:
        facts["profile measured on"] = (f"{profiled.name}, {profiled.processor}, {profiled.logical_cores} cores, "
                                        f"onnxruntime {profiled.onnxruntime}")
    return facts


def same_here(run: Run, profiled: Device) -> Device:
    """The profile's runtime and threads on this machine; its plainest device if the profile's is estimated."""
    if profiled.estimated:
        return this_machine()
    runtime = profiled.runtime if profiled.runtime in {device.runtime for device in at_hand()} else "onnxruntime"
    here = this_machine(run.device, profiled.threads, runtime)
    gpu = next((device.processor for device in at_hand() if device.runtime == runtime == "torch-cuda"), here.processor)
    return replace(here, processor=gpu)


def out_of_sample(predictor: LatencyPredictor, rows: Sequence[Row]) -> list[float]:
    """Latencies that predictors like this one give for rows that they were not fitted on: 5 folds, or one each."""
    if len(rows) < 2:
        return []
    folds = KFold(min(5, len(rows)), shuffle=True, random_state=0)
    encoded = np.stack([predictor.space.encode(row.arch) for row in rows])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Extrapolation)  # a fold may hold the largest
        return cross_val_predict(predictor, encoded, [row.latency_ms for row in rows], cv=folds).tolist()


def rank_agreement(finalists: list[dict]) -> float | None:
    """Kendall's tau between the search's score and the error rate from scratch.

    None for two finalists or fewer, and where all are equal in one of the two.
    """
    if len(finalists) < 3:
        return None
    tau = float(kendalltau([f["score"] for f in finalists], [f["wer"] for f in finalists]).statistic)
    return tau if math.isfinite(tau) else None


def pareto_ids(trials: Sequence[Trial]) -> list[str]:
    """Ids of the trials that no other beats in both score and predicted latency."""
    return [trials[i].arch.id for i in pareto_front([(t.values[0], t.parts["latency_ms"]) for t in trials])]


def write_candidates(path: Path, rows: list[dict]) -> None:
    """candidates.csv: one line for each network that was trained from scratch."""
    keys = [key for key in rows[0] if key != "arch"]
    text = io.StringIO()
    writer = csv.DictWriter(text, keys, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def winner_record(run: Run, limits: Limits, row: dict) -> dict[str, Any]:
    """winner.json: what was found. Only what the seed and the profile decide, no clock readings."""
    corpus = open_speech(run.source).corpus
    latency = "latency_estimated_ms" if "latency_estimated_ms" in row else "latency_predicted_ms"
    keys = ("id", "parameters", "macs", latency, "valid_wer", "wer", "wer_low", "wer_high", "wer_unit")
    return {
        "architecture": json.loads(row["arch"]), "seed": run.seed, "corpus": corpus.name,
        "fingerprint": corpus.fingerprint,
        "budget": run.budget.name, **{key: row[key] for key in keys},
        "limits": {latency.replace("predicted_", ""): limits.latency_ms, "bytes": limits.bytes,
                   "memory_bytes": limits.memory_bytes},
    }
