"""Fewer bits: the found network as float32, float16 and int8, its errors bit by bit, with and without tuning."""

from __future__ import annotations

import copy
import json
import random
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from ..errors import BadInput
from ..files import read_json, write_json
from ..hardware import export_onnx, quantize_dynamic, quantize_static, session, store_half, stored_bytes
from ..jobs import Workers
from ..models import Recogniser
from ..results import hear, rtf_on_speech
from ..space import Architecture
from ..speech import error_counts, word_error_rate
from ..training import Recipe, Scheme, evaluate, fake_quantised, observe, tune_quantised
from ..training.qat import TUNING
from ..work import Source, Speech, fresh, load_weights, open_speech, train_alone, trained, write_weights
from .common import STANDARD, speech_source
from .searches import both_ways

SEEDS, BITS = (0, 1, 2), (8, 6, 4, 3)
CLIPS = (1, 12, 64)  # training utterances that calibrate; the last makes the static file
HERE = Path(__file__).parents[1] / "measured" / "search-winner.json"
FILES = ("fp32", "fp16", "int8 dynamic", "int8 static", "fp32 tuned", "fp32 tuned, int8", "int8 aware")


def fewer_bits(out: Path, count: int, search: Path | None = None) -> dict[str, Any]:
    """The found network in fewer bits: bytes, WER, RTF, agreement with torch, and WER at 8, 6, 4 and 3 bits.

    Three seeds, blind test set; files hear each utterance alone, as on a device. search: the folder of a search whose
    winner is taken; left out, that of the measured one. All but the real-time factors is kept in `out`.
    """
    found = read_json(search / "winner.json" if search else HERE)
    if not found or "architecture" not in found:
        raise BadInput(f"there is no winner.json in {search}: give a folder that search wrote")
    source, name = speech_source(), Architecture.from_json(json.dumps(found["architecture"])).to_json()
    places = [str(out / f"{found['id']}-{seed}") for seed in SEEDS]
    with Workers(count) as workers:
        _, _, heard, by_bits = (
            workers.gather([workers.submit(work, source, name, place, seed)
                            for place, seed in zip(places, SEEDS, strict=True)])
            for work in (_train, _tune, _files, _bits))
    speech, first = open_speech(source), Path(places[0])
    speeds = rtf_on_speech({kind: session(first / _file(kind)) for kind in FILES}, speech)
    rows = {kind: _row(kind, heard, speech) | {"rtf": speeds[kind].rtf, "rtf_spread": speeds[kind].spread,
            "rtf_over_fp32": speeds[kind].rtf / speeds["fp32"].rtf} for kind in FILES}
    return {
        "winner": found["id"], "seeds": list(SEEDS), "tuning_steps": TUNING.steps, "files": rows,
        "stays_fp32": _left_in_float(first / _file("int8 dynamic")),
        "static_clips": {str(n): [run["clips"][str(n)] for run in heard] for n in CLIPS},
        "dynamic_in_batches_of_32": [run["batched"] for run in heard],
        "bits": {str(bits): {kind: [run[kind][str(bits)] for run in by_bits] for kind in by_bits[0]}
                 for bits in BITS},
    }


def _file(kind: str) -> str:
    return kind.replace(",", "").replace(" ", "-") + ".onnx"


def _train(source: Source, name: str, place: str, seed: int) -> dict[str, Any]:
    """The network from scratch."""
    return train_alone(source, name, Recipe(steps=STANDARD.scratch_steps, seed=seed), place)


def _tune(source: Source, name: str, place: str, seed: int) -> None:
    """The network tuned in float32, and aware of 8, 6, 4 and 3 bits."""
    for bits in (None, *BITS):
        path = _tuned(place, bits)
        if not path.exists():
            scheme = Scheme(bits, 8 if bits else None)
            train = open_speech(source).examples["train"]
            write_weights(path, tune_quantised(trained(source, name, place), train, replace(TUNING, seed=seed), scheme))


def _tuned(place: str, bits: int | None) -> Path:
    return Path(place) / f"tuned-{bits or 32}.pt"


def _load(source: Source, name: str, path: Path) -> Recogniser:
    return load_weights(fresh(name, open_speech(source), 0), path).eval()


def _files(source: Source, name: str, place: str, seed: int) -> dict[str, Any]:
    """All files of one seed: bytes, what they hear in the test set, and how often they hear what torch hears."""
    known = Path(place) / "files.json"
    if facts := read_json(known):
        return facts
    speech, paths = open_speech(source), {kind: Path(place) / _file(kind) for kind in FILES}
    plain, clips = trained(source, name, place), some_clips(speech)
    longer, aware = _load(source, name, _tuned(place, None)), _load(source, name, _tuned(place, 8))
    export_onnx(plain, paths["fp32"])
    store_half(paths["fp32"], paths["fp16"])
    quantize_dynamic(paths["fp32"], paths["int8 dynamic"])
    quantize_static(paths["fp32"], paths["int8 static"], [clip.numpy() for clip in clips])
    export_onnx(longer, paths["fp32 tuned"])
    quantize_dynamic(paths["fp32 tuned"], paths["fp32 tuned, int8"])
    export_onnx(aware, paths["int8 aware"])
    quantize_dynamic(paths["int8 aware"], paths["int8 aware"])
    twins = {"fp32": plain, "fp16": _halved(plain), "int8 dynamic": fake_quantised(plain),
             "int8 static": fake_quantised(plain, limits=observe(plain, clips)), "fp32 tuned": longer,
             "fp32 tuned, int8": fake_quantised(longer), "int8 aware": fake_quantised(aware)}
    facts: dict[str, Any] = {"clips": {}}
    for kind, path in paths.items():
        valid = evaluate(twins[kind], speech.examples["valid"], speech.tokenizer, 1).hypotheses
        facts[kind] = {"bytes": stored_bytes(path), "file_bytes": path.stat().st_size,
                       "test": hear(path, speech, "test", 1),
                       "words_agree": 1 - word_error_rate(valid, hear(path, speech, "valid", 1))}
    texts = speech.examples["test"].texts
    facts["batched"] = word_error_rate(texts, hear(paths["int8 dynamic"], speech, "test"))
    for number in CLIPS:
        other = quantize_static(paths["fp32"], Path(place) / "calibrated.onnx", [c.numpy() for c in clips[:number]])
        facts["clips"][str(number)] = word_error_rate(texts, hear(other, speech, "test", 1))
    write_json(known, facts)
    return facts


def some_clips(speech: Speech, count: int = max(CLIPS)) -> list[torch.Tensor]:
    """Features (T, F) of training utterances to calibrate with, the same each time."""
    train = speech.examples["train"]
    return [train.features[i].float() for i in random.Random(0).sample(range(len(train)), count)]


def _halved(network: Recogniser) -> Recogniser:
    """Matrices and filters rounded to float16, as `store_half` does."""
    own = copy.deepcopy(network)
    for weight in own.parameters():
        if weight.dim() > 1:
            weight.data = weight.data.half().float()
    return own


def _bits(source: Source, name: str, place: str, seed: int) -> dict[str, dict[str, float]]:
    """Test WER with weights of 8, 6, 4 and 3 bits, inputs of 8: one scale a matrix, one an output, tuned for it; and
    with inputs of as few bits as the weights. By batches of 64: the range of the inputs is theirs.
    """
    known = Path(place) / "bits.json"
    if facts := read_json(known):
        return facts
    speech, plain = open_speech(source), trained(source, name, place)

    def wer(network: Recogniser, scheme: Scheme) -> float:
        return evaluate(fake_quantised(network, scheme), speech.examples["test"], speech.tokenizer).wer

    facts = {
        "per tensor": {str(b): wer(plain, Scheme(b, 8, per_channel=False)) for b in BITS},
        "per channel": {str(b): wer(plain, Scheme(b, 8)) for b in BITS},
        "per channel, inputs too": {str(b): wer(plain, Scheme(b, b)) for b in BITS},
        "aware": {str(b): wer(_load(source, name, _tuned(place, b)), Scheme(b, 8)) for b in BITS},
    }
    write_json(known, facts)
    return facts


def _row(kind: str, runs: list[dict[str, Any]], speech: Speech) -> dict[str, Any]:
    """One kind of file over the seeds, and its errors less those of fp32: 95% interval over speakers and seeds."""
    test = speech.examples["test"]
    words = np.array([len(text.split()) for text in test.texts])
    errors = {k: np.array([[e for e, _ in error_counts(test.texts, run[k]["test"])] for run in runs])
              for k in ("fp32", kind)}
    low, high = both_ways(errors[kind] - errors["fp32"], words, test.speakers)
    rates = {k: (e.sum(1) / words.sum()).tolist() for k, e in errors.items()}
    size = runs[0][kind]["bytes"]
    return {"bytes": size, "file_bytes": runs[0][kind]["file_bytes"], "share_of_fp32": size / runs[0]["fp32"]["bytes"],
            "wer": statistics.mean(rates[kind]), "wer_by_seed": rates[kind],
            "minus_fp32": {"value": statistics.mean(rates[kind]) - statistics.mean(rates["fp32"]), "low": low,
                           "high": high},
            "words_agree": [run[kind]["words_agree"] for run in runs]}


def _left_in_float(path: Path) -> dict[str, int]:
    """Stored bytes of an int8 file: what is still float32, by kind, and the rest."""
    parts = {"int8 matrices": 0, "scales and zero points": 0, "filters": 0, "norms, biases, constants": 0}
    for tensor in onnx.load(path).graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        if tensor.name.endswith(("_scale", "_zero_point")):
            kind = "scales and zero points"
        elif array.dtype in (np.int8, np.uint8):
            kind = "int8 matrices"
        else:
            kind = "filters" if array.ndim > 2 and array.size > 1 else "norms, biases, constants"
        parts[kind] += array.nbytes
    return parts
