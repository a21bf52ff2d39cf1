"""Steps 1 to 8 of the search (9 and 10 are in `results`), each a plain function.

What goes in stands in its arguments, what comes out is a file. Every step looks for its own result first, so that a run
which was cut off goes on where it was. Same seed and same profile file give the same `winner.json`, byte for byte.
"""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .errors import BadInput
from .files import write_text
from .hardware import ESTIMATED, Extrapolation, LatencyPredictor, Profile, estimated_profile, find_device, profile
from .jobs import Workers, in_chunks
from .models.baselines import BASELINES, LARGE
from .oneshot import Sandwich
from .search import RegularizedEvolution, SearchResult, Trial, search
from .space import Architecture, MobileConformerSpace, counts, int8_bytes
from .training import Recipe
from .work import VALIDATION, Source, open_speech, score_paths, train_alone, train_supernet

REFERENCE = "conformer-large"  # whose size and speed set the limits where the user gives none
SMALLER, FASTER = 16.5, 5.2  # int8 bytes against float32, and encoder latency, asked for; makes the RTF 3 times lower
CHUNK = 10  # trials that are scored together: what a search that is cut off has to score again
PRIOR = 1.0  # weight of log parameters in the score, see `score`


@dataclass(frozen=True)
class Budget:
    """How much work a search does."""

    name: str
    corpus_size: str
    profile: int  # architectures measured on the device
    supernet_steps: int
    generations: int
    population: int
    finalists: int
    scratch_steps: int
    peers: tuple[str, ...]


BUDGETS = {
    "smoke": Budget("smoke", "smoke", 24, 120, 6, 10, 2, 120, (REFERENCE, "conformer-small")),
    "standard": Budget("standard", "standard", 100, 2400, 100, 50, 5, 800, tuple(BASELINES)),
    "full": Budget("full", "standard", 200, 30000, 100, 50, 10, 6000, tuple(BASELINES)),
}


def tuning(budget: Budget) -> dict[str, Any]:
    """What decides a search beside its settings, in this version: work begun with other numbers is not gone on with."""
    return {"work": asdict(budget), "prior": PRIOR, "validation": VALIDATION}


@dataclass(frozen=True)
class Limits:
    """What the device allows. None: no limit."""

    latency_ms: float | None = None
    bytes: int | None = None  # weights as stored in int8
    memory_bytes: int | None = None  # weights and the widest activations of one inference, estimated


@dataclass
class Run:
    """What every step needs to know, and where the files are."""

    folder: Path
    source: Source
    budget: Budget
    seed: int
    workers: Workers
    device: str | None = None
    asked: Limits = field(default_factory=Limits)
    advance: Callable[[float], None] = lambda units: None
    say: Callable[[str], None] = print

    @property
    def space(self) -> MobileConformerSpace:
        """The space that is searched."""
        return MobileConformerSpace("laptop", output_reduction=self.source.output_reduction)

    @property
    def recipe(self) -> Recipe:
        """How every network is trained from scratch: found, hand-designed and random ones alike."""
        return Recipe(steps=self.budget.scratch_steps, seed=self.seed)

    def sizes(self) -> dict[str, int]:
        """Input bands and labels of the networks."""
        return {"input_dim": 80, "vocab_size": open_speech(self.source).tokenizer.vocab_size}

    def file(self, name: str) -> Path:
        """A result's place."""
        return self.folder / name


# Step 1: metrics ------------------------------------------------------------------------------------------------------
def choose_limits(run: Run, measured: Profile) -> Limits:
    """What counts, and the limits: those asked for, else a share of the large hand-designed Conformer's."""
    latency, size = run.asked.latency_ms, run.asked.bytes
    if latency is None:
        known = dict(zip(measured.archs, measured.latencies, strict=False))
        if reference(run.source) not in known:
            raise BadInput("the profile lacks the large Conformer, whose latency sets the limit: give --max-latency")
        latency = known[reference(run.source)] / FASTER
    if size is None:
        size = int(4 * counts(reference(run.source), **run.sizes()).parameters / SMALLER)
    return Limits(float(latency), int(size), run.asked.memory_bytes)


def reference(source: Source) -> Architecture:
    """The large hand-designed Conformer."""
    return LARGE


# Step 2: space --------------------------------------------------------------------------------------------------------
def describe_space(run: Run) -> dict[str, Any]:
    """How many architectures there are to choose from."""
    space = run.space
    return {"preset": "laptop", "cardinality": space.cardinality(), "output_reduction": run.source.output_reduction}


# Step 3: profile ------------------------------------------------------------------------------------------------------
def measure_device(run: Run) -> Profile:
    """Measure random architectures, and the reference, on the device, or estimate them: profile.json."""
    place = run.file("profile.json")
    if place.exists():
        try:
            return Profile.from_json(place.read_text(encoding="utf-8"))
        except ValueError as error:
            raise BadInput(f"{place} is damaged ({error}): delete it, and this machine is measured again") from None
    archs = profiled(run.seed, run.budget.profile, run.space)
    if run.device in ESTIMATED:
        found = estimated_profile(archs, run.device, **run.sizes())
    else:
        device, part = find_device(run.device), run.file("profile.part")
        found = profile(archs, **run.sizes(), device=device, partial=part, progress=False)
    write_text(place, found.to_json())
    run.file("profile.part").unlink(missing_ok=True)
    return found


def profiled(seed: int, count: int, space: MobileConformerSpace | None = None) -> list[Architecture]:
    """What is measured: the large hand-designed Conformer, the space's ends, and `count` random architectures."""
    rng, space = random.Random(f"profile {seed}"), space or MobileConformerSpace("laptop")
    return [LARGE, space.largest(), space.smallest(), *(space.sample(rng) for _ in range(count))]


def fit_predictor(run: Run, measured: Profile) -> LatencyPredictor:
    """A predictor of latency from what was measured, for the architectures that were not."""
    space = run.space
    rows = [row for row in measured.rows if row.arch in space]
    if not rows:
        raise BadInput("the profile holds no architecture of this space: leave out --profile, to measure this machine")
    predictor = LatencyPredictor(kind="corrected", space=space)
    return predictor.fit([row.arch for row in rows], [row.latency_ms for row in rows])


# Steps 4 and 5: supernet, trained by the sandwich rule ----------------------------------------------------------------
def supernet_plan(budget: Budget, seed: int) -> tuple[Recipe, Sandwich]:
    """How the supernet is trained: the recipe of every network, on smaller batches, since more paths count for more."""
    recipe = Recipe(steps=budget.supernet_steps, batch=8, flat_start=0.2, seed=seed)
    return recipe, Sandwich(largest_only=budget.supernet_steps // 8)


def start_supernet(run: Run) -> Future:
    """Train the weights that all architectures share, in a worker: supernet.pt."""
    recipe, rule = supernet_plan(run.budget, run.seed)
    return run.workers.submit(train_supernet, run.source, "laptop", recipe, rule, str(run.folder))


# Step 6: search -------------------------------------------------------------------------------------------------------
def predict_quietly(predictor: LatencyPredictor, archs: Sequence[Architecture]) -> np.ndarray:
    """Milliseconds, without a word on networks outside the profile: what is kept is measured."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Extrapolation)
        return predictor.predict(archs)


def within(run: Run, limits: Limits, predictor: LatencyPredictor) -> Callable[[Architecture], bool]:
    """The constraint: does an architecture keep the limits? Asked before anything is evaluated."""
    sizes = run.sizes()

    def allowed(arch: Architecture) -> bool:
        if limits.bytes is not None and int8_bytes(arch, **sizes) > limits.bytes:
            return False
        if limits.memory_bytes is not None and memory_estimate(arch, sizes) > limits.memory_bytes:
            return False
        return limits.latency_ms is None or float(predict_quietly(predictor, [arch])[0]) <= limits.latency_ms

    return allowed


def fastest(run: Run, limits: Limits, predictor: LatencyPredictor, allowed: Callable) -> None:
    """Refuse limits that no architecture keeps, or so few that evolution finds no beginning; say what is possible."""
    space, rng = run.space, random.Random(f"limits {run.seed}")
    tried = [space.sample(rng) for _ in range(1000)]
    if any(allowed(arch) for arch in tried):
        return
    tried.append(space.smallest())
    few = "next to no" if allowed(tried[-1]) else "no"
    quick, small = min(predict_quietly(predictor, tried)), min(int8_bytes(arch, **run.sizes()) for arch in tried)
    least = min(memory_estimate(arch, run.sizes()) for arch in tried)
    raise BadInput(
        f"{few} architecture keeps the limits ({describe_limits(limits)}): the fastest possible takes about "
        f"{quick:.2f} ms{' (estimated)' if run.device in ESTIMATED else ''}, the smallest {small:,} bytes and "
        f"{least:,} bytes of memory; "
        "raise --max-latency, --max-bytes or --max-memory"
    )


def describe_limits(limits: Limits) -> str:
    """The limits in a few words."""
    parts = [f"{limits.latency_ms:.3g} ms" if limits.latency_ms is not None else "",
             f"{limits.bytes:,} bytes" if limits.bytes is not None else "",
             f"{limits.memory_bytes:,} bytes of memory" if limits.memory_bytes is not None else ""]
    return ", ".join(part for part in parts if part)


def memory_estimate(arch: Architecture, sizes: dict[str, int]) -> int:
    """Float32 weights and the widest layer of a two-second utterance: an estimate, not a measurement."""
    frames = math.ceil(200 / arch.stem)
    widest = max(stage.width * max([3.0] + [b.expansion for b in stage.blocks]) for stage in arch.stages)
    heads = max((b.heads for stage in arch.stages for b in stage.blocks), default=0)
    return int(4 * (counts(arch, **sizes).parameters + 2 * frames * widest + heads * frames * frames))


def evolve(run: Run, supernet: str, limits: Limits, predictor: LatencyPredictor) -> SearchResult:
    """Evolution under the limits; what an architecture is worth is asked of the shared weights: journal.jsonl."""
    budget, sizes = run.budget, run.sizes()
    strategy = RegularizedEvolution(population=budget.population, children=budget.population)

    def evaluate_many(trials: Sequence[Trial]) -> Iterator[tuple[float, ...]]:
        ask, archs = partial(score_paths, run.source, "laptop", supernet), [trial.arch.to_json() for trial in trials]
        losses = in_chunks(run.workers, ask, archs, CHUNK, run.advance)
        for trial, (loss, trial.seconds) in zip(trials, losses, strict=True):
            trial.parts = {"loss": loss, "latency_ms": float(predict_quietly(predictor, [trial.arch])[0])}
            yield (score(loss, trial.arch, sizes),)

    settings = {"corpus": run.source.corpus, "budget": budget.name, "limits": asdict(limits)} | tuning(budget)
    return search(
        run.space, strategy, None, budget.population * budget.generations, within(run, limits, predictor),
        run.file("journal.jsonl"), run.seed, evaluate_many=evaluate_many, settings=settings,
    )


def score(loss: float, arch: Architecture, sizes: dict[str, int]) -> float:
    """What evolution minimises: the log of the path's loss, corrected for what short training under-rates.

    Large paths are further from their best when the supernet stops. The weight of the correction, 1, was chosen on
    earlier supernets; `speechnas reproduce fidelity` shows what it does for the present one.
    """
    return math.log(max(loss, 1e-6)) - PRIOR * math.log(counts(arch, **sizes).parameters)


# Step 7: symmetry -----------------------------------------------------------------------------------------------------
def shortlist(run: Run, found: SearchResult) -> list[Trial]:
    """The best different architectures: those that compute the same family of functions count once."""
    space, chosen = run.space, {}
    for trial in sorted(found.finished, key=lambda trial: (trial.values, trial.number)):
        chosen.setdefault(space.canonical(trial.arch), trial)
        if len(chosen) == run.budget.finalists:
            break
    return list(chosen.values())


# Step 8: scratch training ---------------------------------------------------------------------------------------------
def train_model(run: Run, name: str, arch: str) -> Future:
    """Train one network from scratch in a worker: models/NAME/result.json and weights.pt."""
    return run.workers.submit(train_alone, run.source, arch, run.recipe, str(run.file("models") / name))


def random_peer(
    run: Run, latency: float, allowed: Callable, predictor: LatencyPredictor, finalists: Sequence[Architecture] = ()
) -> Architecture:
    """Of some random architectures within the limits, the one whose latency is nearest: what luck would have found.

    `finalists` (canonical) are left out.
    """
    rng, space = random.Random(f"random {run.seed}"), run.space
    drawn = (space.sample(rng) for _ in range(500))
    many = [arch for arch in drawn if allowed(arch) and space.canonical(arch) not in finalists]
    if not many:
        return space.canonical(space.smallest())
    distance = abs(predict_quietly(predictor, many) - latency)
    return space.canonical(many[int(distance.argmin())])


def choose_winner(results: dict[str, dict[str, Any]]) -> str:
    """The finalist with the fewest errors on the validation speech for architectures. The test set is not asked."""
    return min(results, key=lambda name: (results[name]["valid"]["wer"], results[name]["valid"]["loss"], name))
