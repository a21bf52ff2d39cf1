"""AdamW that updates only the part of a weight that was used, so that a supernet's step costs what its path costs."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw


class AdamW(torch.optim.Optimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019), no decay on biases and gains.

    A parameter with a `lender` is shared between networks: only the smallest leading slice that covers what they used
    since the last `zero_grad` is updated, with its momentum and its decay; the rest rests. Others are updated whole.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], rate: float, betas: tuple[float, float], decay: float
    ) -> None:
        parameters = list(parameters)
        groups = [
            {"params": [p for p in parameters if p.dim() > 1], "weight_decay": decay},
            {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
        ]
        super().__init__([g for g in groups if g["params"]], {"lr": rate, "betas": betas, "eps": 1e-8})

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, those of slices too."""
        super().zero_grad(set_to_none=True)
        for group in self.param_groups:
            for p in group["params"]:
                if hasattr(p, "lender"):
                    p.lender.forget()

    def clip(self, limit: float) -> float:
        """Scale the gradients to a common norm of at most `limit` (Pascanu et al., 2013); return the norm before."""
        grads = [used.grad for group in self.param_groups for _, used in _used(group)]
        norm = nn.utils.get_total_norm(grads)
        if not norm <= limit:
            torch._foreach_mul_(grads, limit / (norm + 1e-6))
        return norm.item()

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """One update of everything that has a gradient. Slices with gaps in memory go by a slower kernel."""
        for group in self.param_groups:
            rows = [(used.detach(), used.grad, *self._state(p, used)) for p, used in _used(group)]
            beta1, beta2 = group["betas"]
            for fused in (True, False):
                chosen = [row for row in rows if row[0].is_contiguous() == fused]
                if not chosen:
                    continue
                weights, grads, steps, means, squares = map(list, zip(*chosen, strict=True))
                adamw(
                    weights, grads, means, squares, [], steps, fused=fused, foreach=not fused,
                    amsgrad=False, maximize=False, beta1=beta1, beta2=beta2,
                    lr=group["lr"], weight_decay=group["weight_decay"], eps=group["eps"],
                )  # fmt: skip

    def _state(self, p: nn.Parameter, used: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Steps so far, running mean of the gradient and of its square: of the slice in use."""
        state = self.state[p]
        if not state:
            state |= {"step": torch.zeros(()), "exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.zeros_like(p)}
        mean, square = state["exp_avg"], state["exp_avg_sq"]
        if used is not p:
            mean, square = p.lender.same(mean, used), p.lender.same(square, used)
        return state["step"], mean, square


def _used(group: dict) -> list[tuple[nn.Parameter, Tensor]]:
    """The parameters that took part, each with the part of it that did and has the gradient."""
    found = []
    for p in group["params"]:
        used = p.lender.gather() if hasattr(p, "lender") else p
        if used is not None and used.grad is not None:
            found.append((p, used))
    return found
