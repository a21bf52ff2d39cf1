"""How a network is trained, in one place: the same for found, hand-designed and shared networks."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Recipe:
    """Every number of the training recipe, each with its reason.

    Error rates are of single trials on HomeCommands' validation voices, made while the recipe was chosen: no claims.
    """

    steps: int = 800
    batch: int = 16  # 16 beats 32 at equal time for networks under 1 M parameters
    rate: float = 4e-3  # peak learning rate up to a million parameters, see `sized`
    beta2: float = 0.98
    weight_decay: float = 0.01
    warmup: float = 0.1  # share of the steps in which the rate rises
    clip: float = 1.0
    frame_weight: float = 1.0  # cross-entropy on phonemes, where the corpus knows them
    flat_start: float = 0.4  # share of the steps with the flat start's loss: 23.8 to 8.4% after 600 steps
    warp: bool = True  # vocal-tract-length warping: 14.6 to 11.3%
    seed: int = 0

    def sized(self, parameters: int) -> Recipe:
        """The same recipe for a network of this size: above a million parameters the rate falls with the root of them.

        Three small networks end at 8.9, 5.8 and 16.1% with 4e-3, and at 9.9, 8.2 and 20.9% with 2e-3; the large
        Conformer (4 M) ends at 19.4% with 3e-3, 9.8% with 2e-3 and 10.0% with 1.2e-3.
        """
        return replace(self, rate=self.rate * min(1.0, math.sqrt(1e6 / parameters)))

    def rate_at(self, step: int) -> float:
        """Linear warm-up, then half a cosine down to zero (Loshchilov and Hutter, 2017)."""
        warm = max(1, round(self.steps * self.warmup))
        if step < warm:
            return self.rate * (step + 1) / warm
        return self.rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, self.steps - warm)))

    def flat_weight_at(self, step: int) -> float:
        """Weight of the flat start's loss: from 1 down to 0."""
        return max(0.0, 1.0 - step / (self.flat_start * self.steps)) if self.flat_start else 0.0
