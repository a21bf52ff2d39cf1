"""Every strategy on the table, with many seeds: how good a network each has found after how much training.

Cost is in full trainings (810 steps); what a strategy trains in part it pays in part. The incumbent is the best by
validation among what was trained in full; its regret is counted twice, on the validation speech that the strategy saw
and on the blind test set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..jobs import Workers, tick
from ..search import ENAS, RankedPool, Strategy, search
from ..search.run import NAMED
from .build import STEPS
from .facts import SHARED, SUPERNETS
from .spaces import SPACES
from .table import HERE, Table

COST = 150  # full trainings that every strategy may pay
GRID = (1, 2, 3, 5, 8, 12, 20, 30, 50, 75, 100, 125, COST)


@dataclass(frozen=True)
class Course:
    """One search: the incumbent's regret at each cost of GRID, in points of WER (0.01 is one point); nan before the
    first full training.
    """

    valid: np.ndarray
    test: np.ndarray


def course(table: Table, strategy: Strategy, seed: int, cost: float = COST, head_start: float = 0.0) -> Course:
    """Run one search on the table. head_start: what the strategy had paid before its first trial."""
    result = search(SPACES[table.kind](), strategy, lambda trial: (table[trial.arch].wer(trial.budget),),
                    cost - head_start, constraint=table.__contains__, seed=seed)  # fmt: skip
    paid, steps, best = head_start, [], None
    for trial in result.trials:
        paid += trial.cost
        if trial.budget == 1.0 and trial.state == "done" and (best is None or trial.values < best.values):
            best = trial
            row = table[trial.arch]
            steps.append((paid, row.wer() - table.best.wer(), row.truth - table.column("truth").min()))
    return Course(*(_at(steps, place) for place in (1, 2)))


def _at(steps: list[tuple[float, float, float]], place: int) -> np.ndarray:
    known = [[step[place] for step in steps if step[0] <= cost + 1e-9] for cost in GRID]
    return np.array([values[-1] if values else np.nan for values in known])


# ---- who takes part


@dataclass(frozen=True)
class Entrant:
    """A strategy as it takes part. make(table, seed) gives a fresh one; head_start: what it has paid before it asks."""

    make: Callable[[Table, int], Strategy]
    head_start: float = 0.0


def ranked(column: str, sign: float, seeds: int = 1) -> Callable[[Table, int], Strategy]:
    """Rank 300 random architectures by a column of the table. `seeds`: how many columns there are of it, in turn."""

    def make(table: Table, seed: int) -> Strategy:
        name = f"{column}_{seed % seeds}" if seeds > 1 else column
        known = dict(zip((row.id for row in table.rows), sign * table.column(name), strict=True))
        return RankedPool(lambda arch: known.get(arch.id, float("nan")), pool=300, name=name)

    return make


def on_shared_weights(table: Table, seed: int) -> Strategy:
    """A controller whose reward is the loss in a supernet: another supernet for each seed, in turn."""
    name = f"oneshot_{seed % SUPERNETS}"
    known = dict(zip((row.id for row in table.rows), table.column(name), strict=True))
    return ENAS(lambda arch: known.get(arch.id, float("nan")), name=name)


def plain(name: str, **settings: Any) -> Callable[[Table, int], Strategy]:
    """A strategy by its name, with settings that suit 150 trainings."""
    return lambda table, seed: NAMED[name](**settings)


SUPERNET = SHARED.steps / STEPS[-1] * 1.2  # a path's step costs about that much of the network's own (reproduce step)
ENTRANTS = {
    "random": Entrant(plain("random")),
    "grid": Entrant(plain("grid")),
    "local": Entrant(plain("local")),
    "evolution": Entrant(plain("evolution", population=20, children=1, tournament=5, crossover=0.0, lifetime=20)),
    "tpe": Entrant(plain("tpe")),
    "hyperband": Entrant(plain("hyperband", least=1 / 9)),
    "asha": Entrant(plain("asha", least=1 / 9)),
    "reinforce": Entrant(plain("reinforce")),
    "csp": Entrant(plain("csp")),
    "one-shot": Entrant(ranked("oneshot", 1.0, SUPERNETS), SUPERNET),
    "enas": Entrant(on_shared_weights, SUPERNET),
    "zero-shot, naswot": Entrant(ranked("zero_naswot", -1.0)),
    "zero-shot, synflow": Entrant(ranked("zero_synflow", -1.0)),
    "parameters first": Entrant(ranked("parameters", -1.0)),
    "MACs first": Entrant(ranked("macs", -1.0)),
}


# ---- many seeds


def courses(kind: str, name: str, seeds: range, folder: str) -> np.ndarray:
    """(seeds, 2, len(GRID)) regrets of one strategy, by validation and by the blind test. A job for a worker."""
    table, entrant = Table.open(kind, Path(folder)), ENTRANTS[name]
    found = [course(table, entrant.make(table, seed), seed, COST, entrant.head_start) for seed in seeds]
    tick(len(seeds))
    return np.stack([[one.valid, one.test] for one in found])


def compare(folder: Path = HERE, seeds: int = 200, count: int = 2, kinds: tuple[str, ...] = ("macro", "cell")) -> dict:
    """Run every strategy with `seeds` seeds on the tables in `folder`; a plain dictionary, see `summary`."""
    from tqdm import tqdm

    chunks = [range(start, min(start + 20, seeds)) for start in range(0, seeds, 20)]
    wanted = [(kind, name) for kind in kinds for name in ENTRANTS]
    with Workers(count) as workers, tqdm(total=len(wanted) * seeds, unit="search") as bar:
        jobs = {key: [workers.submit(courses, *key, chunk, str(folder)) for chunk in chunks] for key in wanted}
        workers.gather([job for some in jobs.values() for job in some], bar.update)
    found = {key: np.concatenate([job.result() for job in some]) for key, some in jobs.items()}
    return {
        kind: {"best_valid": table.best.wer(), "best_truth": float(table.column("truth").min()), "cost": list(GRID),
               "strategies": {name: summary(found[kind, name], found[kind, "random"], table.best.wer())
                              for name in ENTRANTS}}
        for kind in kinds for table in (Table.open(kind, folder),)
    }  # fmt: skip


def summary(regret: np.ndarray, random: np.ndarray, best: float) -> dict[str, Any]:
    """Of (seeds, 2, costs) regrets: means with 95% intervals over seeds, medians, the comparison with random search.

    within_1_percent: the first cost of GRID at which the median seed's incumbent is within 1% (relative) of the table's
    best by validation; None if it never is. minus_random: the mean difference at each cost, paired by seed.
    """
    valid, test = regret[:, 0], regret[:, 1]
    reached = np.flatnonzero(np.nanmedian(np.where(np.isnan(valid), np.inf, valid), axis=0) <= 0.01 * best)
    return {
        "valid": interval(valid), "test": interval(test), "median_valid": rounded(np.median(valid, axis=0)),
        "minus_random": interval(valid - random[:, 0]), "minus_random_test": interval(test - random[:, 1]),
        "within_1_percent": GRID[reached[0]] if len(reached) else None,
    }  # fmt: skip


def interval(rows: np.ndarray) -> dict[str, list]:
    """Mean of each column and its 95% interval, by the normal approximation; None where a row holds no number."""
    mean, error = rows.mean(0), 1.96 * rows.std(0, ddof=1) / len(rows) ** 0.5
    return {"mean": rounded(mean), "low": rounded(mean - error), "high": rounded(mean + error)}


def rounded(values: np.ndarray) -> list[float | None]:
    """Five digits after the point are more than the table knows."""
    return [None if np.isnan(value) else round(float(value), 5) for value in values]
