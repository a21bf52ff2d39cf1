"""What the table knows of an architecture besides its trainings: costs, indicators, losses in a supernet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ..files import read_json, write_json
from ..hardware import Profile, profile
from ..jobs import Workers, tick
from ..oneshot import CellSupernet, Supernet, one_path
from ..space import counts, from_json
from ..training.batches import collate
from ..training.indicators import INDICATORS, score
from ..training.loop import train
from ..training.recipe import Recipe
from ..work import VALIDATION, fresh, open_speech, path_losses, some_batches
from .build import SOURCE
from .spaces import SPACES

DRAM, ARITHMETIC = 160e-12, 4.6e-12  # joules for a byte from memory, for a float multiply-add: Horowitz, 2014, 45 nm
SHARED = Recipe(steps=4860, batch=8, rate=4e-3, flat_start=0.2)  # a supernet's training: as many steps as six networks'
SUPERNETS = 3  # seeds
CHUNK = 40  # architectures a job


def energy_estimated(macs: int, weights: int) -> float:
    """Microjoules of one pass, estimated: every multiply-add, and every int8 weight fetched once from memory (M.
    Horowitz, "Computing's energy problem", ISSCC 2014). No measurement.
    """
    return 1e6 * (ARITHMETIC * macs + DRAM * weights)


def latencies(archs: list[Any], out: Path, kind: str) -> Profile:
    """Milliseconds of each architecture's encoder on this machine: ONNX Runtime, one thread, two seconds of speech."""
    vocabulary = open_speech(SOURCE).tokenizer.vocab_size
    return profile(archs, vocab_size=vocabulary, progress=False, partial=out / f"{kind}-1.json")


def indicate(archs: list[str], place: str) -> str:
    """Every indicator of these architectures' fresh weights, seed 0, on one batch of training speech. A job."""
    if read_json(Path(place)) is None:
        speech = open_speech(SOURCE)
        examples = speech.examples["train"]
        batch = collate(examples, list(range(8)))
        rows = {from_json(arch).id: score(fresh(arch, speech, 0), batch) for arch in archs}
        write_json(Path(place), rows)
    tick(len(archs))
    return place


def supernet_losses(kind: str, archs: list[str], seed: int, place: str) -> str:
    """Train a supernet of the space path by path, then the validation loss of each architecture in it. A job."""
    if read_json(Path(place)) is None:
        speech = open_speech(SOURCE)
        space = SPACES[kind]()
        sizes = {"input_dim": speech.examples["train"].features[0].shape[1], "vocab_size": speech.tokenizer.vocab_size}
        torch.manual_seed(seed)
        supernet = (CellSupernet if kind == "cell" else Supernet)(space, **sizes)
        recipe = Recipe(**{**vars(SHARED), "seed": seed})
        train(supernet, speech.examples["train"], recipe, speech.frame_labels, one_path,
              checkpoint=Path(place).with_suffix(".pt"))  # fmt: skip
        calibration = some_batches(speech.examples["train"], 16, 16)
        batches = some_batches(speech.examples["valid"], 4 * VALIDATION, 48)
        losses = path_losses(supernet.eval(), [from_json(arch) for arch in archs], calibration, batches)
        write_json(Path(place), {from_json(arch).id: loss for arch, loss in zip(archs, losses, strict=True)})
        Path(place).with_suffix(".pt").unlink(missing_ok=True)
    tick(len(archs))
    return place


def gather(kind: str, archs: list[Any], out: Path, count: int) -> dict[str, Any]:
    """All facts of a space, {"facts": {id: {name: number}}, ...}, and the device. Work that lies in `out` is kept."""
    folder = out / "facts"
    folder.mkdir(parents=True, exist_ok=True)
    timed = latencies(archs, folder, kind)
    texts = [arch.to_json() for arch in archs]
    with Workers(count) as workers:
        shared = [workers.submit(supernet_losses, kind, texts, seed, str(folder / f"{kind}-oneshot-{seed}.json"))
                  for seed in range(SUPERNETS)]  # fmt: skip
        fresh_ones = [workers.submit(indicate, texts[start : start + CHUNK], str(folder / f"{kind}-zero-{start}.json"))
                      for start in range(0, len(texts), CHUNK)]  # fmt: skip
        workers.gather([*shared, *fresh_ones])
    zero = {id: row for job in fresh_ones for id, row in read_json(Path(job.result())).items()}
    losses = [read_json(Path(job.result())) for job in shared]
    vocabulary = open_speech(SOURCE).tokenizer.vocab_size
    milliseconds = {row.arch.id: row.latency_ms for row in timed.rows}
    facts = {}
    for arch in archs:
        total = counts(arch, vocab_size=vocabulary)
        facts[arch.id] = {
            "latency_ms": round(milliseconds[arch.id], 4),
            "energy_uj_estimated": round(energy_estimated(total.macs, total.parameters), 3),
            **{f"zero_{name}": zero[arch.id][name] for name in INDICATORS},
            **{f"oneshot_{seed}": found[arch.id] for seed, found in enumerate(losses)},
        }
    return {"facts": facts, "device": timed.device.to_dict(), "warnings": list(timed.warnings)}
