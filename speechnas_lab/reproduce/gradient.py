"""DARTS on the built-in speech: beside random search and evolution at equal cost, and lambda walked along the front."""

from __future__ import annotations

import random
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..hardware import LatencyPredictor, LatencyTable, latency_penalty, profile
from ..jobs import Workers
from ..models import build
from ..oneshot import DartsStep, MixedConformer
from ..search import RandomSearch, RegularizedEvolution, Strategy
from ..space import PRESETS, SKIP, Architecture, MobileConformerSpace, Stage
from ..training import BatchPlan, Recipe, collate, train
from ..training.losses import ctc_loss, mean_of_finite
from ..work import Source, Speech, open_speech, train_alone
from .common import STANDARD, kept, speech_source

# Six slots, each a skip, a short or a long convolution, attention, or attention with either: 46,656 architectures.
SPACE = MobileConformerSpace(choices=replace(
    PRESETS["laptop"], widths=(64,), kernels=(0, 3, 15), heads=(0, 4), expansions=(2.0,), reductions=("none",),
    activations=("swish",), norms=("layer",),
))  # fmt: skip
SKELETON = Architecture(4, (Stage(64, "none", (SKIP, SKIP)),) * 3, "swish", "layer", False, 8)
SEARCH_STEPS, PROXY_STEPS, SEEDS = 500, 200, 3
LAMBDAS = (0.0, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # loss (nats a word) for a millisecond


def darts_against_others(out: Path, count: int) -> dict[str, Any]:
    """DARTS, random search and evolution at equal cost, three seeds, blind test set."""
    source, found = speech_source(), {}
    with Workers(count) as workers:
        jobs = {seed: workers.submit(search_each_way, source, seed, str(out)) for seed in range(SEEDS)}
        workers.gather(list(jobs.values()))
        picks = {seed: job.result() for seed, job in jobs.items()}
        names = {(way, seed): pick["arch"] for seed, rows in picks.items() for way, pick in rows.items()}
        truths = {}
        for (_, seed), arch in names.items():
            place = str(out / f"{Architecture.from_json(arch).id}-{seed}")
            if (arch, seed) not in truths:
                recipe = Recipe(steps=STANDARD.scratch_steps, seed=seed)
                truths[arch, seed] = workers.submit(train_alone, source, arch, recipe, place)
        workers.gather(list(truths.values()))
    for way in picks[0]:
        rows = [{**picks[seed][way], "wer": truths[names[way, seed], seed].result()["test"]["wer"]}
                for seed in range(SEEDS)]
        found[way] = {"wer": statistics.mean(row["wer"] for row in rows), "seeds": rows}
    return {"search_steps": SEARCH_STEPS, "proxy_steps": PROXY_STEPS, "space": SPACE.cardinality(), "ways": found}


def search_each_way(source: Source, seed: int, folder: str) -> dict[str, dict[str, Any]]:
    """Each strategy's choice for one seed. Random search and evolution may spend what DARTS took."""
    speech, place = open_speech(source), Path(folder)
    found = {"darts": kept(place / f"darts-{seed}.json", by_gradient, speech, seed)}
    seconds = found["darts"]["seconds"]
    for name, strategy in (("random", RandomSearch(SPACE, seed)), ("evolution", RegularizedEvolution(
            SPACE, seed, population=6, children=1, tournament=3, lifetime=12))):
        found[name] = kept(place / f"{name}-{seed}.json", by_trials, speech, strategy, seconds, seed)
    return found


def by_gradient(speech: Speech, seed: int) -> dict[str, Any]:
    """Search by DARTS, first order; processor seconds of this process are its cost."""
    start = time.process_time()
    network = mixture(speech, seed)
    step = DartsStep(network, speech.examples["valid_weights"], alpha_rate=0.01)
    recipe = Recipe(steps=SEARCH_STEPS, seed=seed)
    train(network, speech.examples["train"], recipe, speech.frame_labels, step)
    weights = [[round(w, 4) for w in slot.tolist()] for slot in step.history[-1]]
    return {"arch": network.derive().to_json(), "seconds": time.process_time() - start, "kept": network.kept(),
            "weights": weights}


def by_trials(speech: Speech, strategy: Strategy, seconds: float, seed: int) -> dict[str, Any]:
    """Search by trials: each architecture trained shortly; what is spent is counted like DARTS's."""
    start, longest = time.process_time(), 0.0
    while time.process_time() - start + longest < seconds:
        began = time.process_time()
        trial = strategy.ask()
        strategy.tell(trial, proxy(speech, trial.arch, seed))
        longest = max(longest, time.process_time() - began)
    best = min((t for t in strategy.trials if t.state == "done"), key=lambda t: (t.values, t.number))
    return {"arch": best.arch.to_json(), "seconds": time.process_time() - start, "trials": len(strategy.trials),
            "proxy_loss": best.values[0]}


def proxy(speech: Speech, arch: Architecture, seed: int) -> float:
    """Validation loss after a short training from scratch, on the speech that DARTS moves its alphas by."""
    torch.manual_seed(seed)
    network = build(arch, vocab_size=speech.tokenizer.vocab_size)
    train(network, speech.examples["train"], Recipe(steps=PROXY_STEPS, seed=seed), speech.frame_labels)
    return validation_loss(network, speech)


@torch.no_grad()
def validation_loss(network: torch.nn.Module, speech: Speech, batches: int = 16) -> float:
    """Mean CTC loss, nats a word, on some batches of the validation speech for weights."""
    examples, losses = speech.examples["valid_weights"], []
    plan = BatchPlan(examples, 16, 0)
    for step in range(min(batches, plan.per_epoch)):
        batch = collate(examples, plan(step))
        logits, lengths = network(batch.features, batch.lengths)
        losses.append(ctc_loss(logits, lengths, batch))
    return mean_of_finite(torch.cat(losses))


def mixture(speech: Speech, seed: int) -> MixedConformer:
    """The undecided network of the space."""
    torch.manual_seed(seed)
    return MixedConformer(SKELETON, SPACE.blocks(), vocab_size=speech.tokenizer.vocab_size)


def lambda_walk(out: Path, count: int) -> dict[str, Any]:
    """Lambda from 0 upwards: expected and derived latency, loss, error rate from scratch; three seeds."""
    source, rng = speech_source(), random.Random("lambda")
    archs = list({SPACE.canonical(SPACE.sample(rng)): None for _ in range(80)})
    latencies = kept(out / "profile.json", lambda: [float(ms) for ms in profile(archs, progress=False).latencies])
    predictor = LatencyPredictor("lookup", space=SPACE).fit(archs, latencies)
    table = LatencyTable.of(predictor.predict, SKELETON, SPACE.blocks())
    with Workers(count) as workers:
        jobs = [workers.submit(walk, source, seed, table, str(out)) for seed in range(SEEDS)]
        workers.gather(jobs)
        walks = [job.result() for job in jobs]
        chosen = {(row["arch"], seed) for seed, rows in enumerate(walks) for row in rows}
        truths = {(arch, seed): workers.submit(
            train_alone, source, arch, Recipe(steps=STANDARD.scratch_steps, seed=seed),
            str(out / f"{Architecture.from_json(arch).id}-{seed}")) for arch, seed in sorted(chosen)}
        workers.gather(list(truths.values()))
    derived = [Architecture.from_json(arch) for arch in sorted({arch for arch, _ in chosen})]
    measured = dict(zip([arch.to_json() for arch in derived], profile(derived, progress=False).latencies, strict=True))
    rows = []
    for number, weight in enumerate(LAMBDAS):
        at = [{**walks[seed][number], "measured_ms": float(measured[walks[seed][number]["arch"]]),
               "wer": truths[walks[seed][number]["arch"], seed].result()["test"]["wer"]} for seed in range(SEEDS)]
        means = {key: statistics.mean(row[key] for row in at)
                 for key in ("expected_ms", "derived_ms", "measured_ms", "mixed_loss", "wer")}
        rows.append({"lambda": weight, **means, "seeds": at})
    return {"rows": rows, "fixed_ms": table.fixed, "table_ms": [list(row) for row in table.slots],
            "candidates": [vars(block) for block in SPACE.blocks()]}


def walk(source: Source, seed: int, table: LatencyTable, folder: str) -> list[dict[str, Any]]:
    """All lambdas of one seed, each from the same warmed-up weights."""
    speech, place = open_speech(source), Path(folder)
    network = mixture(speech, seed)
    warm = DartsStep(network, speech.examples["valid_weights"], warmup=1.0)
    train(network, speech.examples["train"], Recipe(steps=400, seed=seed), speech.frame_labels, warm,
          checkpoint=place / f"warm-{seed}.pt")  # fmt: skip
    start = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    return [kept(place / f"walk-{seed}-{weight:g}.json", one_lambda, speech, start, seed, weight, table)
            for weight in LAMBDAS]


def one_lambda(speech: Speech, start: dict, seed: int, weight: float, table: LatencyTable) -> dict[str, Any]:
    """DARTS from the warmed-up weights, with lambda times the expected latency above the least possible one."""
    network = mixture(speech, seed)
    network.load_state_dict(start)
    least = table.fixed + sum(map(min, table.slots))

    def penalty(alphas: list[Tensor]) -> Tensor:
        return latency_penalty(table.expected(alphas), least, weight, one_sided=True)

    step = DartsStep(network, speech.examples["valid_weights"], alpha_rate=0.03, warmup=0.0, penalty=penalty)
    recipe = Recipe(steps=200, rate=1e-3, warmup=0.02, flat_start=0.0, seed=seed)
    train(network, speech.examples["train"], recipe, speech.frame_labels, step)
    arch = network.derive()
    picked = [table.slots[s][slot.choice()] for s, slot in enumerate(network.mixed)]
    return {"arch": arch.to_json(), "expected_ms": float(table.expected(network.alphas).detach()),
            "derived_ms": table.fixed + sum(picked), "mixed_loss": validation_loss(network, speech),
            "kept": network.kept()}
