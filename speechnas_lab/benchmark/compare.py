"""Every strategy on the table, with many seeds: how good a network each has found after how much training.

Cost is in full trainings (810 steps); what a strategy trains in part it pays in part. The incumbent is the best by
validation among what was trained in full; its regret is counted twice, on the validation speech that the strategy saw
and on the blind test set.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..search import Strategy, search
from .spaces import SPACES
from .table import Table

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
    space = SPACES[table.kind]()
    result = search(space, strategy, lambda trial: (table[trial.arch].wer(trial.budget),), cost - head_start, seed=seed)
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
