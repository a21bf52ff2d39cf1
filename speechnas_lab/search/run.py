"""The loop that runs a search: ask, evaluate, tell, write down."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import BadInput
from .asha import ASHA
from .constraints import ConstraintSatisfaction
from .evolution import NSGA2, AgeingEvolution, RegularizedEvolution
from .grid import GridSearch
from .hyperband import Hyperband
from .journal import Journal
from .local import LocalSearch
from .pareto import pareto_front
from .random_search import RandomSearch
from .reinforce import Reinforce
from .strategy import NothingLeft, Strategy
from .tpe import TPE
from .trial import Trial

NAMED: dict[str, type[Strategy]] = {
    "random": RandomSearch,
    "grid": GridSearch,
    "local": LocalSearch,
    "evolution": RegularizedEvolution,
    "regularized-evolution": AgeingEvolution,
    "nsga2": NSGA2,
    "hyperband": Hyperband,
    "asha": ASHA,
    "tpe": TPE,
    "reinforce": Reinforce,
    "csp": ConstraintSatisfaction,
}
Evaluate = Callable[[Trial], Any]
EvaluateMany = Callable[[list[Trial]], Iterable[Any]]


@dataclass
class SearchResult:
    """All trials in the order they were asked for, failed ones too; `note` says why it ended early, if so."""

    trials: list[Trial] = field(default_factory=list)
    note: str = ""

    @property
    def finished(self) -> list[Trial]:
        """Trials with values, of the highest fidelity that was reached."""
        done = [trial for trial in self.trials if trial.state == "done"]
        most = max((trial.budget for trial in done), default=0.0)
        return [trial for trial in done if trial.budget == most]

    @property
    def best(self) -> Trial:
        """The trial with the lowest first objective, of equal ones the earliest. BadInput if all failed."""
        if not self.finished:
            reasons = [trial.reason for trial in self.trials if trial.state == "failed"]
            first = f"the first: {reasons[0]}" if reasons else "none was evaluated"
            raise BadInput(
                f"no trial of {len(self.trials)} has a result ({first}); mend the evaluation and run again"
            )
        return min(self.finished, key=lambda trial: (trial.values[0], trial.number))

    @property
    def front(self) -> list[Trial]:
        """The Pareto front of the finished trials, by the first objective."""
        finished = self.finished
        chosen = [finished[index] for index in pareto_front([trial.values for trial in finished])]
        return sorted(chosen, key=lambda trial: (trial.values, trial.number))


def describe_space(space: Any) -> str:
    """Name a space so that other choices have another name: by its own `repr`, which must hold them all.

    A class without one is named by class, preset and a hash of eight samples.
    """
    if type(space).__repr__ is not object.__repr__:
        return repr(space)
    rng = random.Random(0)
    samples = "\n".join(space.sample(rng).to_json() for _ in range(8))
    name = " ".join(filter(None, (type(space).__name__, getattr(space, "preset", ""))))
    return f"{name} {hashlib.sha256(samples.encode()).hexdigest()[:8]}"


def make_strategy(space: Any, strategy: Any, constraint: Any, seed: int | None) -> Strategy:
    """Return a strategy for this search: an unused one, a class, or one of the names of `NAMED`."""
    if isinstance(strategy, str):
        if strategy not in NAMED:
            raise BadInput(f"no strategy is called {strategy!r}; choose one of {', '.join(NAMED)}")
        strategy = NAMED[strategy]
    if isinstance(strategy, type):
        strategy = strategy()
    if not isinstance(strategy, Strategy):
        raise BadInput(f"strategy must be a search.Strategy or one of {', '.join(NAMED)}, not {strategy!r}")
    own = strategy.constraint if constraint is None else constraint
    strategy.start(space, strategy.seed if seed is None else seed, own)
    return strategy


def search(
    space: Any,
    strategy: Any,
    evaluate: Evaluate | None,
    budget: float,
    constraint: Callable[[Any], bool] | None = None,
    journal: str | Path | None = None,
    seed: int | None = None,
    *,
    evaluate_many: EvaluateMany | None = None,
    settings: dict[str, Any] | None = None,
    on_trial: Callable[[Trial], None] | None = None,
    failures_in_a_row: int = 20,
) -> SearchResult:
    """Search `space` and return the trials, the best and the Pareto front. Every objective is minimised.

    `evaluate(trial)` returns a tuple of floats (or one float); it may keep more in `trial.parts`. An
    exception makes the trial fail with that reason; KeyboardInterrupt and SystemExit pass through.
    `evaluate_many(trials)` may be given instead, for worker processes: it yields one result for each trial,
    in order, and an Exception object for a trial that failed; an exception that it raises itself passes
    through. It may set `trial.seconds`; else a trial took as long as its result was waited for, and its share
    of a common wait before the first.

    `budget` counts full evaluations: each trial takes `trial.cost` of it, failed ones too.
    `constraint(arch)` is asked before a trial is made. `settings` is whatever else decides the results
    (corpus, limits); with a `journal` file, a killed search goes on where it was: the strategy is replayed
    with the recorded values, and nothing is evaluated twice. A larger budget continues a finished one.
    `on_trial` is called after each trial, for progress.

    After `failures_in_a_row` failures the search ends with a note: so many by chance are rare, and the rest of
    the budget is better spent on a mended evaluation. Failures that a journal remembers do not count again.

    Raises BadInput when no architecture meets the constraint, when all trials failed, or when the journal is
    of a search with other settings. A space that is exhausted ends the search early, with a note in the
    result.

    >>> from speechnas_lab import search, space
    >>> def size(trial):
    ...     return (space.counts(trial.arch).parameters,)
    >>> result = search.search(space.MobileConformerSpace(), "random", size, budget=5, seed=0)
    >>> len(result.trials), result.best.values == min(trial.values for trial in result.trials)
    (5, True)
    """
    if not budget > 0:
        raise BadInput(f"budget must be more than 0 full evaluations, not {budget}")
    if (evaluate is None) == (evaluate_many is None):
        raise BadInput("give either evaluate or evaluate_many")
    strategy = make_strategy(space, strategy, constraint, seed)
    many = evaluate_many or (lambda trials: map(_guarded(evaluate), trials))
    result = SearchResult()
    header = {"seed": strategy.seed, "space": describe_space(space)} | strategy.settings() | (settings or {})
    with Journal(journal, header) if journal is not None else nullcontext() as book:
        replayed = set(book.records) if book is not None else set()
        spent, bad = 0.0, 0
        while not result.note and spent < budget:
            batch: list[Trial] = []
            for _ in range(strategy.batch()):
                if spent >= budget:
                    break
                try:
                    trial = strategy.ask()
                except NothingLeft as error:
                    if batch:  # what these bring may open a way on: better neighbours, promotions
                        break
                    if not result.trials:
                        raise
                    result.note = str(error)
                    break
                if spent + trial.cost > budget + 1e-9:  # it does not fit any more
                    spent = budget
                    break
                spent += trial.cost
                batch.append(trial)
            result.trials += batch
            for trial in _run(batch, strategy, many, book):
                if on_trial is not None:
                    on_trial(trial)
                bad = 0 if trial.state == "done" or trial.number in replayed else bad + 1
                if bad >= failures_in_a_row:
                    result.note = f"the last {bad} trials failed ({trial.reason}); mend the evaluation and run again"
                    break
    result.trials = [trial for trial in result.trials if trial.state != "asked"]
    if not result.finished:
        result.best  # noqa: B018  (raises, and says why)
    return result


def _guarded(evaluate: Evaluate) -> Evaluate:
    """Return an evaluation that gives the exception instead of raising it."""

    def run(trial: Trial) -> Any:
        try:
            return evaluate(trial)
        except Exception as error:  # recorded as the reason why the trial failed
            return error

    return run


def _run(batch: list[Trial], strategy: Strategy, many: EvaluateMany, book: Journal | None) -> Iterator[Trial]:
    """Tell and write down a batch: first what the journal knows, then what has to be evaluated."""
    known = [trial for trial in batch if book is not None and trial.number in book.records]
    for trial in known:
        values = book.restore(trial)
        strategy.tell(trial, values, book.records[trial.number]["reason"])
        yield trial
    new = [trial for trial in batch if trial not in known]
    start = time.perf_counter()
    results = iter(many(new)) if new else iter(())
    share = (time.perf_counter() - start) / max(1, len(new))
    for trial in new:
        start = time.perf_counter()
        try:
            values = next(results)
        except StopIteration:
            raise BadInput(f"evaluate_many gave no result for trial {trial.number}") from None
        trial.seconds = trial.seconds or share + time.perf_counter() - start
        if isinstance(values, Exception):
            strategy.tell(trial, None, _reason(values))
        else:
            strategy.tell(trial, values)
        if book is not None:
            book.append(trial)
        yield trial


def _reason(error: Exception) -> str:
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
