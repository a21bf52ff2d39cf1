"""DARTS on the table's spaces: a few real searches, whose finds are looked up in the table.

The other strategies ask the table thousands of times for nothing. DARTS trains weights of its own, so that here it has
a handful of seeds, and its cost is what its processor time would have bought in full trainings.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ..files import read_json, write_json
from ..jobs import Workers, tick
from ..oneshot import DartsStep, MixedCellNetwork, MixedConformer
from ..space import SKIP, Architecture, Stage, from_json
from ..training.loop import train
from ..work import Speech, fresh, open_speech
from .build import RECIPES, SOURCE, STEPS, train_once
from .spaces import SPACES, members
from .table import HERE, Table

SEEDS = 5
SEARCH_STEPS = 405  # half of a full training's, each of them many times as dear
# Only blocks are mixed. The frames are halved at the second stage's entry, in the middle of where they may be.
SKELETON = Architecture(4, tuple(Stage(64, reduction, (SKIP,)) for reduction in ("none", "pool", "none")),
                        "swish", "batch", False, 8)  # fmt: skip


def mixture(kind: str, speech: Speech, seed: int) -> MixedConformer | MixedCellNetwork:
    """The network that holds every choice of the space at once."""
    sizes = {"input_dim": speech.examples["train"].features[0].shape[1], "vocab_size": speech.tokenizer.vocab_size}
    torch.manual_seed(seed)
    space = SPACES[kind]()
    return MixedCellNetwork(space, **sizes) if kind == "cell" else MixedConformer(SKELETON, space.blocks(), **sizes)


def darts_once(kind: str, seed: int, place: str) -> dict[str, Any]:
    """One search, first order: what it derived, and its cost in full trainings of this space. A job for a worker."""
    found = read_json(Path(place))
    if found is None:
        speech, recipe = open_speech(SOURCE), replace(RECIPES[kind], seed=seed)
        full = seconds(lambda: train(fresh(members(kind)[seed].to_json(), speech, seed), speech.examples["train"],
                                     replace(recipe, steps=90), speech.frame_labels)) * STEPS[-1] / 90  # fmt: skip
        network = mixture(kind, speech, seed)
        step = DartsStep(network, speech.examples["valid_weights"], alpha_rate=0.01)
        spent = seconds(lambda: train(network, speech.examples["train"], replace(recipe, steps=SEARCH_STEPS),
                                      speech.frame_labels, step))  # fmt: skip
        arch = SPACES[kind]().canonical(network.derive())
        found = {"arch": arch.to_json(), "id": arch.id, "cost": spent / full, "kept": network.kept()}
        write_json(Path(place), found)
    tick(1.0)
    return found


def seconds(work: Any) -> float:
    """Processor seconds of this process."""
    start = time.process_time()
    work()
    return time.process_time() - start


def darts_on_table(out: Path, count: int, folder: Path = HERE) -> dict[str, Any]:
    """SEEDS searches by DARTS in each space of the table: cost in full trainings, regrets as in `compare`.

    What was derived and is not in the table is trained by the table's recipe, seed 0.
    """
    out.mkdir(parents=True, exist_ok=True)
    tables = {kind: Table.open(kind, folder) for kind in SPACES}
    with Workers(count) as workers:
        jobs = {(kind, seed): workers.submit(darts_once, kind, seed, str(out / f"{kind}-{seed}.json"))
                for kind in SPACES for seed in range(SEEDS)}  # fmt: skip
        workers.gather(list(jobs.values()))
        found = {key: from_json(job.result()["arch"]) for key, job in jobs.items()}
        missing = {(kind, arch) for (kind, _), arch in found.items() if arch not in tables[kind]}
        trained = {key: workers.submit(train_once, key[0], key[1].to_json(), 0, str(out)) for key in missing}
        workers.gather(list(trained.values()))
    told: dict[str, Any] = {}
    for kind, table in tables.items():
        rows = [jobs[kind, seed].result() for seed in range(SEEDS)]
        for seed, row in enumerate(rows):
            arch = found[kind, seed]
            if arch in table:
                valid, test = table[arch].wer(), table[arch].truth
            else:
                run = read_json(Path(trained[kind, arch].result()))
                valid, test = run["valid_wer"][-1], run["test_wer"]
            row["valid"] = valid - table.best.wer()
            row["test"] = test - float(table.column("truth").min())
        told[kind] = {"search_steps": SEARCH_STEPS, "seeds": rows}
    return told
