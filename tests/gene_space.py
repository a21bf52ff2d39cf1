"""Toy architectures as rows of genes, for tests of strategies that work on genes."""

from __future__ import annotations

import random
from collections.abc import Sequence

from toy_space import Toy, ToySpace

from speechnas_lab.errors import BadInput
from speechnas_lab.space.genes import Gene


class GeneSpace:
    """`count` genes 0..options-1, spelt as in ToySpace; a sum above `most` is outside."""

    def __init__(self, count: int = 6, options: int = 4, most: int = 1000) -> None:
        self.count, self.options, self.most = count, options, most
        self.toy = ToySpace(count, options)

    def __repr__(self) -> str:
        return f"GeneSpace({self.count}, {self.options}, {self.most})"

    def __contains__(self, arch: Toy) -> bool:
        return arch in self.toy and sum(arch.genes) <= self.most

    def sample(self, rng: random.Random) -> Toy:
        while (arch := self.toy.sample(rng)) not in self:
            pass
        return arch

    def mutate(self, arch: Toy, rng: random.Random) -> Toy:
        while (child := self.toy.mutate(arch, rng)) not in self:
            pass
        return child

    def crossover(self, a: Toy, b: Toy, rng: random.Random) -> Toy:
        child = self.toy.crossover(a, b, rng)
        return child if child in self else a

    def canonical(self, arch: Toy) -> Toy:
        return self.toy.canonical(arch)

    def genes(self) -> tuple[Gene, ...]:
        return tuple(Gene(f"gene{place}", tuple(range(self.options))) for place in range(self.count))

    def to_genes(self, arch: Toy) -> tuple[int, ...]:
        return arch.genes

    def from_genes(self, indices: Sequence[int]) -> Toy:
        arch = Toy(tuple(indices))
        if arch not in self:
            raise BadInput(f"{arch.genes} is outside; the sum may be {self.most}")
        return arch
