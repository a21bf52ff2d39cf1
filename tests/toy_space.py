"""A space small enough to know everything about it, for tests of the search."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Toy:
    genes: tuple[int, ...]

    def to_json(self) -> str:
        return json.dumps(self.genes)

    @property
    def id(self) -> str:
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]


class ToySpace:
    """Genes 0..options-1. A gene `options - 1` switches the next gene off: that one is then 0 in canonical
    form."""

    preset = "toy"

    def __init__(self, genes: int = 8, options: int = 6) -> None:
        self.genes, self.options = genes, options

    def sample(self, rng: random.Random) -> Toy:
        return Toy(tuple(rng.randrange(self.options) for _ in range(self.genes)))

    def mutate(self, arch: Toy, rng: random.Random) -> Toy:
        genes = list(arch.genes)
        place = rng.randrange(self.genes)
        genes[place] = (genes[place] + rng.randrange(1, self.options)) % self.options
        return Toy(tuple(genes))

    def crossover(self, a: Toy, b: Toy, rng: random.Random) -> Toy:
        return Toy(tuple(rng.choice(pair) for pair in zip(a.genes, b.genes, strict=True)))

    def canonical(self, arch: Toy) -> Toy:
        genes = list(arch.genes)
        for place in range(self.genes - 1):
            if genes[place] == self.options - 1:
                genes[place + 1] = 0
        return Toy(tuple(genes))

    def __contains__(self, arch: Toy) -> bool:
        return len(arch.genes) == self.genes and all(0 <= gene < self.options for gene in arch.genes)
