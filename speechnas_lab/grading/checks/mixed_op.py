"""03-mixed-op: a weighted sum of operations, with weights that sum to one."""

from __future__ import annotations

from random import Random
from typing import Any

import torch
from torch import Tensor, nn

from ..exercise import Exercise, Wrong, check, overflows, same
from ..slopes import slopes_of

SIZES = ((1, 2), (2, 3), (3, 5), (4, 8))  # (operations, features), the smallest first


class Counting(nn.Module):
    """Scales its input, and counts how often it is asked."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor, self.calls = factor, 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.factor * x


def _case(rng: Random, count: int, width: int) -> tuple[Tensor, list[Counting], Tensor, str]:
    draw = lambda *shape: torch.tensor([rng.gauss(0, 1) for _ in range(shape[-1])], dtype=torch.float64)  # noqa: E731
    x, alpha = draw(width), draw(count).requires_grad_()
    operations = [Counting(factor) for factor in draw(count).tolist()]
    return x, operations, alpha, f"x of shape ({width},), {count} operations, alpha {_numbers(alpha)}"


def _numbers(values: Tensor) -> str:
    return "[" + ", ".join(f"{value:.2f}" for value in values.tolist()) + "]"


@check("gives every operation its softmax weight")
def weighs(work: Any, rng: Random) -> None:
    for count, width in SIZES:
        x, operations, alpha, case = _case(rng, count, width)
        with torch.no_grad():
            total = lambda w: sum(wi * op.factor * x for wi, op in zip(w, operations, strict=True))  # noqa: E731, B023
            slips = {
                "alpha itself is the weight, without softmax": total(alpha),
                "each weight is a sigmoid, so that they do not sum to 1": total(alpha.sigmoid()),
                "all operations weigh the same": total(torch.full_like(alpha, 1 / count)),
                "only the operation with the largest alpha speaks": total((alpha == alpha.max()).to(alpha)),
                "the mean is taken on top of the weights": total(alpha.softmax(0)) / count,
                "alpha has its sign turned": total((-alpha).softmax(0)),
                "the weights are exponentials that nobody divided by their sum": total(alpha.exp()),
            }
            right = total(alpha.softmax(0))
        same(work.mix(x, operations, alpha), right, case, "mix(x, operations, alpha)", slips)


@check("stays steady where alpha is large")
def steady(work: Any, rng: Random) -> None:
    x, operations, alpha, _ = _case(rng, 3, 2)
    with torch.no_grad():
        alpha += 800.0
        right = sum(w * op.factor * x for w, op in zip(alpha.softmax(0), operations, strict=True))
    got = work.mix(x, operations, alpha)
    if overflows(got):
        slip = "exp overflows; torch has a softmax that does not"
        raise Wrong("the result is not finite", f"alpha {_numbers(alpha)}", slip)
    same(got, right, f"alpha {_numbers(alpha)}", tolerance=1e-3)  # at 800, float32 is that coarse


@check("lets gradients reach alpha")
def differentiable(work: Any, rng: Random) -> None:
    for count, width in SIZES[1:]:
        x, operations, alpha, case = _case(rng, count, width)
        (gradient,) = slopes_of(work.mix(x, operations, alpha), [alpha], case, "the result", "alpha")
        right = sum(w * op.factor * x for w, op in zip(alpha.softmax(0), operations, strict=True))
        (expected,) = torch.autograd.grad(right.sum(), alpha)
        same(gradient, expected, case, "the gradient of sum(mix(...)) by alpha")


@check("runs each operation once")
def once(work: Any, rng: Random) -> None:
    x, operations, alpha, case = _case(rng, 4, 3)
    work.mix(x, operations, alpha)
    calls = [operation.calls for operation in operations]
    if calls != [1] * 4:
        slip = "an operation costs time: keep its output, do not ask again"
        raise Wrong(f"the operations ran {calls} times", case, slip)


EXERCISE = Exercise(
    id="03-mixed-op",
    title="The mixed operation",
    lesson="03_mixed_operation",
    defines=("mix",),
    minutes=10,
    difficulty=1,
    why="It turns the choice of an operation, which has no slope, into weights that gradient descent can move.",
    hints=(
        "Which function turns any numbers into positive ones that sum to 1, and keeps their order?",
        "Turn alpha into weights once. Go through operations and weights side by side. Add up weight times output.",
        "weights = alpha.softmax(0), then a sum over zip(weights, operations) of weight * operation(x).",
    ),
    checks=(weighs, steady, differentiable, once),
)
