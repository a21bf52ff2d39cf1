"""A controller that learns on shared weights: it is paid for once, and then asks for what it likes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import BadInput
from .reinforce import Reinforce
from .strategy import Strategy


class ENAS(Strategy):
    """Efficient NAS (Pham et al. 2018, section 2.2): REINFORCE whose reward is a score in shared weights.

    score(arch): of a supernet, lower is better; it costs next to nothing beside a training. The controller draws
    `draws` architectures, repeats included, and learns from each score. Then the trials begin: what it drew is asked
    for in the order of the scores, and when that is used up, it draws on, five at a time. A controller that is sure
    draws the same again: then mutations of its last draw are asked for. The supernet itself is trained beforehand by
    whoever gives the score, here path by path; ENAS trains it between the controller's steps.

    >>> from speechnas_lab import search, space
    >>> largest = search.ENAS(lambda arch: -space.counts(arch).parameters, draws=20)
    >>> result = search.search(space.MobileConformerSpace(), largest, lambda trial: 0.5, budget=3, seed=0)
    >>> sizes = [space.counts(trial.arch).parameters for trial in result.trials]
    >>> sizes == sorted(sizes, reverse=True)
    True
    """

    more = 5  # draws in one ask, after the first `draws`

    def __init__(
        self,
        score: Callable[[Any], float] | None = None,
        space: Any = None,
        seed: int = 0,
        constraint: Callable[[Any], bool] | None = None,
        draws: int = 150,
        name: str = "",
    ) -> None:
        super().__init__(space, seed, constraint)
        if score is None:
            raise BadInput("ENAS needs a score: a function of an architecture, lower is better")
        if draws < 1:
            raise BadInput(f"draws must be 1 or more, not {draws}")
        self.score, self.draws, self.name = score, draws, name
        self._teacher: Reinforce | None = None
        self._ranked: list[Any] = []  # the best last
        self._last: Any = None  # architecture of the teacher's last draw

    def settings(self) -> dict[str, object]:
        return super().settings() | {"draws": self.draws, "score": self.name}

    def propose(self, attempt: int) -> Any:
        if not self._ranked and attempt == 0:
            self._draw(self.draws if self._teacher is None else self.more)
        return self._ranked.pop() if self._ranked else self.near(self._last, attempt)

    def _draw(self, count: int) -> None:
        if self._teacher is None:
            self._teacher = Reinforce(self.space, self.rng.getrandbits(32), repeats=True)
        found: dict[Any, float] = {}
        for _ in range(count):
            trial = self._teacher.ask()
            found[trial.arch] = float(self.score(trial.arch))
            self._teacher.tell(trial, found[trial.arch])
            self._last = trial.arch
        known = {arch: score for arch, score in found.items() if score == score and arch not in self._seen}
        self._ranked = sorted(known, key=lambda arch: (known[arch], arch.id), reverse=True)

    def batch(self) -> int:
        return 10  # the order does not wait for results
