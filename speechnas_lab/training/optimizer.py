"""AdamW that touches only the part of a weight that was used, so that a supernet's step costs what its path costs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw


class AdamW(torch.optim.Optimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019), no decay on biases and gains.

    A parameter with an attribute `rows` is shared between networks: only its first `rows` rows took part since the last
    `zero_grad`; they, their momentum and their decay are updated, the rest rests. Others are updated whole.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], rate: float, betas: tuple[float, float], decay: float) -> None:
        parameters = list(parameters)
        groups = [
            {"params": [p for p in parameters if p.dim() > 1], "weight_decay": decay},
            {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
        ]
        super().__init__([g for g in groups if g["params"]], {"lr": rate, "betas": betas, "eps": 1e-8})

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients; a shared parameter keeps its buffer, cleared where it was used."""
        for group in self.param_groups:
            for p in group["params"]:
                if not hasattr(p, "rows"):
                    p.grad = None
                elif p.rows:
                    p.grad[: p.rows].zero_()
                    p.rows = 0

    def clip(self, limit: float) -> float:
        """Scale the gradients to a common norm of at most `limit` (Pascanu et al., 2013); return the norm before."""
        grads = [grad for group in self.param_groups for _, grad in _used(group)]
        norm = nn.utils.get_total_norm(grads)
        torch._foreach_mul_(grads, torch.clamp(limit / (norm + 1e-6), max=1.0))
        return norm.item()

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """One update of everything that has a gradient."""
        for group in self.param_groups:
            used = list(_used(group))
            if not used:
                continue
            states = [self._state(p) for p, _ in used]
            cut = [(grad, s["exp_avg"][: len(grad)], s["exp_avg_sq"][: len(grad)]) for (_, grad), s in zip(used, states)]
            beta1, beta2 = group["betas"]
            adamw(
                [p.data[: len(grad)] for p, grad in used],
                *map(list, zip(*cut)), [], [s["step"] for s in states],
                fused=True, amsgrad=False, maximize=False, beta1=beta1, beta2=beta2,
                lr=group["lr"], weight_decay=group["weight_decay"], eps=group["eps"],
            )

    def _state(self, p: nn.Parameter) -> dict[str, Tensor]:
        state = self.state[p]
        if not state:
            state |= {"step": torch.zeros(()), "exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.zeros_like(p)}
        return state


def _used(group: dict) -> Iterator[tuple[nn.Parameter, Tensor]]:
    """The parameters that took part, each with the rows of its gradient that are in use."""
    for p in group["params"]:
        if p.grad is not None and getattr(p, "rows", True):
            yield p, p.grad[: p.rows] if hasattr(p, "rows") else p.grad
