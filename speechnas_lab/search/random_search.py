"""Random search: the peer that every other strategy has to beat (Li and Talwalkar 2019)."""

from __future__ import annotations

from typing import Any

from .strategy import Strategy


class RandomSearch(Strategy):
    """New architectures, drawn as `space.sample` draws them; none twice.

    >>> from speechnas_lab import search, space
    >>> search.RandomSearch(space.MobileConformerSpace(), seed=3).ask().number
    0
    """

    def propose(self, attempt: int) -> Any:
        return self.space.sample(self.rng)

    def batch(self) -> int:
        return 50  # results are not needed at all; 50 keeps several workers busy
