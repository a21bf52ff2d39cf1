"""Search by a score that costs no training: draw many, score all, train the most promising."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import BadInput
from .strategy import Strategy


class RankedPool(Strategy):
    """Draw a pool of architectures, rank it by `score`, and ask for them from the top.

    With an indicator of fresh weights as the score this is zero-shot search (Abdelfattah et al. 2021, "Zero-cost
    proxies for lightweight NAS"); with a supernet's loss it is the last step of one-shot search (Guo et al. 2020,
    "Single path one-shot"), and with a number of parameters a peer that both have to beat.

    score(arch): lower is better, as for values; not a number is last. pool: how many are drawn, before the
    constraint; when the pool is used up, another is drawn.

    >>> from speechnas_lab import search, space
    >>> largest_first = search.RankedPool(lambda arch: -space.counts(arch).parameters, pool=100)
    >>> result = search.search(space.MobileConformerSpace(), largest_first, lambda trial: 0.5, budget=3, seed=0)
    >>> sizes = [space.counts(trial.arch).parameters for trial in result.trials]
    >>> sizes == sorted(sizes, reverse=True)
    True
    """

    def __init__(
        self,
        score: Callable[[Any], float] | None = None,
        space: Any = None,
        seed: int = 0,
        constraint: Callable[[Any], bool] | None = None,
        pool: int = 1000,
        name: str = "",
    ) -> None:
        super().__init__(space, seed, constraint)
        if score is None:
            raise BadInput("RankedPool needs a score: a function of an architecture, lower is better")
        if pool < 1:
            raise BadInput(f"pool must be 1 or more, not {pool}")
        self.score, self.pool, self.name = score, pool, name
        self._ranked: list[Any] = []  # the best last

    def settings(self) -> dict[str, object]:
        return super().settings() | {"pool": self.pool, "score": self.name}

    def propose(self, attempt: int) -> Any:
        if not self._ranked:
            drawn = {self.space.canonical(self.space.sample(self.rng)): None for _ in range(self.pool)}
            fresh = [arch for arch in drawn if arch not in self._seen]
            scored = [(self.score(arch), arch) for arch in fresh]
            scored.sort(key=lambda pair: (pair[0] != pair[0], pair[0], pair[1].id), reverse=True)
            self._ranked = [arch for _, arch in scored] or [self.space.sample(self.rng)]
        return self._ranked.pop()

    def batch(self) -> int:
        return 50  # the order was fixed before the first training
