"""The slow measurements that the README quotes, each made again by `speechnas reproduce NAME`."""

from __future__ import annotations

import json
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from .errors import BadInput
from .files import write_json
from .hardware import LatencyPredictor, profile
from .jobs import Workers
from .models import Recogniser, build
from .oneshot import Sandwich, Supernet, ceiling, fidelity, seed_to_seed
from .search import RegularizedEvolution, Trial, search
from .space import Architecture, MobileConformerSpace, counts
from .speech import error_counts
from .steps import BUDGETS, REFERENCE, score, supernet_plan
from .training import Batch, BatchPlan, FrameHead, Recipe, collate
from .training.loop import one_pass, tap_width
from .training.optimizer import AdamW
from .work import Source, open_speech, score_paths, train_alone, train_supernet

STANDARD = BUDGETS["standard"]


def speech_source() -> Source:
    """HomeCommands at standard size, as a search opens it."""
    from .pipeline import Settings, open_source
    from .steps import Limits

    return open_source(Settings("homecommands", None, "standard", 0, Limits()), STANDARD)


def random_archs(count: int, seed: int) -> list[Architecture]:
    """Different random architectures of the laptop space, canonical."""
    space, rng, found = MobileConformerSpace("laptop"), random.Random(seed), {}
    while len(found) < count:
        found[space.canonical(space.sample(rng))] = None
    return list(found)


def scratch_truth(source: Source, archs: list[Architecture], seeds: int, out: Path, workers: Workers) -> np.ndarray:
    """Validation word error rates (n, seeds) of architectures trained from scratch by the standard recipe."""
    names = [(arch, seed) for seed in range(seeds) for arch in archs]
    jobs = [
        workers.submit(train_alone, source, arch.to_json(), Recipe(steps=STANDARD.scratch_steps, seed=seed),
                       str(out / f"{arch.id}-{seed}"), False)
        for arch, seed in names
    ]
    rates = [result["valid"]["wer"] for result in workers.gather(jobs)]
    return np.array(rates).reshape(seeds, len(archs)).T


def rank_fidelity(out: Path, count: int) -> dict[str, Any]:
    """Kendall's tau of the supernet against 24 architectures from scratch, two seeds each, and its yardsticks."""
    source, archs = speech_source(), random_archs(24, 2024)
    sizes = {"input_dim": 80, "vocab_size": open_speech(source).tokenizer.vocab_size}
    with Workers(count) as workers:
        truth = scratch_truth(source, archs, 2, out / "scratch", workers)
        path = workers.submit(train_supernet, source, "laptop", *supernet_plan(STANDARD, 0), str(out)).result()
        losses = workers.submit(score_paths, source, "laptop", path, [arch.to_json() for arch in archs]).result()
    totals = [counts(arch, **sizes) for arch in archs]
    scores = {
        "supernet": np.log(losses),
        "score": [score(loss, arch, sizes) for loss, arch in zip(losses, archs, strict=True)],
        "parameters": [-c.parameters for c in totals],
        "MACs": [-c.macs for c in totals],
    }
    found = {name: vars(fidelity(score, truth)) for name, score in scores.items()}
    return {"tau": found, "seed_to_seed": seed_to_seed(truth), "ceiling": ceiling(truth),
            "architectures": [arch.id for arch in archs],
            "wer": truth.tolist(), "path_loss": list(losses)}


def against_peers(out: Path, count: int) -> dict[str, Any]:
    """The winner of a standard search, the random architecture and both Conformers: three seeds, blind test set.

    `out/search` is a standard search, made if it is missing; its networks are the first seed.
    """
    from .pipeline import Settings, run_search
    from .steps import Limits

    told = run_search(Settings("homecommands", None, "standard", 0, Limits()), out / "search", say=lambda line: None)
    source = speech_source()
    wanted = (told["winner"], REFERENCE, "conformer-small")
    rows = {row["name"]: row for row in told["models"] if row["name"] in wanted or row["kind"] == "random"}
    names = {name: name if row["kind"] == "hand-designed" else row["arch"] for name, row in rows.items()}
    jobs = {}
    with Workers(count) as workers:
        for seed in (1, 2):
            for name in sorted(names, key=lambda name: name != REFERENCE):  # the longest first
                recipe = Recipe(steps=STANDARD.scratch_steps, seed=seed)
                jobs[name, seed] = workers.submit(train_alone, source, names[name], recipe, str(out / f"{name}-{seed}"))
        workers.gather(list(jobs.values()))
    first = {name: _result(out / "search" / "models" / name) for name in names}
    runs = {name: [first[name], *(jobs[name, seed].result() for seed in (1, 2))] for name in names}
    return {"winner": told["winner"], "models": {name: _over_seeds(rows[name], runs[name], runs[told["winner"]], source)
                                                 for name in names}}


def _result(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "result.json").read_text(encoding="utf-8"))


def _over_seeds(row: dict, runs: list[dict], winner: list[dict], source: Source) -> dict[str, Any]:
    """Mean test error over seeds, and the winner's minus it, with a paired interval over speakers and seeds."""
    test = open_speech(source).examples["test"]
    mistakes = [[_errors(test.texts, run["test"]["hypotheses"]) for run in group] for group in (winner, runs)]
    words = np.array([len(text.split()) for text in test.texts])
    low, high = both_ways(np.array(mistakes[0]) - np.array(mistakes[1]), words, test.speakers)
    keys = ("kind", "parameters", "bytes_fp32", "bytes_int8", "rtf", "rtf_int8", "latency_ms", "wer_int8")
    rates = [[run["test"]["wer"] for run in group] for group in (winner, runs)]
    return {**{key: row[key] for key in keys}, "wer_by_seed": rates[1], "wer": statistics.mean(rates[1]),
            "winner_minus_this": {"value": statistics.mean(rates[0]) - statistics.mean(rates[1]), "low": low,
                                  "high": high, "by_seed": [a - b for a, b in zip(*rates, strict=True)]}}


def _errors(references: list[str], hypotheses: list[str]) -> list[int]:
    return [errors for errors, _ in error_counts(references, hypotheses)]


def both_ways(gap: np.ndarray, words: np.ndarray, speakers: list[str], draws: int = 2000) -> tuple[float, float]:
    """95% bootstrap interval of a difference in error rate that draws seeds and speakers anew.

    gap (seeds, utterances): errors of one system minus another's, paired by seed; words (utterances,).
    """
    names = sorted(set(speakers))
    who = np.array([names.index(speaker) for speaker in speakers])
    by_speaker = np.stack([np.bincount(who, row, len(names)) for row in gap])  # (seeds, speakers)
    spoken = np.bincount(who, words, len(names))
    rng = np.random.default_rng(0)
    seeds, chosen = rng.integers(len(gap), size=(draws, len(gap))), rng.integers(len(names), size=(draws, len(names)))
    rates = [by_speaker[s].mean(0)[c].sum() / spoken[c].sum() for s, c in zip(seeds, chosen, strict=True)]
    low, high = np.percentile(rates, [2.5, 97.5])
    return float(low), float(high)


def predictor_quality(out: Path, count: int) -> dict[str, Any]:
    """Latency predicted for 50 architectures that it never saw, beside two measurements of the same 150."""
    archs, space = random_archs(150, 7), MobileConformerSpace("laptop")
    first, second = (profile(archs, progress=False).latencies for _ in range(2))
    seen, fresh = archs[:100], archs[100:]
    guess = LatencyPredictor("corrected", space=space).fit(seen, first[:100]).predict(fresh)
    pairs = {"predictor": (guess, first[100:]), "predictor, measured again": (guess, second[100:]),
             "first against second measurement": (first[100:], second[100:])}
    return {name: {"within_10_percent": float(np.mean(np.abs(mine / truth - 1) <= 0.10)),
                   "within_5_percent": float(np.mean(np.abs(mine / truth - 1) <= 0.05)),
                   "spearman": float(spearmanr(mine, truth).statistic)} for name, (mine, truth) in pairs.items()}


def step_costs(out: Path, count: int) -> dict[str, Any]:
    """A path's training step in the supernet against the same architecture's alone, 16 architectures, taking turns."""
    source, taken = speech_source(), []
    speech = open_speech(source)
    space, recipe, rng = MobileConformerSpace("laptop"), Recipe(flat_start=0.0), random.Random(0)
    sizes = {"input_dim": 80, "vocab_size": speech.tokenizer.vocab_size}
    torch.set_num_threads(1)
    train = speech.examples["train"]
    batch = collate(train, BatchPlan(train, 16, 0)(BatchPlan(train, 16, 0).per_epoch // 2))
    shared = _Stepper(Supernet(space, **sizes).train(), speech.frame_labels, batch, recipe)
    for _ in range(16):
        arch = space.sample(rng)
        alone = _Stepper(build(arch, **sizes), speech.frame_labels, batch, recipe)
        times: dict[str, list[float]] = {"path": [], "alone": []}
        for _ in range(15):
            times["path"].append(shared.step(lambda arch=arch: shared.network.activate(arch)))
            times["alone"].append(alone.step(lambda: None))
        taken.append({"id": arch.id, **{name: 1000 * statistics.median(some[3:]) for name, some in times.items()}})
    ratios = [row["path"] / row["alone"] for row in taken]
    rule = Sandwich(largest_only=0)
    sandwich = [shared.step(lambda: None, rule, n) for n in range(5 * rule.outer_every)][rule.outer_every :]
    return {"milliseconds": taken, "ratio_median": statistics.median(ratios), "ratio_low": min(ratios),
            "ratio_high": max(ratios), "sandwich_ms": 1000 * statistics.mean(sandwich)}


class _Stepper:
    """One network with its own optimiser, and the seconds that one training step takes."""

    def __init__(self, network: Recogniser, labels: int, batch: Batch, recipe: Recipe) -> None:
        self.network, self.batch, self.recipe = network, batch, recipe
        self.head = FrameHead(tap_width(network), labels)
        self.optimizer = AdamW([*network.parameters(), *self.head.parameters()], 1e-3, (0.9, 0.98), 0.01)

    def step(self, prepare: Callable[[], object], backward: Callable = one_pass, number: int = 0) -> float:
        start = time.perf_counter()
        prepare()
        self.optimizer.zero_grad()
        backward(self.network, self.head, self.batch, self.recipe, number)
        self.optimizer.clip(1.0)
        self.optimizer.step()
        return time.perf_counter() - start


def evolution_overhead(out: Path, count: int) -> dict[str, Any]:
    """Evolution's own decisions, 100 generations of 50, with an evaluation that costs nothing; and the limits apart."""
    space, seen, asked = MobileConformerSpace("laptop"), [], 0.0
    archs = random_archs(100, 3)
    predictor = LatencyPredictor("corrected", space=space).fit(archs, [counts(arch).macs / 2e7 for arch in archs])

    def allowed(arch: Architecture) -> bool:
        nonlocal asked
        start = time.process_time()
        good = float(predictor.predict([arch])[0]) <= 1.0
        asked += time.process_time() - start
        return good

    def evaluate(trial: Trial) -> float:
        seen.append(trial.arch)
        return sum(stage.width for stage in trial.arch.stages) + trial.arch.depth / 10

    start = time.process_time()
    search(space, RegularizedEvolution(), evaluate, 5000, allowed, seed=0)
    seconds = time.process_time() - start
    repeated = len(seen) - len({space.canonical(arch) for arch in seen})
    return {"processor_seconds": seconds - asked, "latency_predictor_seconds": asked, "evaluations": len(seen),
            "repeated": repeated, "outside_the_limit": sum(not allowed(arch) for arch in seen)}


FIGURES: dict[str, Callable[[Path, int], dict[str, Any]]] = {
    "fidelity": rank_fidelity,
    "peers": against_peers,
    "predictor": predictor_quality,
    "step": step_costs,
    "evolution": evolution_overhead,
}


def run(name: str, out: Path, workers: int = 2) -> dict[str, Any]:
    """Make one figure; its numbers go to OUT/NAME.json and to the screen. Work that lies in OUT is not done again."""
    if name == "list":
        print("\n".join(f"{key:10} {make.__doc__.splitlines()[0]}" for key, make in FIGURES.items()))
        return {}
    if name not in FIGURES:
        raise BadInput(f"no figure is called {name!r}: there are {', '.join(FIGURES)}")
    out.mkdir(parents=True, exist_ok=True)
    found = FIGURES[name](out / name, workers)
    write_json(out / f"{name}.json", found)
    print(f"{out / name}.json")
    return found
