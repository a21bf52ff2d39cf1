"""The slow measurements that the README quotes, each made again by `speechnas reproduce NAME`."""

from __future__ import annotations

from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

from ..errors import BadInput
from ..files import write_json

FIGURES = {  # name -> where it is made
    "fidelity": "searches.rank_fidelity",
    "fidelity-tried": "fidelity.what_was_tried",
    "peers": "searches.against_peers",
    "predictor": "machine.predictor_quality",
    "predictors": "predictors.predictors",
    "step": "machine.step_costs",
    "evolution": "machine.evolution_overhead",
    "darts": "gradient.darts_against_others",
    "lambda": "gradient.lambda_walk",
    "multiplier": "multiplier.multiplier",
    "collapse": "collapse.collapse_and_cures",
    "recipe": "ablations.recipe_without",
    "small-space": "exercise.small_space",
    "darts-on-table": "tables.darts_on_table",
    "proxy": "tables.proxy_task",
    "drift": "drift.drift",
    "picture": "picture.found_beside_designed",
    "cells": "cells.cell_classes",
    "streaming": "streaming.streams",
    "roofline": "roofline.check",
    "table21": "table21.manual_against_searched",
    "bits": "bits.fewer_bits",
    "devices": "devices.devices",
}


def maker(name: str) -> Any:
    """The function that makes a figure."""
    module, function = FIGURES[name].split(".")
    return getattr(import_module(f".{module}", __package__), function)


def run(name: str, out: Path, workers: int = 2, search: Path | None = None) -> dict[str, Any]:
    """Make one figure; its numbers go to OUT/NAME.json and to the screen. Work that lies in OUT is not done again.

    search: the folder of a search whose winner the figure is about, where it is about a winner.
    """
    if name == "list":
        print("\n".join(f"{key:15} {maker(key).__doc__.splitlines()[0]}" for key in FIGURES))
        return {}
    if name not in FIGURES:
        raise BadInput(f"no figure is called {name!r}: there are {', '.join(FIGURES)}")
    make, more = maker(name), {} if search is None else {"search": search}
    if more and "search" not in signature(make).parameters:
        raise BadInput(f"{name} is not about the winner of a search: leave out --search")
    (out / name).mkdir(parents=True, exist_ok=True)
    found = make(out / name, workers, **more)
    write_json(out / f"{name}.json", found)
    print(f"{out / name}.json")
    return found
