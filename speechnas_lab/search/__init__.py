"""Search: strategies behind one ask/tell face, the loop that runs them, a journal, the Pareto front.

Nothing here knows a network. A strategy proposes architectures of a space, and the caller hands in the
function that evaluates them. Read `trial.py`, `strategy.py`, `random_search.py`, `evolution.py`, `run.py`,
in this order; `pruning.py` stands by itself.
"""

from __future__ import annotations

from .._lazy import exports

__getattr__, __dir__, __all__ = exports(
    __name__,
    {
        "Trial": ".trial",
        "Strategy": ".strategy",
        "NothingLeft": ".strategy",
        "RandomSearch": ".random_search",
        "RankedPool": ".ranked",
        "GridSearch": ".grid",
        "LocalSearch": ".local",
        "RegularizedEvolution": ".evolution",
        "AgeingEvolution": ".evolution",
        "NSGA2": ".evolution",
        "Hyperband": ".hyperband",
        "ASHA": ".asha",
        "TPE": ".tpe",
        "Reinforce": ".reinforce",
        "ENAS": ".enas",
        "absolute_reward": ".rewards",
        "suggest": ".optuna_bridge",
        "EvolutionSampler": ".optuna_bridge",
        "Journal": ".journal",
        "read_journal": ".journal",
        "pareto_front": ".pareto",
        "nondominated_ranks": ".pareto",
        "crowding_distance": ".pareto",
        "hypervolume": ".pareto",
        "ConstraintSatisfaction": ".constraints",
        "within": ".pruning",
        "Additive": ".exact",
        "AdditiveTree": ".exact",
        "branch_and_bound": ".exact",
        "Visits": ".pruning",
        "ArchitectureTree": ".pruning",
        "Queens": ".pruning",
        "SearchResult": ".run",
        "search": ".run",
    },
)
