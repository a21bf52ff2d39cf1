"""Streams: what causality costs in words, by how much of the past is kept and how long a chunk is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..files import read_json, write_json
from ..hardware import export_step, this_machine
from ..hardware.streaming.cost import algorithmic_latency_ms
from ..hardware.streaming.graph import carried_bytes
from ..jobs import Workers
from ..models import Plan, StreamSettings, build, build_streaming
from ..results import model_facts
from ..space import Architecture
from ..speech import error_counts
from ..training import Recipe, evaluate, train
from ..work import Source, open_speech, told, write_weights
from .common import random_archs, speech_source
from .searches import both_ways
from .streaming_time import cuts, fewer_bits, hour, keeps_up, times

STEPS, SEEDS = 800, 3
WHOLE, MAIN = "whole utterance", "40 ms, 1.28 s of past"
FORMS: dict[str, StreamSettings | None] = {  # of the main network
    WHOLE: None,
    MAIN: StreamSettings(4, 128),
    "40 ms, no past in attention": StreamSettings(4, 0),
    "40 ms, 0.32 s of past": StreamSettings(4, 32),
    "320 ms, 1.28 s of past": StreamSettings(32, 128),
}


def streams(out: Path, count: int) -> dict[str, Any]:
    """A found network as a stream: error rate by left context, time per step, memory, a search that keeps up."""
    source, archs = speech_source(), [winner(), *random_archs(1, 11)]
    runs = [(archs[0], form, 0) for form in FORMS]
    runs += [(archs[0], form, seed) for seed in range(1, SEEDS) for form in (WHOLE, MAIN)]
    runs += [(arch, form, 0) for arch in archs[1:] for form in (WHOLE, MAIN)]
    with Workers(count) as workers:
        jobs = [
            workers.submit(train_form, source, arch.to_json(), form, STEPS, seed, str(out / place(arch, form, seed)))
            for arch, form, seed in runs
        ]
        workers.gather(jobs)
    heard = {(arch.id, form, seed): job.result() for (arch, form, seed), job in zip(runs, jobs, strict=True)}
    models = {form: out / place(archs[0], form, 0) / "step.onnx" for form in FORMS if FORMS[form]}
    return {"steps": STEPS, "architectures": [arch.id for arch in archs],
            "error": errors(source, archs, heard), "time": times(source, models),
            "int8": fewer_bits(source, models[MAIN]),
            "cuts": cuts(source, models[MAIN]), "hour": hour(source, models[MAIN]), "search": keeps_up(),
            "device": this_machine().to_dict()}  # fmt: skip


def winner() -> Architecture:
    """The winner of the standard search, as it was measured."""
    text = (Path(__file__).parents[1] / "measured" / "search-winner.json").read_text(encoding="utf-8")
    return Architecture.from_json(json.dumps(json.loads(text)["architecture"]))


def place(arch: Architecture, form: str, seed: int) -> str:
    return f"{arch.id}-{form.replace(' ', '-').replace(',', '')}-{seed}"


def make(arch: Architecture, form: str, labels: int) -> torch.nn.Module:
    """The network in this form, fresh."""
    settings = FORMS[form]
    return build(arch, vocab_size=labels) if settings is None else build_streaming(arch, settings, vocab_size=labels)


def train_form(source: Source, arch: str, form: str, steps: int, seed: int, folder: str) -> dict[str, Any]:
    """Train one form by the one recipe; what it hears on the test voices. Finished work is not done again."""
    done = Path(folder) / "result.json"
    if known := read_json(done):
        return known
    speech = open_speech(source)
    torch.manual_seed(seed)
    network = make(Architecture.from_json(arch), form, speech.tokenizer.vocab_size)
    recipe = Recipe(steps=steps, seed=seed).sized(sum(p.numel() for p in network.parameters()))
    train(network, speech.examples["train"], recipe, speech.frame_labels, checkpoint=Path(folder) / "checkpoint.pt")
    found = {split: told(evaluate(network, speech.examples[split], speech.tokenizer)) for split in ("valid", "test")}
    write_weights(Path(folder) / "weights.pt", network)
    if FORMS[form] is not None:
        found["largest_error"] = export_step(network, Path(folder) / "step.onnx", model_facts(speech))
    write_json(done, found)
    return found


def errors(source: Source, archs: list[Architecture], heard: dict) -> dict[str, Any]:
    """Test error rates of every form, and each form minus the whole-utterance form with a paired interval.

    Over seeds and speakers where there are several seeds, else over speakers.
    """
    test = open_speech(source).examples["test"]
    words, found = np.array([len(text.split()) for text in test.texts]), {}
    for arch in archs:
        rows = {}
        for form in FORMS:
            seeds = [seed for name, other, seed in sorted(heard) if (name, other) == (arch.id, form)]
            if not seeds:
                continue
            runs, base = ([heard[arch.id, name, seed] for seed in seeds] for name in (form, WHOLE))
            mistakes = [np.array([[e for e, _ in error_counts(test.texts, run["test"]["hypotheses"])] for run in group])
                        for group in (runs, base)]  # fmt: skip
            rates = [run["test"]["wer"] for run in runs]
            rows[form] = {"wer": float(np.mean(rates)), "wer_by_seed": rates,
                          "wer_low": runs[0]["test"]["low"], "wer_high": runs[0]["test"]["high"]}  # fmt: skip
            if form != WHOLE:
                low, high = both_ways(mistakes[0] - mistakes[1], words, test.speakers)
                gap = float(np.mean(rates) - np.mean([run["test"]["wer"] for run in base]))
                settings = FORMS[form]
                rows[form] |= {"minus_whole": {"value": gap, "low": low, "high": high},
                               "algorithmic_latency_ms": algorithmic_latency_ms(arch, settings),
                               "largest_error_of_export": max(run["largest_error"] for run in runs),
                               "state_bytes": carried_bytes(Plan(arch, settings))}  # fmt: skip
        found[arch.id] = rows
    return found
