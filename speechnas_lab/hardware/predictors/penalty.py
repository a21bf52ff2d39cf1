"""Latency inside a loss: how far an architecture is from the time it may take, and the time that one which is not yet
decided may be expected to take.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from ...errors import BadInput
from ...space import Architecture, Block

if TYPE_CHECKING:
    from torch import Tensor

Number = TypeVar("Number", float, "Tensor")


def latency_penalty(latency: Number, target: float, weight: float, one_sided: bool = False) -> Number:
    """weight * |latency - target|, as in TuNAS (Bender et al., 2020), whose beta is weight * target; with `one_sided`,
    0 for whatever is faster than the target.

    latency and target are in the same unit, milliseconds everywhere in this library. A tensor stays differentiable:
    the slope is +weight above the target and -weight below it (0 if one-sided). Raises BadInput for a target or a
    latency that is not above 0 and finite, and for a negative weight.
    """
    target, weight = _number(target, "target"), _number(weight, "weight")
    if target <= 0:
        raise BadInput(f"target is {target}; give a latency in milliseconds above 0")
    if weight < 0:
        raise BadInput(f"weight is {weight}; give 0 or more, a slower network must not be rewarded")
    if not hasattr(latency, "detach"):
        latency = _number(latency, "latency")
        if latency <= 0:
            raise BadInput(f"latency is {latency}; a measured time is above 0")
        excess = latency - target
        return weight * (max(excess, 0.0) if one_sided else abs(excess))
    known = latency.detach()
    if not bool((known.isfinite() & (known > 0)).all()):
        raise BadInput("latency holds a value that is not above 0 and finite; check the predictor's input")
    excess = latency - target
    return weight * (excess.clamp(min=0) if one_sided else excess.abs())


def softmax(alpha: Tensor) -> Tensor:
    """How much each candidate of a slot counts in a network that mixes by softmax."""
    return alpha.softmax(0)


@dataclass(frozen=True)
class LatencyTable:
    """Milliseconds that each candidate adds in each slot: `slots` (slots, candidates), on top of `fixed`."""

    fixed: float
    slots: tuple[tuple[float, ...], ...]

    @classmethod
    def of(
        cls,
        predict: Callable[[list[Architecture]], Sequence[float]],
        skeleton: Architecture,
        candidates: Sequence[Block],
    ) -> LatencyTable:
        """Ask `predict` (architectures -> milliseconds) for each candidate in each slot of `skeleton` in turn, with the
        first candidate in all others. Exact where latency is a sum over blocks ("lookup"), else a first-order guess.
        """
        places = [(s, b) for s, stage in enumerate(skeleton.stages) for b in range(len(stage.blocks))]
        plain = dict.fromkeys(places, candidates[0])
        asked = [_with_blocks(skeleton, plain)]
        asked += [_with_blocks(skeleton, plain | {place: block}) for place in places for block in candidates]
        fixed, *rest = (float(ms) for ms in predict(asked))
        count = len(candidates)
        rows = (rest[i * count : (i + 1) * count] for i in range(len(places)))
        return cls(fixed, tuple(tuple(ms - fixed for ms in row) for row in rows))

    def expected(self, alphas: Sequence[Tensor], weigh: Callable[[Tensor], Tensor] = softmax) -> Tensor:
        """Expected latency of an undecided network, in milliseconds, differentiable (FBNet, Wu et al., 2019;
        ProxylessNAS, Cai et al., 2019). alphas: (candidates,) for each slot. weigh: from an alpha to how much each
        candidate counts, `mixing.expected` of a network that does not mix by softmax.
        """
        if [tuple(alpha.shape) for alpha in alphas] != [(len(row),) for row in self.slots]:
            sizes = ", ".join(str(len(row)) for row in self.slots)
            raise BadInput(f"the table's slots hold {sizes} candidates; give one alpha of that length for each slot")
        # E[latency] = fixed + sum over slots s and candidates i of weigh(alpha_s)_i ms_si
        return self.fixed + sum(
            weigh(alpha) @ alpha.new_tensor(row) for alpha, row in zip(alphas, self.slots, strict=True)
        )

    def of_choice(self, choice: Sequence[int]) -> float:
        """Milliseconds of the network that holds candidate choice[s] in slot s."""
        return self.fixed + sum(row[i] for row, i in zip(self.slots, choice, strict=True))

    def best_within(
        self, weights: Sequence[Sequence[float]], most_ms: float, least_ms: float = 0.0, steps: int = 4000
    ) -> tuple[int, ...]:
        """A hard limit, kept where it matters: of all networks from `least_ms` to `most_ms`, the one whose candidates
        have the largest product of weights. A candidate's number for each slot.

        A knapsack: slot by slot, the best choice for each latency, in `steps` equal steps up to `most_ms`; among
        networks that take the same step only the likeliest goes on. Raises BadInput where no network fits.
        """
        step = most_ms / steps
        kept: dict[int, tuple[float, float, tuple[int, ...]]] = {0: (0.0, self.fixed, ())}  # log chance, ms, choice
        for row, chances in zip(self.slots, weights, strict=True):
            grown: dict[int, tuple[float, float, tuple[int, ...]]] = {}
            for chance, ms, choice in kept.values():
                for i, (extra, weight) in enumerate(zip(row, chances, strict=True)):
                    one = (chance + math.log(max(float(weight), 1e-300)), ms + extra, (*choice, i))
                    place = round(one[1] / step)
                    if place not in grown or one > grown[place]:
                        grown[place] = one
            kept = grown
        fitting = [one for one in kept.values() if least_ms <= one[1] <= most_ms]
        if not fitting:
            low, high = (self.fixed + sum(map(pick, self.slots)) for pick in (min, max))
            raise BadInput(f"no network takes {least_ms:.3f} to {most_ms:.3f} ms; all take {low:.3f} to {high:.3f} ms, "
                           "give a wider or another limit")  # fmt: skip
        return max(fitting)[2]


def _with_blocks(skeleton: Architecture, blocks: dict[tuple[int, int], Block]) -> Architecture:
    stages = (
        replace(stage, blocks=tuple(blocks[s, b] for b in range(len(stage.blocks))))
        for s, stage in enumerate(skeleton.stages)
    )
    return replace(skeleton, stages=tuple(stages))


def _number(value: object, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise BadInput(f"{name} is {value!r}; give a number") from None
    if not math.isfinite(number):
        raise BadInput(f"{name} is {number}; give a finite number")
    return number
