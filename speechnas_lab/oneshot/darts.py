"""DARTS: learn the architecture by gradient descent (Liu et al., 2019). Equations are numbered as there.

    min over alpha of  L_valid(w*(alpha), alpha)   with  w*(alpha) = argmin over w of  L_train(w, alpha)     (3, 4)

The inner problem is never solved. One step of gradient descent stands for it: w' = w - xi dL_train/dw. `inner` has the
step that an optimiser with momentum and weight decay would take.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..errors import BadInput
from ..training.batches import Batch, BatchPlan, collate
from ..training.losses import FrameHead, recognition_loss
from ..training.recipe import Recipe
from .collapse import Cure
from .inner import InnerStep, PlainStep
from .mixture import MixedConformer

if TYPE_CHECKING:
    from ..speech import Examples

Loss = Callable[[], Tensor]
Penalty = Callable[[Sequence[Tensor]], Tensor]
Inner = Callable[[float, Sequence[Tensor]], InnerStep]


def alpha_gradient(
    weights: Sequence[Tensor],
    alphas: Sequence[Tensor],
    train_loss: Loss,
    valid_loss: Loss,
    *,
    xi: float = 0.0,
    epsilon: float = 0.01,
    buffers: Iterable[Tensor] = (),
    inner: InnerStep | None = None,
) -> list[Tensor]:
    """Gradient of L_valid(w', alpha) by alpha, one tensor for each of `alphas`.

    train_loss, valid_loss: evaluate the losses at what `weights` and `alphas` hold at that moment.
    xi: learning rate of the unrolled step; 0 is the first order, which takes w' = w.
    epsilon: the step of the finite difference, divided by the length of dL_valid/dw'.
    buffers: running statistics that the losses change. They, the weights and all `.grad` are left as they were.
    inner: the unrolled step, in place of a plain one of `xi`.

    Losses that draw from torch's random numbers (`GumbelSoftmax`) draw the same at each point.
    """
    weights, alphas, buffers = list(weights), list(alphas), list(buffers)
    inner = inner or PlainStep(xi)
    xi, noise = inner.xi, torch.get_rng_state()
    if not xi:
        with _kept(buffers):
            return _gradient(valid_loss(), alphas)
    with _kept([*weights, *buffers]) as saved, torch.no_grad():
        start = saved[: len(weights)]
        with torch.enable_grad():
            descent = _gradient(train_loss(), weights)
        _set(weights, start, inner.direction(start, descent), -xi)  # w' = w - xi dL_train/dw
        torch.set_rng_state(noise)
        with torch.enable_grad():
            both = _gradient(valid_loss(), [*alphas, *weights])
        direct, v = both[: len(alphas)], both[len(alphas) :]
        length = torch.stack([part.norm() for part in v]).norm()
        if not length > 0:  # L_valid does not feel the weights: there is no second-order term
            return direct
        eps = epsilon / length
        # d2L_train/(dalpha dw) v  ~  [dL_train/dalpha (w + eps v) - dL_train/dalpha (w - eps v)] / (2 eps)       (8)
        sides = []
        for sign in (1.0, -1.0):
            _set(weights, start, v, sign * eps)
            torch.set_rng_state(noise)
            with torch.enable_grad():
                sides.append(_gradient(train_loss(), alphas))
        # dL_valid/dalpha (w', alpha)  -  xi d2L_train/(dalpha dw) v                                              (7)
        return [d - xi * (plus - minus) / (2 * eps) for d, plus, minus in zip(direct, *sides, strict=True)]


class DartsStep:
    """One step of DARTS, to be handed to `training.train` as `backward`: alpha by validation speech, then w by training
    speech (Liu et al., 2019, algorithm 1).

    network: what is trained. valid: the speech that alpha learns from; no weight ever learns from it.
    order: 1, or 2 for the unrolled step, whose xi is the weights' learning rate at that moment. inner(rate, weights)
    makes that step. The default is plain gradient descent, a guess where, as in `train`, AdamW moves the weights.
    alpha_rate: of Adam with betas 0.5 and 0.999 and decay 1e-3, as published; the rate is ten times the published one,
    since a search here takes hundreds of steps and not tens of thousands.
    warmup: share of the steps in which only the weights learn. penalty(alphas): added to the validation loss. Of the
    expected latency: `latency_penalty(table.expected(alphas, network.mixing.expected), target, weight)`.
    cures: against collapse, see `collapse`; they act in the order given.

    `history` holds the expected weights of all slots, (slots, candidates), after each step. Alpha's optimiser lives in
    here and not in `train`'s checkpoint: train in one go.
    """

    def __init__(
        self,
        network: MixedConformer,
        valid: Examples,
        order: int = 1,
        alpha_rate: float = 3e-3,
        warmup: float = 0.2,
        penalty: Penalty | None = None,
        cures: Sequence[Cure] = (),
        inner: Inner | None = None,
    ) -> None:
        if order not in (1, 2):
            raise BadInput(f"order is {order!r}; allowed: 1, 2")
        self.network, self.valid, self.order, self.warmup, self.penalty = network, valid, order, warmup, penalty
        self.cures, self.inner = tuple(cures), inner or (lambda rate, weights: PlainStep(rate))
        self.optimizer = torch.optim.Adam(network.alphas, alpha_rate, (0.5, 0.999), weight_decay=1e-3)
        self.plan: BatchPlan | None = None
        self.history: list[Tensor] = []

    def __call__(
        self, network: MixedConformer, head: FrameHead | None, batch: Batch, recipe: Recipe, step: int
    ) -> dict[str, float]:
        for cure in self.cures:
            cure.before(network, step, recipe.steps)
        if step >= self.warmup * recipe.steps and not any(cure.stopped for cure in self.cures):
            self.plan = self.plan or BatchPlan(self.valid, recipe.batch, recipe.seed)
            self._move_alphas(head, batch, collate(self.valid, self.plan(step)), recipe, step)
            for cure in self.cures:
                cure.moved(network, step)
        with ExitStack() as stack:
            for cure in self.cures:
                stack.enter_context(cure.learning(network, step, recipe.steps))
            loss, parts, _, _ = recognition_loss(network, head, batch, recipe, step)
            loss.backward()
        for alpha in network.alphas:  # the training loss moves the weights, never the alphas
            alpha.grad = None
        self.history.append(torch.stack([slot.expected().detach() for slot in network.mixed]))
        return parts

    def _move_alphas(self, head: FrameHead | None, train: Batch, valid: Batch, recipe: Recipe, step: int) -> None:
        network = self.network

        def valid_loss() -> Tensor:
            loss = recognition_loss(network, head, valid, recipe, step)[0]
            return loss + self.penalty(network.alphas) if self.penalty else loss

        weights = network.operation_weights() + (list(head.parameters()) if head else [])
        gradient = alpha_gradient(
            weights,
            network.alphas,
            lambda: recognition_loss(network, head, train, recipe, step)[0],
            valid_loss,
            inner=self.inner(recipe.rate_at(step), weights) if self.order == 2 else None,
            buffers=network.buffers(),
        )
        for alpha, own in zip(network.alphas, gradient, strict=True):
            alpha.grad = own
        self.optimizer.step()


class _kept:
    """Give tensors back their values, bit for bit, at the end of a `with` block; yields the copies."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self.tensors = tensors

    def __enter__(self) -> list[Tensor]:
        self.copies = [tensor.detach().clone() for tensor in self.tensors]
        return self.copies

    @torch.no_grad()
    def __exit__(self, *error: object) -> None:
        for tensor, copy in zip(self.tensors, self.copies, strict=True):
            tensor.copy_(copy)


def _gradient(loss: Tensor, by: Sequence[Tensor]) -> list[Tensor]:
    """d loss / d tensor for each tensor, zeros where the loss does not depend on it; no `.grad` is touched."""
    found = torch.autograd.grad(loss, by, allow_unused=True)
    return [torch.zeros_like(t) if g is None else g for t, g in zip(by, found, strict=True)]


def _set(tensors: Sequence[Tensor], start: Sequence[Tensor], direction: Sequence[Tensor], step: float | Tensor) -> None:
    """tensor = start + step * direction, in place."""
    for tensor, s, d in zip(tensors, start, direction, strict=True):
        torch.add(s, step * d, out=tensor)
