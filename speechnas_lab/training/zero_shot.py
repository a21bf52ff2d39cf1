"""Indicators that read the fresh weights, one function each: (network, batch) -> number, higher promises more.

Each works on a copy, so that the network, its statistics, gradients and modes, and torch's random numbers stay as they
are. Those that need no labels compare utterances: there the batch is cut to its shortest, so that none has padding.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn

from ..models.layers import BatchNorm
from ..models.network import Recogniser
from .activations import ActivationSides, LinearPaths
from .batches import Batch
from .curvature import (
    Product,
    hessian_vector_product,
    hutchinson_trace,
    top_eigenvalue,
    twice_differentiable,
)
from .losses import recognition_loss
from .recipe import Recipe

NORMS = (nn.LayerNorm, nn.GroupNorm, nn.modules.batchnorm._BatchNorm, BatchNorm)


def grad_norm(network: Recogniser, batch: Batch, recipe: Recipe | None = None) -> float:
    """The sum of |dL/dw| (Euclidean) over the weight tensors w."""
    with _apart(network) as own:
        weights = list(own.parameters())
        return sum(g.norm().item() for g in _gradient(own, batch, recipe, weights))


def snip(network: Recogniser, batch: Batch, recipe: Recipe | None = None) -> float:
    """Connection sensitivity: the sum of |w dL/dw| over all single weights w."""
    with _apart(network) as own:
        weights = list(own.parameters())
        gradient = _gradient(own, batch, recipe, weights)
        return sum((w * g).abs().sum().item() for w, g in zip(weights, gradient, strict=True))


def synflow(network: Recogniser, batch: Batch) -> float:
    """The sum of |w dR/dw| over single weights, R the sum of all logits for an utterance of ones, every w made |w|.

    R counts what flows along the linear paths. Normalisation is off, since it undoes what the weights let through, and
    so are ceilings. Attention averages evenly: queries times keys would cube the flow in each block, beyond any float.
    """
    with _apart(network, train=False) as own, LinearPaths():
        own.double()  # R grows with each layer
        for module in own.modules():
            if isinstance(module, NORMS):
                module.forward = lambda x, mask=None: x
        weights = list(own.parameters())
        with torch.no_grad():
            for w in weights:
                w.abs_()
        ones = torch.ones_like(batch.features[:1], dtype=torch.float64)
        flow = own(ones, torch.tensor([ones.shape[1]]))[0].sum()
        gradient = torch.autograd.grad(flow, weights, materialize_grads=True, allow_unused=True)
        return sum((w * g).abs().sum().item() for w, g in zip(weights, gradient, strict=True))


def naswot(network: Recogniser, batch: Batch) -> float:
    """log |det K|, K_ij the number of activations on whose side (on, off) utterances i and j agree.

    An activation is on where what goes into ReLU, swish or GELU is positive. For the two smooth ones that is a stand-in
    for ReLU's linear pieces, which the theory is about.
    """
    sound, lengths = _without_padding(batch)
    with _apart(network) as own, torch.no_grad(), ActivationSides() as sides:
        own(sound.to(next(own.parameters())), lengths)
    if not sides.found:
        return math.nan
    on = torch.cat([side.reshape(len(sound), -1) for side in sides.found], dim=1).double()  # (B, activations)
    return torch.linalg.slogdet(on @ on.T + (1 - on) @ (1 - on).T).logabsdet.item()


def jacob_cov(network: Recogniser, batch: Batch) -> float:
    """How differently the utterances pull: -sum of log(s + k) + 1 / (s + k), k = 1e-5, over the eigenvalues s of the
    correlations between the utterances' Jacobians d(sum of logits)/d(features).
    """
    sound, lengths = _without_padding(batch)
    with _apart(network) as own:
        x = sound.to(next(own.parameters())).requires_grad_()
        (jacobian,) = torch.autograd.grad(own(x, lengths)[0].sum(), x, materialize_grads=True, allow_unused=True)
    correlations = torch.corrcoef(jacobian.flatten(1).double()).reshape(len(x), len(x))
    if not correlations.isfinite().all():
        return math.nan
    values = torch.linalg.eigvalsh(correlations) + 1e-5
    return -(values.log() + 1 / values).sum().item()


def jacobian_rank(network: Recogniser, batch: Batch, probes: int | None = 8, tolerance: float = 0.1) -> float:
    """The numerical rank of the utterances' Jacobians d(logits averaged over time)/d(features), one under another.

    probes: how many directions of the logits are followed, drawn at random and at right angles; None follows every
    logit. tolerance: singular values below this share of the largest count as zero; with 8 utterances and 8 probes
    0.1 tells laptop networks apart (8 to 62), while 0.01 calls all of them 64. Evaluation mode: no utterance feels
    another.
    """
    sound, lengths = _without_padding(batch)
    with _apart(network, train=False) as own:
        x = sound.to(next(own.parameters())).requires_grad_()
        pooled = own(x, lengths)[0].mean(1)  # (B, V)
        directions = torch.eye(pooled.shape[1]).to(pooled)
        if probes is not None:
            directions = torch.linalg.qr(torch.randn(len(directions), min(probes, len(directions))).to(pooled))[0]
        totals = (pooled @ directions).sum(0)
        slopes = dict(retain_graph=True, materialize_grads=True, allow_unused=True)
        rows = [torch.autograd.grad(total, x, **slopes)[0].flatten(1) for total in totals]
    jacobian = torch.cat(rows)  # (B * probes, T * F)
    return torch.linalg.matrix_rank(jacobian, rtol=tolerance).item() if jacobian.isfinite().all() else math.nan


def hessian_trace(
    network: Recogniser, batch: Batch, recipe: Recipe | None = None, probes: int | None = 4, utterances: int = 3
) -> float:
    """Minus the trace of the loss' Hessian, over the first `utterances`: a flat start promises more (a convention).

    probes: see `curvature.hutchinson_trace`. On four laptop networks one probe strayed by 900 to 2,300 around traces of
    -400 to 1,400: what a few probes say is mostly chance, and even its sign is.
    """
    with _apart(network) as own, twice_differentiable():
        return -hutchinson_trace(*_curvature(own, _first(batch, utterances), recipe), probes=probes)


def hessian_top(
    network: Recogniser, batch: Batch, recipe: Recipe | None = None, iterations: int = 6, utterances: int = 3
) -> float:
    """Minus the magnitude of the Hessian's dominant eigenvalue, over the first `utterances` (a convention, as above).

    iterations: see `curvature.top_eigenvalue`; on four laptop networks 6 came within 5% of 20.
    """
    with _apart(network) as own, twice_differentiable():
        return -abs(top_eigenvalue(*_curvature(own, _first(batch, utterances), recipe), iterations=iterations))


@contextmanager
def _apart(network: Recogniser, train: bool = True) -> Iterator[Recogniser]:
    """A copy to work on, and random numbers of its own. train: batch normalisation by the batch, as when it learns."""
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.default_generator.manual_seed(0)
        yield copy.deepcopy(network).train(train).requires_grad_(True)


def _without_padding(batch: Batch) -> tuple[Tensor, Tensor]:
    shortest = int(batch.lengths.min())
    return batch.features[:, :shortest], torch.full_like(batch.lengths, shortest)


def _first(batch: Batch, count: int) -> Batch:
    rows = batch.features, batch.lengths, batch.tokens, batch.token_lengths
    labels = None if batch.labels is None else batch.labels[:count]
    return Batch(*(row[:count] for row in rows), labels, batch.ids[:count])


def _gradient(
    network: Recogniser, batch: Batch, recipe: Recipe | None, weights: list[Tensor], twice: bool = False
) -> tuple[Tensor, ...]:
    batch = replace(batch, features=batch.features.to(weights[0]))
    loss = recognition_loss(network, None, batch, recipe or Recipe(flat_start=0.0), 0)[0]
    return torch.autograd.grad(loss, weights, create_graph=twice, materialize_grads=True, allow_unused=True)


def _curvature(network: Recogniser, batch: Batch, recipe: Recipe | None) -> tuple[Product, list[Tensor]]:
    weights = list(network.parameters())
    gradient = _gradient(network, batch, recipe, weights, twice=True)
    return lambda vector: hessian_vector_product(gradient, weights, vector), weights
