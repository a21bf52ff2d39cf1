"""The exercises of the course, in order."""

from __future__ import annotations

from importlib import import_module

from ..errors import BadInput
from .exercise import Exercise

EXERCISES = {  # id -> module in `checks`
    "01-wer": "wer",
    "01-ctc-collapse": "ctc_collapse",
    "02-count": "count",
    "03-mixed-op": "mixed_op",
    "04-darts-step": "darts_step",
    "05-second-order": "second_order",
    "06-path-sampling": "path_sampling",
    "07-weight-slicing": "weight_slicing",
    "08-sandwich-step": "sandwich_step",
    "09-evolution": "evolution",
    "10-pareto": "pareto",
    "11-latency-lookup": "latency_lookup",
    "12-prune": "prune",
    "13-penalty": "penalty",
    "14-zero-cost": "zero_cost",
    "15-fake-quantise": "fake_quantise",
    "16-causal": "causal",
    "16-drift": "drift",
    "17-reinforce": "reinforce",
    "17-hyperband": "hyperband",
    "18-search": "search_limits",
}


def exercise(id: str) -> Exercise:
    """The exercise of this id. Raises BadInput that lists them."""
    if id not in EXERCISES:
        raise BadInput(f"no exercise is called {id!r}; there are {', '.join(EXERCISES)}")
    return import_module(f".checks.{EXERCISES[id]}", __package__).EXERCISE
