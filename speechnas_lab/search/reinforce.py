"""Reinforcement learning: a controller that learns which choices were followed by a high reward."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import BadInput
from .decode import repaired
from .rewards import Scale, minus_first, reward_name
from .strategy import Strategy
from .trial import Trial


class Reinforce(Strategy):
    """REINFORCE with an LSTM controller (Zoph and Le 2017, "Neural architecture search with reinforcement learning").

    reward: of the values; minus the first by default, which is the whole of it with one objective. For several,
    give one, such as `functools.partial(absolute_reward, target=5.0)`. decay: of the moving baseline.
    entropy: a bonus for being undecided, in standard deviations of the reward.

    What is paid: the controller draws known architectures again, the more often the surer it is. They are not
    evaluated again. It learns from the values of the first time, at no cost, up to `draws` times for an ask;
    then mutations of its last draw are tried, from which it learns nothing, as they are not its choice. With
    `repeats=True` every draw is a trial and is paid for, as in the paper: for evaluations that are quick and noisy.
    A draw outside the space is repaired, and counts as the controller's choice. Failed trials teach nothing.

    >>> from speechnas_lab import search, space
    >>> strategy = search.Reinforce(space.MobileConformerSpace(), seed=0)
    >>> strategy.tell(strategy.ask(), (0.3,))
    """

    draws = 5  # in one ask: more only teach the same again

    def __init__(
        self,
        space: Any = None,
        seed: int = 0,
        constraint: Callable[[Any], bool] | None = None,
        reward: Callable[[Sequence[float]], float] = minus_first,
        rate: float = 0.005,  # of Adam; with `entropy` chosen among five pairs on a made-up space of 10^6
        decay: float = 0.9,
        entropy: float = 0.05,
        hidden: int = 32,
        repeats: bool = False,
    ) -> None:
        super().__init__(space, seed, constraint)
        if not rate > 0 or not 0 <= decay < 1 or not entropy >= 0 or hidden < 1:
            raise BadInput("rate must be above 0, decay in 0..1, entropy 0 or more, hidden 1 or more")
        self.reward, self.rate, self.decay, self.entropy = reward, rate, decay, entropy
        self.hidden, self.repeats = hidden, repeats
        self.scale = Scale(decay)
        self.controller: Any = None
        self._adam: Any = None
        self._draw: tuple[int, ...] | None = None  # the controller's choice behind the last proposal
        self._draws: dict[int, tuple[int, ...]] = {}  # number of a trial -> the choice that it came from
        self._known: dict[Any, Trial] = {}
        self._last: Any = None  # architecture of the controller's last draw

    def settings(self) -> dict[str, object]:
        names = ("rate", "decay", "entropy", "hidden", "repeats")
        own = {name: getattr(self, name) for name in names} | {"reward": reward_name(self.reward)}
        return super().settings() | own

    def ask(self) -> Trial:
        if self.repeats:
            self._seen.clear()
        return super().ask()

    def propose(self, attempt: int) -> Any:
        if self.controller is None:
            self._make_controller()
        if attempt >= self.draws:
            self._draw = None
            return self.near(self._last, attempt)
        self._draw = self.controller.draw(self.rng)
        self._last = self.space.canonical(repaired(self.space, self._draw, self.rng))
        known = self._known.get(self._last)
        if known is not None and known.state == "done" and not self.repeats:
            self._teach(self._draw, known.values)
        return self._last

    def hand_out(self, arch: Any, budget: float = 1.0) -> Trial:
        trial = super().hand_out(arch, budget)
        self._known.setdefault(arch, trial)
        if self._draw is not None:
            self._draws[trial.number] = self._draw
        return trial

    def learn(self, trial: Trial) -> None:
        draw = self._draws.pop(trial.number, None)
        if trial.state == "done" and draw is not None:
            self._teach(draw, trial.values)

    def _make_controller(self) -> None:
        from .controller import Adam, Controller

        options = [len(gene.options) for gene in self.space.genes()]
        self.controller = Controller(options, self.hidden, self.rng.getrandbits(63))
        self._adam = Adam(self.controller.weights, self.rate)

    def _teach(self, draw: tuple[int, ...], values: tuple[float, ...]) -> None:
        """One step of Adam."""
        reward = self.reward(values)
        if math.isfinite(reward):
            self._adam.step(self.controller.gradient(draw, self.scale.advantage(reward), self.entropy))
