"""How long a search will take, from a few training steps timed here and now, and a bar that shows how much is left."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from tqdm import tqdm

from .models.network import build
from .space import Architecture, Block, Stage
from .steps import Budget
from .training.batches import Batch
from .training.loop import one_pass
from .training.losses import FrameHead
from .training.optimizer import AdamW
from .training.recipe import Recipe
from .work import cost

# Seconds on two cores besides training and scoring: corpus, profile, export, measuring, starting processes.
OVERHEAD = {"smoke": 35.0, "standard": 100.0, "full": 180.0}
CROWDED = 1.25  # a step is slower while the other core trains too: memory and clock are shared (measured 1.2 to 1.3)


def units(budget: Budget) -> float:
    """All training and scoring of a search, in steps of the reference network."""
    scratch = sum(cost(name) for name in budget.peers) + (budget.finalists + 1) * cost("{")
    paths = budget.population * budget.generations * cost("path")
    return budget.scratch_steps * scratch + budget.supernet_steps * cost("supernet") + paths


def seconds_per_unit(frames: int = 175, batch: int = 16, steps: int = 9) -> float:
    """One training step of the reference network on one core, the median of a few."""
    blocks = (Block(7, 4, 3.0), Block(7, 0, 3.0))
    stages = (Stage(96, "none", blocks), Stage(96, "pool", blocks), Stage(96, "none", blocks))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    network, head = build(Architecture(4, stages, "swish", "batch", False, 8), vocab_size=160), FrameHead(96, 50)
    optimizer = AdamW([*network.parameters(), *head.parameters()], 1e-3, (0.9, 0.98), 0.01)
    one = torch.ones(batch, dtype=torch.int64)
    made = Batch(torch.randn(batch, frames, 80), frames * one, one[:, None].expand(-1, 5) * torch.arange(1, 6), 5 * one,
                 torch.zeros(batch, frames, dtype=torch.int64), [""] * batch)
    recipe, taken = Recipe(flat_start=0.0), []
    for step in range(steps):
        start = time.perf_counter()
        optimizer.zero_grad()
        one_pass(network, head, made, recipe, step)
        optimizer.clip(1.0)
        optimizer.step()
        taken.append(time.perf_counter() - start)
    torch.set_num_threads(threads)
    return statistics.median(taken[2:])


def estimate(budget: Budget, cores: int = 2, frames: int = 175) -> float:
    """Seconds that a search will take on this machine, for speech of so many frames an utterance on average."""
    return OVERHEAD[budget.name] + units(budget) * seconds_per_unit(frames) * CROWDED / cores


def in_words(seconds: float) -> str:
    """"about 12 minutes"."""
    if seconds < 90:
        return f"about {round(seconds / 5) * 5:.0f} seconds"
    return f"about {seconds / 60:.0f} minutes"


class Bar:
    """One progress bar over all steps, in units of work, with the time left."""

    def __init__(self, budget: Budget, progress: bool, say: Callable[[str], None]) -> None:
        self.bar = tqdm(total=round(units(budget)), disable=not progress, unit="step",
                        bar_format="{desc:<44} {percentage:3.0f}%|{bar:30}| {elapsed} so far, {remaining} left")
        self.progress, self.say = progress, say

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def step(self, name: str) -> None:
        """What is being done from now on."""
        self.bar.set_description(name)
        if not self.progress:
            self.say(name)

    def advance(self, done: float) -> None:
        """So many more units are done."""
        self.bar.update(min(done, self.bar.total - self.bar.n))

    def finish(self) -> None:
        """Everything is done, also what an earlier run had done already."""
        self.advance(self.bar.total)
