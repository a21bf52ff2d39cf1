"""DARTS pushed into collapse on the built-in speech, and what early stopping, a helper skip and perturbation change."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from ..files import read_json, write_json
from ..jobs import Workers
from ..oneshot import AuxiliarySkip, DartsStep, EarlyStopping, MixedConformer, Perturbation, Sharpness
from ..oneshot import discretisation_gap as gap_of
from ..oneshot.collapse import Cure
from ..oneshot.mixture import filled, slots
from ..space import SKIP, Architecture, Block, Stage
from ..training import Batch, Recipe, train
from ..work import Source, open_speech, some_batches, train_alone

# Six places, each a skip, a short or a long convolution, or attention.
SKELETON = Architecture(4, (Stage(32, "conv", (SKIP,) * 6),), "swish", "layer", False, 8)
CANDIDATES = (SKIP, Block(3, 0, 2.0), Block(15, 0, 2.0), Block(0, 4, 2.0))
# Every fifth training utterance (160): the weights learn them by heart, and on other voices a skip is the safer bet.
# With every third, four of six places end as skips in a single trial, with every eighth, all six before step 160.
SOURCE, SAMPLE, SEEDS = Source("homecommands", None, "smoke"), 5, 3
SEARCH = Recipe(steps=400, batch=8, rate=1e-2)  # long: after 200 steps the training loss hardly falls
ALPHA_RATE, EVERY, LOOKED_AT = 0.03, 10, 32  # a look at the eigenvalue each 10 steps, on 32 validation utterances
SCRATCH_STEPS = 600  # on all training speech
COLLAPSED = 0.5  # a search counts as collapsed if more than this share of the places become skips

WAYS: dict[str, Callable[[Sequence[Batch], int], tuple[Cure, ...]]] = {
    "plain": lambda batches, seed: (Sharpness(batches, EVERY),),
    "early stopping": lambda batches, seed: (EarlyStopping(batches, EVERY),),
    "auxiliary skip": lambda batches, seed: (AuxiliarySkip(), Sharpness(batches, EVERY)),
    "perturbation": lambda batches, seed: (Perturbation(seed=seed), Sharpness(batches, EVERY)),
}


def collapse_and_cures(out: Path, count: int) -> dict[str, Any]:
    """DARTS pushed into collapse, and three cures: eigenvalue, share of skips, gap, error rate from scratch."""
    with Workers(count) as workers:
        jobs = {(way, seed): workers.submit(search, way, seed, str(out)) for seed in range(SEEDS) for way in WAYS}
        workers.gather(list(jobs.values()))
        found = {key: job.result() for key, job in jobs.items()}
        found |= {("random", seed): drawn(seed) for seed in range(SEEDS)}
        truths = {}
        for (_, seed), row in found.items():
            place = str(out / f"{Architecture.from_json(row['arch']).id}-{seed}")
            if (row["arch"], seed) not in truths:
                truths[row["arch"], seed] = workers.submit(
                    train_alone, SOURCE, row["arch"], Recipe(steps=SCRATCH_STEPS, seed=seed), place)
        workers.gather(list(truths.values()))
    for (_, seed), row in found.items():
        row["wer"] = truths[row["arch"], seed].result()["test"]["wer"]
    ways = {way: summed_up([found[way, seed] for seed in range(SEEDS)]) for way in (*WAYS, "random")}
    print(*table(ways), sep="\n")
    return {"settings": settings(), "scratch_steps": SCRATCH_STEPS, "collapsed_above": COLLAPSED, "ways": ways}


def settings() -> dict[str, Any]:
    """All that decides a search but its seed and its cures."""
    return {"source": asdict(SOURCE), "sample": SAMPLE, "recipe": asdict(SEARCH), "alpha_rate": ALPHA_RATE,
            "every": EVERY, "looked_at": LOOKED_AT, "skeleton": SKELETON.to_json(),
            "candidates": [asdict(block) for block in CANDIDATES]}


def search(way: str, seed: int, folder: str) -> dict[str, Any]:
    """One search, first order. The same search, finished in `folder`, is not done again."""
    path = Path(folder) / f"{way.replace(' ', '-')}-{seed}.json"
    key = {"way": way, "seed": seed, **settings()}
    known = read_json(path)
    if known is None or known["key"] != key:
        known = {"key": key, **searched(way, seed)}
        write_json(path, known)
    return {name: value for name, value in known.items() if name != "key"}


def searched(way: str, seed: int) -> dict[str, Any]:
    """Search, looking at the eigenvalue on the way; at the end measure the gap on the speech that alpha learnt from."""
    start, speech = time.process_time(), open_speech(SOURCE)
    training, validation = speech.examples["train"], speech.examples["valid_weights"]
    torch.manual_seed(seed)
    network = MixedConformer(SKELETON, CANDIDATES, vocab_size=speech.tokenizer.vocab_size)
    cures = WAYS[way](some_batches(validation, LOOKED_AT, LOOKED_AT), seed)
    step = DartsStep(network, validation, alpha_rate=ALPHA_RATE, cures=cures)
    sample = training.subset(range(0, len(training), SAMPLE))
    recipe = Recipe(**asdict(SEARCH) | {"seed": seed})
    losses = train(network, sample, recipe, speech.frame_labels, step)
    gap = gap_of(network, some_batches(validation, len(validation), 50))
    watch = cures[-1]
    return {
        "arch": network.derive().to_json(), "kept": network.kept(), "seconds": time.process_time() - start,
        "eigenvalues": [[at, round(value, 4)] for at, value in watch.values.items()],
        "skip_weight": [round(float(weights[:, 0].mean()), 4) for weights in step.history[EVERY - 1 :: EVERY]],
        "went_back_to": getattr(watch, "went_back_to", None),
        "train_loss": statistics.fmean(parts["ctc"] for parts in losses[-20:]),
        "mixed_loss": gap.mixed, "discrete_loss": gap.discrete, "gap": gap.gap,
    }  # fmt: skip


def drawn(seed: int) -> dict[str, Any]:
    """An architecture drawn at random: what any search has to beat."""
    blocks = random.Random(f"collapse {seed}").choices(CANDIDATES, k=slots(SKELETON))
    arch = filled(SKELETON, blocks)
    return {"arch": arch.to_json(), "kept": {"skip": blocks.count(SKIP) / len(blocks)}}


def summed_up(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The seeds of one way together."""
    skips = [row["kept"].get("skip", 0.0) for row in rows]
    sums: dict[str, Any] = {"skips": statistics.fmean(skips), "wer": statistics.fmean(row["wer"] for row in rows)}
    if "gap" in rows[0]:
        sums |= {"collapse_rate": statistics.fmean(share > COLLAPSED for share in skips),
                 "gap": statistics.fmean(row["gap"] for row in rows),
                 "eigenvalue_first": statistics.fmean(ends(row)[0] for row in rows),
                 "eigenvalue_last": statistics.fmean(ends(row)[1] for row in rows)}  # fmt: skip
    return {**sums, "seeds": rows}


def ends(row: dict[str, Any]) -> tuple[float, float]:
    """Mean size of the first five eigenvalues and of the last five."""
    sizes = [abs(value) for _, value in row["eigenvalues"]]
    return statistics.fmean(sizes[:5]), statistics.fmean(sizes[-5:])


def table(ways: dict[str, dict[str, Any]]) -> list[str]:
    """The sums as lines of text."""
    columns = {"collapse_rate": ("collapsed", ".0%"), "skips": ("skips", ".0%"), "gap": ("gap, nats", ".2f"),
               "eigenvalue_first": ("eigenvalue first", ".2f"), "eigenvalue_last": ("last", ".2f"),
               "wer": ("WER from scratch", ".1%")}  # fmt: skip
    lines = ["way             " + "".join(f"  {head}" for head, _ in columns.values()) + "  of each seed"]
    for way, sums in ways.items():
        cells = [f"{sums[name]:{form}}" if name in sums else "-" for name, (_, form) in columns.items()]
        heads = [head for head, _ in columns.values()]
        row = "".join(f"  {cell:>{len(head)}}" for cell, head in zip(cells, heads, strict=True))
        lines.append(f"{way:16}{row}  " + ", ".join(f"{seed['wer']:.1%}" for seed in sums["seeds"]))
    return lines
