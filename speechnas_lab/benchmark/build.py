"""How the table is made: every architecture from scratch, one process a core, resumable.

Every training is a file of its own in OUT/runs, written whole or not at all, so that a build that was killed goes on
where it was. The table is put together from them at the end.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..files import read_json, write_json
from ..jobs import Workers, tick
from ..space import counts as count_parts
from ..space import from_json, int8_bytes
from ..training.evaluation import evaluate
from ..training.loop import train
from ..training.recipe import Recipe
from ..work import Source, fresh, open_speech
from .spaces import members

SOURCE = Source("homecommands", None, "standard")
STEPS = (90, 270, 810)  # the fidelities, a third of each other: the same run, seen at these steps
RECIPES = {  # half the batch of a search's standard training; cells, which have no batch norm, learn from a higher rate
    "macro": Recipe(steps=STEPS[-1], batch=8), "cell": Recipe(steps=STEPS[-1], batch=8, rate=1e-2),
}
CURVE = 27  # points of the loss curve, each the mean of 30 steps
SEEDS, REPEATED = 3, 60  # architectures of each space that are trained with three seeds


def trainings(counts: dict[str, int]) -> list[tuple[str, str, int]]:
    """(space, architecture's JSON, seed) of every training, in the order in which they are done.

    counts: how many architectures of each space. The first REPEATED of each are trained again with other seeds.
    """
    first = [(kind, arch, 0) for kind, count in counts.items() for arch in members(kind)[:count]]
    again = [(kind, arch, seed) for seed in range(1, SEEDS) for kind, count in counts.items()
             for arch in members(kind)[: min(count, REPEATED)]]  # fmt: skip
    return [(kind, arch.to_json(), seed) for kind, arch, seed in first + again]


def train_once(kind: str, arch: str, seed: int, out: str) -> str:
    """Train one architecture, look at it at each fidelity, write the file; return its path. A job for a worker."""
    place = Path(out) / "runs" / f"{kind}-{from_json(arch).id}-{seed}.json"
    if read_json(place) is None:
        speech = open_speech(SOURCE)
        network = fresh(arch, speech, seed)
        wer, loss = [], []

        def look(step: int, parts: dict[str, float]) -> None:
            if step + 1 in STEPS:
                heard = evaluate(network, speech.examples["valid"], speech.tokenizer)
                wer.append(heard.wer)
                loss.append(heard.loss)

        recipe = replace(RECIPES[kind], seed=seed)
        history = train(network, speech.examples["train"], recipe, speech.frame_labels, tick=look)
        tested = evaluate(network, speech.examples["test"], speech.tokenizer)
        curve = np.array([parts["ctc"] for parts in history]).reshape(CURVE, -1).mean(1)
        write_json(place, {"space": kind, "arch": arch, "seed": seed, "valid_wer": wer, "valid_loss": loss,
                           "test_wer": tested.wer, "train_loss": [round(float(x), 4) for x in curve]})
    tick(1.0)
    return str(place)


def train_all(out: Path, count: int, counts: dict[str, int]) -> list[Path]:
    """Do every training that is not done yet, with a bar that shows how long it will take."""
    from tqdm import tqdm

    wanted = trainings(counts)
    with tqdm(total=len(wanted), unit="training") as bar, Workers(count) as workers:
        jobs = [workers.submit(train_once, *one, str(out)) for one in wanted]
        return [Path(path) for path in workers.gather(jobs, bar.update)]


def build(out: Path, folder: Path, count: int, counts: dict[str, int]) -> None:
    """Train, measure, and write the table into `folder`. Work that lies in `out` is not done again."""
    from .facts import gather

    train_all(out, count, counts)
    for kind, some in counts.items():
        write(kind, members(kind)[:some], out, gather(kind, members(kind)[:some], out, count), folder)


def write(kind: str, archs: list[Any], out: Path, known: dict[str, Any], folder: Path) -> None:
    """The two Parquet files of a space, out of the trainings that lie in `out` and what `facts.gather` found."""
    import pyarrow as pa
    from pyarrow.parquet import write_table

    vocabulary = open_speech(SOURCE).tokenizer.vocab_size
    heads, runs = [], []
    for arch in archs:
        total = count_parts(arch, vocab_size=vocabulary)
        heads.append({"id": arch.id, "json": arch.to_json(), "parameters": total.parameters, "macs": total.macs,
                      "bytes_int8": int8_bytes(arch, vocab_size=vocabulary), **known["facts"][arch.id]})  # fmt: skip
        for seed in range(SEEDS):
            run = read_json(out / "runs" / f"{kind}-{arch.id}-{seed}.json")
            if run:
                columns = ("seed", "valid_wer", "valid_loss", "test_wer", "train_loss")
                runs.append({"id": arch.id, **{name: run[name] for name in columns}})
    made = {"command": "speechnas benchmark build", "source": asdict(SOURCE), "recipe": asdict(RECIPES[kind]),
            "steps": STEPS, "vocabulary": vocabulary, "device": known["device"], "warnings": known["warnings"]}
    whole = {"id": pa.string(), "json": pa.string(), "parameters": pa.int32(), "macs": pa.int64(),
             "bytes_int8": pa.int32()}  # fmt: skip
    types = pa.schema([(name, whole.get(name, pa.float32())) for name in heads[0]], {"made": json.dumps(made)})
    lists = {"valid_wer": len(STEPS), "valid_loss": len(STEPS), "train_loss": CURVE}
    kinds = {"id": pa.string(), "seed": pa.int8(), "test_wer": pa.float32()}
    seen = pa.schema([(name, kinds.get(name) or pa.list_(pa.float32(), lists[name])) for name in runs[0]])
    folder.mkdir(parents=True, exist_ok=True)
    for part, rows, schema in (("", heads, types), ("-runs", runs, seen)):
        write_table(pa.Table.from_pylist(rows, schema=schema), folder / f"{kind}{part}.parquet", compression="zstd")
