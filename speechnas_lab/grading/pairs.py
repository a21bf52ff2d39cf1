"""A space of pairs of numbers, in which exercise 09 looks at one generation of an evolution."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

from .exercise import Wrong


class Space:
    """Architectures are pairs of numbers. The second does nothing where the first is 0: `canonical` makes it 0.

    script: the children that `mutate` gives, one after the other; without one, it counts up.
    """

    HANDED = ("canonical", "mutate")

    def __init__(self, script: Iterable[tuple] | None = None) -> None:
        self.script = None if script is None else iter(script)
        self.asked: list[Any] = []  # parents, in the order of the mutations
        self.draws: list[float] = []

    def canonical(self, arch: tuple) -> tuple:
        return (0, 0) if arch[0] == 0 else arch

    def mutate(self, arch: Any, rng: Any) -> tuple:
        if not (isinstance(arch, tuple) and len(arch) == 2 and all(type(gene) is int for gene in arch)):
            raise Wrong(f"space.mutate was asked to change {str(arch)[:60]}", "architectures are pairs of numbers",
                        "a member of the population is (architecture, error); the first of it is mutated")  # fmt: skip
        if not isinstance(rng, Random):
            raise Wrong("space.mutate got no rng", "mutate(arch, rng)", "all chance comes from the rng handed in")
        self.asked.append(arch)
        self.draws.append(rng.random())
        if self.script is None:
            return arch[0] + 100 * len(self.asked), arch[1]
        child = next(self.script, None)
        if child is None:
            raise Wrong("mutate was asked for more children than needed", f"{len(self.asked)} so far",
                        "a child that is new and allowed is taken, and the loop ends")  # fmt: skip
        return child


def genes(arch: Any) -> bool:
    """Whether it is a tuple of numbers, which can be compared with another."""
    return isinstance(arch, tuple) and all(isinstance(gene, int) for gene in arch)


class Counting:
    """A function that keeps what it was asked."""

    def __init__(self, function: Callable) -> None:
        self.function, self.asked = function, []

    def __call__(self, arch: Any) -> Any:
        self.asked.append(arch if genes(arch) else str(arch)[:60])
        return self.function(arch)


def some_members(rng: Random, count: int) -> list[tuple]:
    """Members (architecture, error), oldest first, errors all different."""
    errors = rng.sample(range(10, 90), count)
    return [((place + 1, rng.randint(1, 9)), error / 100) for place, error in enumerate(errors)]


def evaluated(space: Space, population: list[tuple]) -> set:
    """The memo of a search that has evaluated these members: their canonical forms."""
    return {space.canonical(arch) for arch, _ in population}


def returned(got: Any, case: str) -> list[tuple]:
    """The population that an answer returned, as a list of (architecture, error)."""
    if not isinstance(got, (list, tuple, deque)):
        kind = "None; does the function return it?" if got is None else f"a {type(got).__name__}"
        raise Wrong(f"the result is {kind}, not the next population as a list", case)
    for member in got:
        good = isinstance(member, tuple) and len(member) == 2 and genes(member[0])
        if not good or getattr(member[1], "ndim", 0):
            raise Wrong(f"the result holds {str(member)[:60]}", case, "a member is a pair (architecture, error)")
    return list(got)
