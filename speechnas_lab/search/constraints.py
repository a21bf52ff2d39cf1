"""Search as constraint satisfaction: only what keeps all limits is ever handed out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import inf, isnan
from typing import Any

from ..errors import BadInput
from ..space import MobileConformerSpace
from .decode import decoded
from .pruning import ArchitectureTree, Cost, Tree, exceeds, within
from .strategy import NothingLeft, Strategy


class GeneTree:
    """Any space with genes as a tree, one level a gene. Only a whole row can be judged: it is inside or not."""

    def __init__(self, space: Any, costs: Sequence[Cost] = ()) -> None:
        self.space, self.costs = space, costs
        self.sizes = [len(gene.options) for gene in space.genes()]

    def options(self, level: int) -> Sequence[int]:
        return range(self.sizes[level])

    def depth(self) -> int:
        return len(self.sizes)

    def bound(self, partial: tuple) -> Any:
        if len(partial) < len(self.sizes):
            return (-inf,) * len(self.costs)
        arch = decoded(self.space, partial)
        return inf if arch is None else tuple(cost(arch) for cost in self.costs)

    def solution(self, partial: tuple) -> Any:
        return self.space.from_genes(partial)


class Shuffled:
    """A tree whose options come in random order each time; those at the root that break the limit are gone."""

    def __init__(self, tree: Tree, limit: Any, rng: Any) -> None:
        self.tree, self.rng = tree, rng
        self.depth, self.bound, self.solution = tree.depth, tree.bound, tree.solution
        self.roots = [option for option in tree.options(0) if not exceeds(tree.bound((option,)), limit)]

    def options(self, level: int) -> Sequence[Any]:
        options = list(self.tree.options(level) if level else self.roots)
        self.rng.shuffle(options)
        return options


def dive(tree: Tree, limit: Any, rng: Any) -> Any | None:
    """Choose each level uniformly from all options; None as soon as the limit is broken.

    Every solution is as likely as any other: 1 / the product of the numbers of options.
    """
    partial: tuple = ()
    for level in range(tree.depth()):
        partial = (*partial, rng.choice(tree.options(level)))
        if exceeds(tree.bound(partial), limit):
            return None
    return tree.solution(partial)


class ConstraintSatisfaction(Strategy):
    """Architectures within limits on their costs, found by depth-first search that leaves hopeless branches early.

    limits: pairs (cost of an architecture, the most it may be), such as `(space.int8_bytes, 500_000)`. In the
    Mobile Conformer space a cost must never fall when a block is added (`pruning.ArchitectureTree`). None: only
    the limits of the space itself.

    First it dives: that draws uniformly from all raw architectures within the limits. Once `dives` dives in a row
    found none, they are rare, and from then on it descends with backtracking in random order, which always finds
    one but favours thin branches (Knuth 1975). When only known ones turn up it walks the whole tree in order, so
    that "nothing is left" is a proof.

    >>> from speechnas_lab import search, space
    >>> small = [(space.int8_bytes, 60_000), (lambda arch: space.counts(arch).macs, 8e6)]
    >>> strategy = search.ConstraintSatisfaction(space.MobileConformerSpace(), seed=0, limits=small)
    >>> space.int8_bytes(strategy.ask().arch) <= 60_000
    True
    """

    dives = 50

    def __init__(
        self,
        space: Any = None,
        seed: int = 0,
        constraint: Callable[[Any], bool] | None = None,
        limits: Sequence[tuple[Cost, float]] = (),
    ) -> None:
        super().__init__(space, seed, constraint)
        if any(len(pair) != 2 or not callable(pair[0]) or isnan(pair[1]) for pair in limits):
            raise BadInput("limits are pairs (cost of an architecture, the most it may be)")
        self.limits = [(cost, float(most)) for cost, most in limits]
        self._tree: Any = None
        self._shuffled: Any = None  # the same for backtracking, once dives find too little
        self._walk: Iterator[Any] = iter(())

    def settings(self) -> dict[str, object]:
        named = [[getattr(cost, "__qualname__", type(cost).__name__), most] for cost, most in self.limits]
        return super().settings() | {"limits": named}

    def batch(self) -> int:
        return 50  # results are not needed at all; 50 keeps several workers busy

    def propose(self, attempt: int) -> Any:
        most = tuple(most for _, most in self.limits)
        if self._tree is None:
            self._tree = self._make_tree()
            self._walk = within(self._tree, most)
        if attempt < self.tries // 2:
            for _ in range(0 if self._shuffled else self.dives):
                arch = dive(self._tree, most, self.rng)
                if arch is not None:
                    return arch
            self._shuffled = self._shuffled or Shuffled(self._tree, most, self.rng)
            for arch in within(self._shuffled, most):
                return arch
        for arch in self._walk:
            return arch
        raise NothingLeft("every architecture within the limits has been tried or refused; loosen a limit")

    def _make_tree(self) -> Any:
        costs = [cost for cost, _ in self.limits]
        if isinstance(self.space, MobileConformerSpace):
            return ArchitectureTree(self.space, lambda arch: tuple(cost(arch) for cost in costs))
        return GeneTree(self.space, costs)
