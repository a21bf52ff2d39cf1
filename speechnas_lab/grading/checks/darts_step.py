"""04-darts-step: one first-order step, alpha by validation speech, then the weights by training speech."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

import torch
from torch import Tensor
from torch.autograd import grad

from ..exercise import Exercise, Wrong, check, same

SIZES = ((1, 1), (2, 2), (4, 3))  # (weights, alphas), the smallest first
Function = Callable[[Tensor, Tensor], Tensor]  # (weights, alpha) -> loss


class Counting(torch.optim.SGD):
    """Plain gradient descent that counts its steps."""

    steps = 0

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        self.steps += 1
        return super().step(closure)


class Problem:
    """Two losses of weights and alpha in float64, as functions for us and as counted closures for the learner."""

    def __init__(self, rng: Random, size: int, count: int) -> None:
        draw = lambda *s: torch.tensor([rng.gauss(0, 1) for _ in range(torch.Size(s).numel())]).double().view(*s)  # noqa: E731
        self.weights, self.alpha = draw(size).requires_grad_(), draw(count).requires_grad_()
        self.rate, self.alpha_rate = rng.uniform(0.1, 0.2), rng.uniform(0.3, 0.4)
        a, b, c, d = draw(count, size), draw(size), draw(count, size), draw(count)
        self.train: Function = lambda w, alpha: alpha.softmax(0) @ (a @ w) + alpha @ (d + alpha) + (w - b) @ (w - b)
        self.valid: Function = lambda w, alpha: (c @ w).tanh() @ alpha + 0.5 * alpha @ alpha + alpha.sum() * w @ w
        self.weight_optimizer = Counting([self.weights], self.rate)
        self.alpha_optimizer = Counting([self.alpha], self.alpha_rate)
        self.calls = {"training": 0, "validation": 0}
        self.case = f"{size} weights, {count} alphas, rates {self.rate:.2f} and {self.alpha_rate:.2f}"

    def closure(self, name: str) -> Callable[[], Tensor]:
        """The loss at what the weights and alpha hold at the time of the call."""

        def loss() -> Tensor:
            self.calls[name] += 1
            return (self.train if name == "training" else self.valid)(self.weights, self.alpha)

        return loss

    def ask(self, work: Any) -> None:
        """One step of the learner's."""
        closures = self.closure("training"), self.closure("validation")
        try:
            work.darts_step(*closures, self.weight_optimizer, self.alpha_optimizer)
        except RuntimeError as error:
            if "inplace operation" not in str(error):
                raise
            what = "backward() met numbers that have changed since the loss was evaluated"
            raise Wrong(what, self.case, "the training loss was evaluated before alpha moved") from None

    def slope(self, function: Function, w: Tensor, alpha: Tensor, of_alpha: bool) -> Tensor:
        """d loss / d alpha or d loss / d w at plain values."""
        w, alpha = w.detach().requires_grad_(), alpha.detach().requires_grad_()
        return grad(function(w, alpha), alpha if of_alpha else w)[0]

    def step_alpha(self, function: Function, w: Tensor, alpha: Tensor) -> Tensor:
        return alpha - self.alpha_rate * self.slope(function, w, alpha, True)

    def step_weights(self, function: Function, w: Tensor, alpha: Tensor) -> Tensor:
        return w - self.rate * self.slope(function, w, alpha, False)

    def start(self) -> tuple[Tensor, Tensor]:
        """Copies of the weights and of alpha."""
        return self.weights.detach().clone(), self.alpha.detach().clone()

    def same_alpha(self, right: Tensor, case: str, slips: Mapping[str, Tensor] | None = None) -> None:
        same(self.alpha, right, case, "alpha after the step", slips, 1e-7)

    def same_weights(self, right: Tensor, case: str, slips: Mapping[str, Tensor] | None = None) -> None:
        same(self.weights, right, case, "w after the step", slips, 1e-7)


@check("moves alpha by the validation loss")
def alpha_learns(work: Any, rng: Random) -> None:
    for size, count in SIZES:
        problem = Problem(rng, size, count)
        w, alpha = problem.start()
        right, train, valid = problem.step_alpha(problem.valid, w, alpha), problem.train, problem.valid
        earlier = problem.step_weights(train, w, alpha)
        slips = {
            "alpha has not moved": alpha,
            "alpha learns from the training loss": problem.step_alpha(train, w, alpha),
            "alpha learns from both losses": right
            - problem.alpha_rate * problem.slope(train, w, alpha, True),
            "the weights were moved first": problem.step_alpha(valid, earlier, alpha),
            "the weights were moved first, and alpha got the training loss's slope as well": problem.step_alpha(
                valid, earlier, alpha
            )
            - problem.alpha_rate * problem.slope(train, w, alpha, True),
            "alpha moves up the slope": 2 * alpha - right,
            "alpha moves twice by one slope": 2 * right - alpha,
            "alpha moves by the weights' rate": alpha + (right - alpha) * problem.rate / problem.alpha_rate,
        }
        problem.ask(work)
        problem.same_alpha(right, problem.case, slips)


@check("then moves the weights by the training loss, and by nothing else")
def weights_learn(work: Any, rng: Random) -> None:
    for size, count in SIZES:
        problem = Problem(rng, size, count)
        w, alpha = problem.start()
        train, valid = problem.train, problem.valid
        moved = problem.step_alpha(valid, w, alpha)
        right, leak = problem.step_weights(train, w, moved), problem.rate * problem.slope(valid, w, alpha, False)
        slips = {
            "the weights have not moved": w,
            "the weights learn from the validation loss, kept to judge them": problem.step_weights(valid, w, moved),
            "the weights learn from the validation loss only": w - leak,
            "what the validation loss wrote into the weights' .grad was still there": right - leak,
            "the weights stepped on the validation loss too": problem.step_weights(train, w - leak, moved),
            "the training loss was evaluated before alpha moved": problem.step_weights(train, w, alpha),
            "the weights move up the slope": 2 * w - right,
        }
        problem.ask(work)
        problem.same_weights(right, problem.case, slips)


@check("remembers no gradient of before")
def forgets(work: Any, rng: Random) -> None:
    problem = Problem(rng, 2, 2)
    (w, alpha), train, valid = problem.start(), problem.train, problem.valid
    left = torch.zeros_like(alpha)
    for number in (1, 2, 3):
        case, slope = f"{problem.case}, step {number}", problem.slope(valid, w, alpha, True)
        right = problem.step_alpha(valid, w, alpha)
        trained = problem.slope(train, w, right, True)
        slips = {"alpha also moved by what the step before had left in its .grad": right - problem.alpha_rate * left}
        w, alpha, left = problem.step_weights(train, w, right), right, left + slope + trained
        problem.ask(work)
        problem.same_alpha(alpha, case, slips)
        problem.same_weights(w, case)
    for tensor in (problem.weights, problem.alpha):
        tensor.grad = torch.ones_like(tensor)  # somebody computed something before
    case = f"{problem.case}, both .grad full of ones when you are called"
    alpha = problem.step_alpha(valid, w, alpha)
    right = problem.step_weights(train, w, alpha)
    problem.ask(work)
    late = "what stood in .grad before the call was added: forget it first, not last"
    problem.same_alpha(alpha, case, {late: alpha - problem.alpha_rate})
    problem.same_weights(right, case, {late: right - problem.rate})


@check("evaluates each loss once and steps each optimizer once")
def cost(work: Any, rng: Random) -> None:
    problem = Problem(rng, 3, 2)
    problem.ask(work)
    for name, calls in problem.calls.items():
        if calls != 1:
            slip = "each evaluation is a pass through the whole mixed network" if calls else ""
            raise Wrong(f"the {name} loss was evaluated {calls} times in one step, not once", problem.case, slip)
    for name, optimizer in (("alpha", problem.alpha_optimizer), ("weight", problem.weight_optimizer)):
        if optimizer.steps != 1:
            slip = "" if optimizer.steps else "how far a step goes is the optimizer's to decide, not yours"
            raise Wrong(f"the {name} optimizer stepped {optimizer.steps} times, not once", problem.case, slip)


EXERCISE = Exercise(
    id="04-darts-step",
    title="One step of DARTS",
    lesson="04_darts",
    defines=("darts_step",),
    minutes=15,
    difficulty=2,
    why="Six lines hold the whole search; their order decides whether alpha is judged on unseen speech.",
    hints=(
        "backward() fills the .grad of everything a loss depends on. Whose .grad does the validation loss fill besides "
        "alpha's, and who will read it next?",
        "Forget alpha's gradient, evaluate the validation loss, move alpha. Then the same three for the weights.",
        "alpha_optimizer.zero_grad(), valid_loss().backward(), alpha_optimizer.step(): half of it.",
    ),
    checks=(alpha_learns, weights_learn, forgets, cost),
)
