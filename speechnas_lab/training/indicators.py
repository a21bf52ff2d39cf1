"""Zero-shot indicators: what a fresh network promises, read from one batch and without a step of training.

Higher always promises more; what is good when small stands with a minus. They rank networks, and how well they do is
for measurements to say: parameters and MACs are among them because they are hard to beat.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from ..errors import BadInput
from ..models.network import Recogniser
from ..space import counts
from .batches import Batch
from .recipe import Recipe
from .zero_shot import (
    grad_norm,
    hessian_top,
    hessian_trace,
    jacob_cov,
    jacobian_rank,
    naswot,
    snip,
    synflow,
)


@dataclass(frozen=True)
class Indicator:
    """One indicator; call it with (network, batch, recipe=None).

    function(network, batch), and a recipe as third where it needs labels. needs_weights: false where the shapes of
    the weights are enough, so that none must be drawn; true where another seed gives another number.
    """

    name: str
    function: Callable[..., float]
    needs_weights: bool
    needs_labels: bool
    source: str

    def __call__(self, network: Recogniser, batch: Batch, recipe: Recipe | None = None) -> float:
        """The number, or NaN where it is not finite. See `score`."""
        try:
            value = float(self.function(network, batch, *([recipe] if self.needs_labels else [])))
        except Exception as error:
            why = str(error).strip().split("\n")[0]
            raise BadInput(f"{self.name} cannot score this network: {why}; mend it or leave {self.name} out") from error
        return value if math.isfinite(value) else math.nan


def score(
    network: Recogniser, batch: Batch, recipe: Recipe | None = None, names: Iterable[str] | None = None
) -> dict[str, float]:
    """Each indicator in `names` (all of `INDICATORS` if None): name -> number.

    recipe: whose loss of the first step counts, without its frame loss (that has a head of its own); None is CTC alone.
    The network, its running statistics, its gradients and modes, and torch's random numbers are left as they are.

    NaN is an indicator with nothing to say: the loss is infinite (an utterance has too few frames for its tokens), the
    weights or sound hold NaN, a number overflowed, `naswot` met no activation or two equal utterances. A network that
    cannot be run raises BadInput, which names the indicator.
    """
    names = list(INDICATORS if names is None else names)
    if unknown := set(names) - set(INDICATORS):
        raise BadInput(f"no indicator is called {min(unknown)!r}; there are {', '.join(INDICATORS)}")
    return {name: INDICATORS[name](network, batch, recipe) for name in names}


def parameters(network: Recogniser, batch: Batch) -> float:
    """How many numbers are learnt."""
    return sum(p.numel() for p in network.parameters())


def macs(network: Recogniser, batch: Batch) -> float:
    """Multiply-accumulates of one utterance of the batch's length: `space.counts`, or counted on a weightless copy."""
    _, frames, bands = batch.features.shape
    if hasattr(network, "arch"):
        return counts(network.arch, bands, network.head[-1].out_features, frames).macs
    sound = torch.empty(1, frames, bands, device="meta")
    with FlopCounterMode(display=False) as counter:
        copy.deepcopy(network).to("meta")(sound, torch.tensor([frames], device="meta"))
    return counter.get_total_flops() / 2


INDICATORS: dict[str, Indicator] = {
    found.name: found
    for found in (
        Indicator("parameters", parameters, False, False, "counting"),
        Indicator("macs", macs, False, False, "counting"),
        Indicator("grad_norm", grad_norm, True, True, "Abdelfattah et al., 2021"),
        Indicator("snip", snip, True, True, "Lee et al., 2019"),
        Indicator("synflow", synflow, True, False, "Tanaka et al., 2020"),
        Indicator("naswot", naswot, True, False, "Mellor et al., 2021"),
        Indicator("jacob_cov", jacob_cov, True, False, "Mellor et al., 2020, first version"),
        Indicator("jacobian_rank", jacobian_rank, True, False, "numerical rank"),
        Indicator("hessian_trace", hessian_trace, True, True, "Hutchinson, 1990"),
        Indicator("hessian_top", hessian_top, True, True, "Lanczos, 1950"),
    )
}
