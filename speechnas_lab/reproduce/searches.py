"""What a search finds: how well shared weights rank, the winner beside its peers."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np

from ..jobs import Workers
from ..oneshot import ceiling, fidelity, seed_to_seed
from ..space import counts
from ..speech import error_counts
from ..steps import REFERENCE, score, supernet_plan
from ..training import Recipe
from ..work import Source, open_speech, score_paths, train_alone, train_supernet
from .common import STANDARD, random_archs, scratch_truth, speech_source


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
    from ..pipeline import Settings, run_search
    from ..steps import Limits

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
