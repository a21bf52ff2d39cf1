"""05-second-order: the gradient of alpha through one unrolled step of the weights."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import torch
from torch import Tensor
from torch.autograd import grad

from ..exercise import Exercise, Wrong, check, same

SHAPES = (((1,),), ((2,),), ((2, 2), (3,)))  # of the weights, the smallest first
LARGE = 0.5  # an epsilon with which a wrong difference shows
Function = Callable[[Tensor, Tensor], Tensor]  # (all weights in a row, alpha) -> loss


class Problem:
    """Two losses of weights and alpha in float64, as functions for us and as counted closures for the learner.

    Curved: with sines; else polynomials whose central difference is exact for every epsilon. steep: how fast the
    validation loss changes with the weights.
    """

    def __init__(self, rng: Random, shapes: tuple, count: int, curved: bool = False, steep: float = 1.0) -> None:
        draw = lambda *s: torch.tensor([rng.gauss(0, 1) for _ in range(torch.Size(s).numel())]).double().view(*s)  # noqa: E731
        self.weights = [draw(*shape).requires_grad_() for shape in shapes]
        self.alpha = draw(count).requires_grad_()
        self.xi = rng.uniform(0.2, 0.4)
        size = sum(w.numel() for w in self.weights)
        a, b, c, d, e = draw(count, size), draw(size), draw(count, size), draw(count, size), draw(size)
        bent = torch.sin if curved else lambda x: 0.5 * x.square()
        self.train: Function = lambda w, alpha: alpha @ (bent(a @ w) + c @ w) + b @ w + 0.5 * w @ w
        self.valid: Function = lambda w, alpha: alpha @ (d @ w) * steep + 0.5 * steep * (w - e) @ (w - e)
        self.calls = {"training": 0, "validation": 0}
        names = " and ".join(str(tuple(shape)) for shape in shapes)
        self.case = f"weights of shape {names}, {count} alphas, xi {self.xi:.2f}"

    def flat(self) -> Tensor:
        """All weights in a row."""
        return torch.cat([w.reshape(-1) for w in self.weights])

    def closure(self, name: str) -> Callable[[], Tensor]:
        """The loss at what weights and alpha hold at the time of the call."""

        def loss() -> Tensor:
            self.calls[name] += 1
            function = self.train if name == "training" else self.valid
            return function(self.flat(), self.alpha)

        return loss

    def ask(self, work: Any, **more: float) -> Any:
        """The learner's answer. The list is a copy: to put other tensors in it changes nothing."""
        return work.unrolled_gradient(
            list(self.weights), self.alpha, self.closure("training"), self.closure("validation"), self.xi, **more
        )

    def answers(self, epsilon: float) -> tuple[Tensor, dict[str, Tensor]]:
        """The exact gradient, by autograd through the step, and what known slips give."""
        w0, alpha = self.flat().detach().requires_grad_(), self.alpha.detach().clone().requires_grad_()
        step = w0 - self.xi * grad(self.train(w0, alpha), w0, create_graph=True)[0]
        (right,) = grad(self.valid(step, alpha), alpha)
        slope = lambda function, w, by: grad(function(w, alpha), by)[0]  # noqa: E731
        w1 = step.detach().requires_grad_()
        direct, v = slope(self.valid, w1, alpha), slope(self.valid, w1, w1)
        before, v0, inner = slope(self.valid, w0, alpha), slope(self.valid, w0, w0), slope(self.train, w0, w0)

        def product(u: Tensor, at: Tensor = w0) -> Tensor:  # d2 L_train / (d alpha d w) u
            return grad(grad(self.train(at, alpha), at, create_graph=True)[0] @ u, alpha)[0]

        term, xi, eps = product(v), self.xi, epsilon / v.norm()
        aliased = (slope(self.train, w1 + eps * v, alpha) - slope(self.train, w1, alpha)) / (2 * eps)
        parts = v.split([w.numel() for w in self.weights])
        uneven = torch.cat([epsilon * part / part.norm() for part in parts])
        wide = slope(self.train, w0 + uneven, alpha) - slope(self.train, w0 - uneven, alpha)
        one_sided = (slope(self.train, w0 + eps * v, alpha) - slope(self.train, w0, alpha)) / eps
        plain = slope(self.train, w0 + epsilon * v, alpha) - slope(self.train, w0 - epsilon * v, alpha)
        return right, {
            "this is the first order; if a step is taken, is it written into the weights in place?": before,
            "the second-order term is missing": direct,
            "the difference is multiplied by eps and must be divided by 2 eps, so the term all but vanishes": direct
            - 2 * xi * eps**2 * term,
            "in Python a / 2 * eps multiplies by eps: the term all but vanishes": direct - xi * eps**2 * term,
            "the two points lie 2 eps apart, not eps": direct - 2 * xi * term,
            "the difference is halved and never divided by eps": direct - xi * eps * term,
            "the sign of the second-order term is turned": direct + xi * term,
            "xi is missing before the second-order term": direct - term,
            "the difference is taken around w', not around w": direct - xi * product(v, w1),
            "v is the validation loss's slope at w, not at w'": direct - xi * product(v0),
            "v is the training loss's slope": direct - xi * product(inner),
            "the first term is taken at w, not at w'": before - xi * term,
            "detach() without clone() keeps the same memory: the copy of w has moved, too": direct - xi * aliased,
            "the length of v is taken tensor by tensor; it is one length, over all weights": direct
            - xi * wide * parts[-1].norm() / (2 * epsilon),
            "each tensor of v got a length of its own; it is one length, over all weights": direct
            - xi * wide * v.norm() / (2 * epsilon),
            "the difference is one-sided; a central one is far more exact": direct - xi * one_sided,
            "epsilon is not divided by the length of v": direct - xi * plain / (2 * epsilon),
        }


@check("follows alpha through the unrolled step", points=3, effects=True)
def unrolls(work: Any, rng: Random) -> None:
    for count, shapes in enumerate(SHAPES, start=1):
        problem = Problem(rng, shapes, count)
        right, slips = problem.answers(LARGE)
        got = problem.ask(work, epsilon=LARGE)
        same(got, right, f"{problem.case}, epsilon {LARGE}", "the gradient of alpha", slips, 1e-6)


@check("stays exact to a thousandth where losses bend and are steep", effects=True)
def bends(work: Any, rng: Random) -> None:
    for steep in (1.0, 1000.0):
        problem = Problem(rng, SHAPES[-1], 3, curved=True, steep=steep)
        right, slips = problem.answers(0.01)
        got = problem.ask(work)
        same(got, right, f"{problem.case}, dL_valid/dw' about {steep:.0f}", "the gradient of alpha", slips, 1e-3)


@check("leaves the weights and all gradients as they were", effects=True)
def restores(work: Any, rng: Random) -> None:
    problem = Problem(rng, SHAPES[-1], 2)
    everything = [*problem.weights, problem.alpha]
    for tensor in everything:
        tensor.grad = torch.ones_like(tensor)
    before = [tensor.detach().clone() for tensor in everything]
    problem.ask(work)
    if not problem.calls["training"]:
        raise Wrong("the training loss was never evaluated, so no weight has moved and come back", problem.case)
    for tensor, value, name in zip(everything, before, ("weights[0]", "weights[1]", "alpha"), strict=True):
        if not torch.equal(tensor.detach(), value):
            off = float((tensor.detach() - value).abs().max())
            slip = "a copy, then back; detach() without clone() keeps the same memory"
            slip = "to go back by adding what was taken away rounds; keep a copy" if off < 1e-9 else slip
            raise Wrong(f"afterwards {name} is off by {off:.3g}", problem.case, slip)
        if tensor.grad is None or not torch.equal(tensor.grad, torch.ones_like(tensor)):
            slip = "backward() writes into .grad; torch.autograd.grad returns gradients and touches nothing"
            raise Wrong(f"{name}.grad has changed", problem.case, slip)


@check("asks for each loss no more often than it must", effects=True)
def cost(work: Any, rng: Random) -> None:
    problem = Problem(rng, SHAPES[-1], 2)
    problem.ask(work)
    calls, case = problem.calls, problem.case
    if calls["validation"] != 1:
        slip = "one call of grad gives the slopes by alpha and by the weights together" if calls["validation"] else ""
        raise Wrong(f"the validation loss was evaluated {calls['validation']} times, not once", case, slip)
    if calls["training"] > 3:
        slip = "one for the step, one for each side of the difference"
        raise Wrong(f"the training loss was evaluated {calls['training']} times, three are enough", case, slip)


EXERCISE = Exercise(
    id="05-second-order",
    title="The second-order gradient",
    lesson="05_when_darts_fails",
    defines=("unrolled_gradient",),
    minutes=30,
    difficulty=4,
    why="Public code has had this term wrong for years without anyone noticing: a test against an exact gradient does.",
    hints=(
        "Write down the four gradients. At which weights is each of them taken: w, w', w + eps v or w - eps v?",
        "Copy the weights. Step to w'. Take the slopes of the validation loss by alpha and by the weights in one call. "
        "Go to either side of w along the second, take the training loss's slopes by alpha. Put the copy back.",
        "direct, *v = grad(valid_loss(), [alpha, *weights]), then eps = epsilon / length of v, then "
        "put(weights, [w + eps * d for w, d in zip(start, v)]) and the same with a minus.",
    ),
    checks=(unrolls, bends, restores, cost),
)
