"""DARTS drifts to skips: seeing it come, by how sharply the validation loss bends around alpha, and three cures.

A cure is a small object handed to `DartsStep`. Read `Cure` for the moments at which it may act.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import BadInput
from ..training.batches import Batch
from ..training.curvature import hessian_vector_product, top_eigenvalue, twice_differentiable
from ..training.losses import ctc_loss
from .mixture import MixedConformer


class Cure:
    """What may be done in each step of a search; by default, nothing."""

    stopped = False  # whether the alphas are to stay as they are from now on

    def before(self, network: MixedConformer, step: int, steps: int) -> None:
        """Before alphas and weights move, `step` of `steps` steps being done."""

    def moved(self, network: MixedConformer, step: int) -> None:
        """After the alphas have moved."""

    def learning(self, network: MixedConformer, step: int, steps: int) -> AbstractContextManager:
        """Around the pass by which the weights learn."""
        return nullcontext()


@dataclass(frozen=True)
class AuxiliarySkip(Cure):
    """beta(t) x beside each mixture, beta falling in a line from `beta` to 0 (DARTS-, Chu et al., 2021).

    A skip wins early since it lets the gradient through, good block or not. The helper takes over that part, so that
    the skip among the candidates has to win by its own merit. At the last step the helper is gone.
    """

    beta: float = 1.0

    def before(self, network: MixedConformer, step: int, steps: int) -> None:
        for slot in network.mixed:
            slot.beta = self.beta * (1 - (step + 1) / steps)


@dataclass(frozen=True)
class Perturbation(Cure):
    """While the weights learn, the mixture's weights are shaken by uniform noise from -e to e, e growing in a line from
    0 to `size`: SDARTS-RS (Chen and Hsieh, 2020; size 0.3 as there). Alphas survive where the loss is
    flat around them.

    Shaken weights are cut off at 0 and scaled back to their sum before.
    """

    size: float = 0.3
    seed: int = 0

    @contextmanager
    def learning(self, network: MixedConformer, step: int, steps: int) -> Iterator[None]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        reach = self.size * (step + 1) / steps
        try:
            for slot in network.mixed:
                weights = slot.expected().detach()
                noise = torch.rand(len(weights), generator=generator).to(weights)
                shaken = (weights + reach * (2 * noise - 1)).clamp(min=0)
                total = shaken.sum()
                slot.shift = shaken * (weights.sum() / total) - weights if total > 0 else None
            yield
        finally:
            for slot in network.mixed:
                slot.shift = None


class Sharpness(Cure):
    """Only watches: `values` maps each `every`th step, once alphas move, to the dominant eigenvalue of the validation
    loss's Hessian by alpha (Zela et al., 2020).

    batches: validation speech, always the same, so that the values differ by the network alone.
    """

    def __init__(self, batches: Sequence[Batch], every: int = 10) -> None:
        if every < 1 or not batches:
            raise BadInput(f"every is {every}, with {len(batches)} batches; give 1 or more of each")
        self.batches, self.every = list(batches), every
        self.values: dict[int, float] = {}

    def moved(self, network: MixedConformer, step: int) -> None:
        if (step + 1) % self.every == 0:
            self.values[step] = sharpness(network, self.batches)


class EarlyStopping(Sharpness):
    """DARTS-ES (Zela et al., 2020): stop when the eigenvalue has grown by `ratio`; go back to the alphas from before.

    The eigenvalue is smoothed, the mean of the last `window` looks, and compared with what it was `window` looks ago,
    from the first moment at which there are two whole windows. The published rule stops at 1 / 0.75, over 5 epochs.
    `went_back_to` is the step whose alphas were kept, None while the search goes on. The weights learn on to the end.
    """

    def __init__(self, batches: Sequence[Batch], every: int = 10, ratio: float = 1.3, window: int = 5) -> None:
        super().__init__(batches, every)
        if not ratio > 1 or window < 1:
            raise BadInput(f"ratio is {ratio}, window {window}; give a ratio above 1 and a window of 1 or more")
        self.ratio, self.window = ratio, window
        self.alphas: dict[int, list[Tensor]] = {}
        self.went_back_to: int | None = None

    @property
    def stopped(self) -> bool:
        return self.went_back_to is not None

    def moved(self, network: MixedConformer, step: int) -> None:
        super().moved(network, step)
        if step not in self.values:
            return
        self.alphas[step] = [alpha.detach().clone() for alpha in network.alphas]
        if not grown(list(self.values.values()), self.ratio, self.window):
            return
        self.went_back_to = list(self.values)[-1 - self.window]
        with torch.no_grad():
            for alpha, before in zip(network.alphas, self.alphas[self.went_back_to], strict=True):
                alpha.copy_(before)


def grown(values: Sequence[float], ratio: float = 1.3, window: int = 5) -> bool:
    """Whether the mean of the last `window` values is more than `ratio` times that of the `window` values before.

    Eigenvalues are compared by their size. False until there are two windows.

    >>> grown([1.0] * 5 + [1.2] * 5), grown([1.0] * 5 + [1.4] * 5)
    (False, True)
    """
    if len(values) < 2 * window:
        return False
    sizes = [abs(value) for value in values[-2 * window :]]
    return statistics.fmean(sizes[window:]) > ratio * statistics.fmean(sizes[:window])


def sharpness(network: MixedConformer, batches: Sequence[Batch]) -> float:
    """Dominant eigenvalue, in nats a word, of the Hessian of the mean CTC loss by all alphas; the network in evaluation
    mode, and left as it was."""

    def loss() -> Tensor:
        losses = torch.cat([ctc_loss(*network(batch.features, batch.lengths), batch) for batch in batches])
        return losses[~losses.isposinf()].mean()  # infinite: too few frames for the words

    training = network.training
    network.eval()
    try:
        return alpha_hessian_top(network.alphas, loss)
    finally:
        network.train(training)


def alpha_hessian_top(alphas: Sequence[Tensor], loss: Callable[[], Tensor]) -> float:
    """The eigenvalue of largest size, with its sign, of d2 loss / dalpha2 over all `alphas` together.

    By Lanczos' method on Hessian-vector products, one gradient's graph serving all of them. `loss()` is evaluated
    inside `twice_differentiable`, so that it may hold CTC and attention.
    """
    alphas = list(alphas)
    with twice_differentiable():
        gradient = torch.autograd.grad(loss(), alphas, create_graph=True)
        return top_eigenvalue(lambda vector: hessian_vector_product(gradient, alphas, vector), alphas)
