"""What might rank better than the supernet of a standard search, on the networks of `fidelity`: each with its tau.

The truth is that of measured/fidelity.json, trained once. Everything here is cheaper than it, and none is a reason to
trust a supernet more: the best of many tries on 24 networks is lucky, too.
"""

from __future__ import annotations

import statistics
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BadInput
from ..files import read_json
from ..jobs import Workers
from ..oneshot import fidelity
from ..space import Architecture
from ..steps import supernet_plan
from ..training import INDICATORS, Recipe, evaluate, train
from ..work import Source, fresh, open_speech, open_supernet, path_losses, some_batches, train_supernet
from .common import STANDARD, kept, random_archs, speech_source

TIMES = (1, 4)  # as many supernet steps as in a standard search, and more
MORE = 400  # utterances, in place of the 48 of a search
TUNED = (100, 200)  # steps from a path's own weights
RATE = 2e-3  # half of the rate from scratch


def what_was_tried(out: Path, count: int) -> dict[str, Any]:
    """Kendall's tau of a supernet trained longer, scored on more speech, tuned path by path, joined by indicators."""
    known = read_json(Path(str(files("speechnas_lab") / "measured" / "fidelity.json"))) or {}
    source, archs = speech_source(), random_archs(24, 2024)
    if known.get("architectures") != [arch.id for arch in archs]:
        raise BadInput("measured/fidelity.json is of other architectures: run `speechnas reproduce fidelity` first")
    truth = np.array(known["wer"])
    with Workers(count) as workers:
        jobs = [workers.submit(_supernet, source, times, out / f"supernet-{times}") for times in TIMES]
        more = workers.submit(_indicators, source, archs).result()
        workers.gather(jobs)
    scores = {f"{times}x {name}": values for times, job in zip(TIMES, jobs, strict=True)
              for name, values in job.result().items()}  # fmt: skip
    ranks = {name: np.argsort(np.argsort(values)) for name, values in {**more, **scores}.items()}
    first = ranks["1x path loss"]
    joined = {f"1x path loss and {name}, mean of the ranks": first + ranks[name] for name in more}
    told = {name: vars(fidelity(values, truth)) for name, values in {**scores, **more, **joined}.items()}
    return {"tau": told, "within_activation": _within(archs, scores["1x path loss"], truth)}


def _supernet(source: Source, times: int, folder: Path) -> dict[str, list[float]]:
    """Scores of each architecture by a supernet that was trained `times` as long as in a standard search."""
    recipe, rule = supernet_plan(replace(STANDARD, supernet_steps=times * STANDARD.supernet_steps), 0)
    folder.mkdir(parents=True, exist_ok=True)
    path = train_supernet(source, "laptop", recipe, rule, str(folder))
    supernet, calibration, batches = open_supernet(source, "laptop", path)
    speech, archs = open_speech(source), random_archs(24, 2024)
    valid = speech.examples["valid"]
    found = {"path loss": path_losses(supernet, archs, calibration, batches),
             f"path loss, {MORE} utterances": path_losses(supernet, archs, calibration, some_batches(valid, MORE, 48))}
    for steps in TUNED:
        found[f"WER after {steps} steps of tuning"] = kept(folder / f"tuned-{steps}.json", lambda steps=steps: [
            _tuned(supernet, arch, calibration, speech, steps) for arch in archs])  # fmt: skip
    return found


def _tuned(supernet: Any, arch: Architecture, calibration: list, speech: Any, steps: int) -> float:
    """Validation WER of one path's weights after a short training of their own."""
    supernet.activate(arch)
    supernet.calibrate(calibration)
    alone = supernet.extract(arch)
    train(alone, speech.examples["train"], Recipe(steps=steps, rate=RATE, flat_start=0.0), speech.frame_labels)
    return evaluate(alone.eval(), speech.examples["valid"], speech.tokenizer).interval().value


def _indicators(source: Source, archs: list[Architecture]) -> dict[str, list[float]]:
    """Lower is better: indicators of fresh weights, turned round."""
    speech = open_speech(source)
    batch = some_batches(speech.examples["train"], 16, 16)[0]
    return {name: [-INDICATORS[name](fresh(arch.to_json(), speech, 0), batch) for arch in archs]
            for name in ("parameters", "synflow", "naswot", "snip", "grad_norm", "jacob_cov")}  # fmt: skip


def _within(archs: list[Architecture], losses: list[float], truth: np.ndarray) -> dict[str, Any]:
    """Tau among the networks of one activation, and how far the supernet thinks the activations apart (in nats)."""
    from scipy.stats import kendalltau

    found = {}
    for activation in sorted({arch.activation for arch in archs}):
        those = np.array([arch.activation == activation for arch in archs])
        if those.sum() < 5:
            continue
        found[activation] = {
            "networks": int(those.sum()), "tau": float(kendalltau(np.array(losses)[those], truth.mean(1)[those])[0]),
            "seed_to_seed": float(kendalltau(*truth[those].T)[0]),
            "mean_loss": statistics.mean(np.array(losses)[those].tolist()), "mean_wer": float(truth[those].mean()),
        }  # fmt: skip
    return found
