"""The whole past of a monitor in a few hundred blocks, however long it runs, for a picture."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

SIZE = 20  # samples in a block at first
MOST = 400  # blocks; when there are more, two become one


@dataclass
class History:
    """Blocks of `size` samples: 10th percentile, median and 90th percentile, in ms. Merged blocks take means."""

    size: int = SIZE
    blocks: list[list[float]] = field(default_factory=list)
    rest: list[float] = field(default_factory=list)  # of the block that is not full yet

    def add(self, latencies_ms: np.ndarray) -> None:
        """The next samples (n,)."""
        waiting = np.concatenate([self.rest, latencies_ms])
        while len(waiting) >= self.size:
            count = min(len(waiting) // self.size, MOST - len(self.blocks))
            rows, waiting = np.split(waiting, [count * self.size])
            self.blocks += np.percentile(rows.reshape(count, self.size), [10, 50, 90], axis=1).T.tolist()
            if len(self.blocks) == MOST:  # an even number, so that all blocks find a neighbour
                self.size, pairs = 2 * self.size, np.array(self.blocks).reshape(MOST // 2, 2, 3)
                self.blocks = pairs.mean(axis=1).tolist()
        self.rest = waiting.tolist()

    def points(self) -> list[tuple[float, float, float, float]]:
        """(sample in the middle, low, median, high) of each block, the one that is not full included."""
        found = [((n + 0.5) * self.size, *block) for n, block in enumerate(self.blocks)]
        if self.rest:
            found.append((len(self.blocks) * self.size + len(self.rest) / 2,
                          *np.percentile(self.rest, [10, 50, 90]).tolist()))  # fmt: skip
        return found
