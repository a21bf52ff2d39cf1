"""The ask/tell face of every strategy, and the rules that all of them keep.

1. An architecture is asked for once. The memo is by canonical form, so that two spellings of one network
   count as one.
2. The constraint is checked before a trial is handed out. No architecture that breaks it is ever evaluated.
3. A trial fails when its values are None, NaN, infinite, not numbers, or not as many as the others had. A
   failed trial keeps its reason, has no values, is never a best, never a parent and never on the Pareto
   front. It was paid for all the same: it uses up its budget.
4. Telling a trial twice, or one that this strategy never asked for, is a ValueError.
5. All chance comes from one `random.Random(seed)` that only `ask` draws from. Asks come in order, so the
   order of tells within a batch changes nothing.
"""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from ..errors import BadInput
from .trial import Trial


class NothingLeft(BadInput):
    """No new architecture that meets the constraint was found in a bounded number of tries."""


def plain_values(values: Any, expected: int | None = None) -> tuple[tuple[float, ...], str]:
    """Return (values, "") or ((), why they are not a result). A number alone stands for one objective."""
    if values is None:
        return (), "no value"
    if isinstance(values, (str, bytes, dict)):
        return (), f"not a number: {values!r}"
    try:
        raw = [values] if getattr(values, "ndim", None) == 0 else list(values)
    except TypeError:  # a number alone
        raw = [values]
    try:
        found = tuple(float(value) for value in raw)
    except (TypeError, ValueError, RuntimeError):  # torch raises the last for a matrix
        return (), f"not a number: {values!r}"
    if not found:
        return (), "no value"
    if not all(map(math.isfinite, found)):
        return (), f"not a finite number: {', '.join(map(str, found))}"
    if expected is not None and len(found) != expected:
        return (), f"{len(found)} values where other trials have {expected}"
    return found, ""


class Strategy(ABC):
    """Base of all strategies: `ask()` for a trial, evaluate it, `tell(trial, values)`.

    `space` needs `sample(rng)`, `mutate(arch, rng)`, `crossover(a, b, rng)` and `canonical(arch)`. It may be
    left out here and given by `search()`. `constraint(arch) -> bool` says which architectures may be
    evaluated.

    >>> from speechnas_lab import search, space
    >>> strategy = search.RandomSearch(space.MobileConformerSpace(), seed=0)
    >>> trial = strategy.ask()
    >>> strategy.tell(trial, (0.12,))
    >>> trial.values
    (0.12,)
    """

    tries = 2000  # proposals for one ask; a constraint that 1 in 300 meets is then missed once in 800 asks

    def __init__(
        self, space: Any = None, seed: int = 0, constraint: Callable[[Any], bool] | None = None
    ) -> None:
        self.trials: list[Trial] = []
        self.start(space, seed, constraint)

    def start(self, space: Any, seed: int, constraint: Callable[[Any], bool] | None) -> None:
        """Set what the search is about. Only before the first ask."""
        if self.trials:
            raise BadInput("this strategy has been used already; make a new one for a new search")
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise BadInput(f"seed must be a whole number, not {seed!r}")
        self.space, self.seed, self.constraint = space, seed, constraint
        self.rng = random.Random(seed)
        self.objectives: int | None = None
        self._seen: set[Any] = set()  # canonical forms asked for, or refused by the constraint

    @abstractmethod
    def propose(self, attempt: int) -> Any:
        """Return a candidate. `attempt` counts those of this ask that were known or not allowed."""

    def near(self, arch: Any, attempt: int) -> Any:
        """Mutations of `arch`, more of them the longer nothing new is found, at last by chance."""
        if attempt >= self.tries // 2:
            return self.space.sample(self.rng)
        for _ in range(min(1 + attempt // 20, 8)):
            arch = self.space.mutate(arch, self.rng)
        return arch

    def settings(self) -> dict[str, object]:
        """What makes this strategy's course another than others', apart from the seed. For the journal."""
        return {"strategy": type(self).__name__}

    def batch(self) -> int:
        """How many trials may be asked for now without waiting for results."""
        return 1

    def ask(self) -> Trial:
        """Return a new trial. Raises NothingLeft when none was found in `tries` proposals."""
        if self.space is None:
            raise BadInput("this strategy has no space; give one to it or to search()")
        refused = 0
        for attempt in range(self.tries):
            arch = self.space.canonical(self.propose(attempt))
            if arch in self._seen:
                continue
            self._seen.add(arch)
            if self.constraint is None or self.constraint(arch):
                return self.hand_out(arch)
            refused += 1
        if refused:
            raise NothingLeft(f"none of {refused} more architectures met the constraint; loosen the limit")
        raise NothingLeft(
            f"all {self.tries} proposals had been tried or refused before; loosen the limit,"
            " use a larger space or a smaller budget"
        )

    def hand_out(self, arch: Any, budget: float = 1.0) -> Trial:
        """Make and remember the trial of an architecture."""
        trial = Trial(arch, number=len(self.trials), budget=budget)
        self.trials.append(trial)
        return trial

    def tell(self, trial: Trial, values: Any, reason: str = "") -> None:
        """Record the result of a trial: numbers, lower is better, or None with the reason why it failed."""
        if not 0 <= trial.number < len(self.trials) or self.trials[trial.number] is not trial:
            raise ValueError(f"trial {trial.number} was not asked for by this strategy")
        if trial.state != "asked":
            raise ValueError(f"trial {trial.number} has been told already: it is {trial.state}")
        found, why = plain_values(values, self.objectives)
        if why:
            trial.state, trial.reason = "failed", reason or why
        else:
            trial.state, trial.values = "done", found
            self.objectives = len(found)
        self.learn(trial)

    def learn(self, trial: Trial) -> None:  # noqa: B027  (a strategy that does not learn leaves it as it is)
        """Use a result. `trial.state` is "done" or "failed"."""
