"""What a mixture loses when one candidate is kept in each place: the gap of discretisation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from ..models.network import Recogniser
from ..training.batches import Batch
from ..training.losses import ctc_loss, mean_of_finite
from .mixture import MixedConformer


@dataclass(frozen=True)
class Gap:
    """Mean CTC losses, nats a word: of the mixture, of its derived network with the mixture's weights, and of that
    network trained again, None if it was not."""

    mixed: float
    discrete: float
    retrained: float | None = None

    @property
    def gap(self) -> float:
        """How much worse the derived network is before it learns again."""
        return self.discrete - self.mixed


def discretisation_gap(
    network: MixedConformer, batches: Sequence[Batch], retrain: Callable[[Recogniser], object] | None = None
) -> Gap:
    """Loss of the mixture and of `network.inherit()` on the same validation speech. Zela et al. (2020) find that it
    grows with the dominant eigenvalue: a sharp loss feels the jump of the alphas to 0 and 1.

    retrain(network): trains the inherited network in place; it is then measured once more. `network` stays as it was.
    """
    single = network.inherit()
    mixed, discrete = mean_loss(network, batches), mean_loss(single, batches)
    if retrain is None:
        return Gap(mixed, discrete)
    retrain(single)
    return Gap(mixed, discrete, mean_loss(single, batches))


@torch.no_grad()
def mean_loss(network: Recogniser, batches: Sequence[Batch]) -> float:
    """Mean CTC loss over all utterances of the batches, in evaluation mode; the network is left in its mode."""
    training = network.training
    network.eval()
    losses = [ctc_loss(*network(batch.features, batch.lengths), batch) for batch in batches]
    network.train(training)
    return mean_of_finite(torch.cat(losses))
