"""08-sandwich-step: the largest, the smallest and some random networks learn from one batch; the largest teaches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..exercise import Exercise, Wrong, check, same

FEATURES, LABELS, LARGEST = 3, 4, 6
CASES = (([2], 0.5), ([3], 0.0), ([2, 4], 0.5), ([1, 5, 3], 0.25))  # (the others: smallest first, distil)
EARLY = "all passes first, then one step: else each network meets other weights than the one before"
Weights = dict[str, Tensor]


class Nested(nn.Module):
    """Two layers; a network is the number of hidden units in use, the leading ones. Notes who ran."""

    HANDED = ("activate",)

    def __init__(self, rng: Random) -> None:
        super().__init__()
        draw = lambda *shape: torch.tensor(  # noqa: E731
            [rng.gauss(0, 1) for _ in range(torch.Size(shape).numel())], dtype=torch.float64
        ).reshape(shape)
        self.up, self.down = nn.Parameter(draw(LARGEST, FEATURES)), nn.Parameter(draw(LABELS, LARGEST))
        self.width, self.ran = LARGEST, []

    def activate(self, width: int) -> Nested:
        self.width = width
        return self

    def forward(self, x: Tensor) -> Tensor:
        self.ran.append(self.width)
        return torch.tanh(x @ self.up[: self.width].T) @ self.down[:, : self.width].T


class Noting(torch.optim.SGD):
    """Gradient descent that notes the gradients at each step."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network.parameters(), lr=0.1)
        self.network, self.steps = network, []

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        with torch.enable_grad():
            loss = closure() if closure else None
        self.steps.append(_gradients(self.network))
        super().step()
        return loss


def _gradients(network: nn.Module) -> Weights:
    return {
        name: torch.zeros_like(p) if p.grad is None else p.grad.detach().clone()
        for name, p in network.named_parameters()
    }


class Case:
    """A fresh supernet, a batch, and what the learner's step does with them."""

    def __init__(self, rng: Random, others: list[int], distil: float) -> None:
        self.others, self.distil = others, distil
        self.network = Nested(rng)
        self.network.width = next(width for width in range(1, LARGEST) if width not in others)  # of an earlier step
        self.before = {name: p.detach().clone() for name, p in self.network.named_parameters()}
        self.x = torch.tensor([[rng.gauss(0, 1) for _ in range(FEATURES)] for _ in range(2)], dtype=torch.float64)
        self.y = torch.tensor([rng.randrange(LABELS) for _ in range(2)])
        self.optimizer = Noting(self.network)
        self.words = f"largest {LARGEST}, others {others}, 2 examples, distil {distil}"

    def run(self, work: Any) -> Case:
        work.sandwich_step(self.network, LARGEST, list(self.others), self.x, self.y, self.optimizer, self.distil)
        return self

    def learnt(self) -> Weights:
        """The gradients that the optimiser saw first; those left behind where it was never asked."""
        return self.optimizer.steps[0] if self.optimizer.steps else _gradients(self.network)

    def logits(self, weights: Weights, width: int) -> Tensor:
        return torch.tanh(self.x @ weights["up"][:width].T) @ weights["down"][:, :width].T

    def separately(self, loss: Callable[[Tensor, Tensor, bool], Tensor]) -> list[Weights]:
        """The gradient of each network by itself, in a backward pass of its own, the largest first.

        loss(own logits, the largest's logits, whether this is the largest)
        """
        found = []
        for width in (LARGEST, *self.others):
            weights = {name: w.clone().requires_grad_() for name, w in self.before.items()}
            logits, teacher = self.logits(weights, width), self.logits(weights, LARGEST)
            value = loss(logits, teacher, width == LARGEST)
            gradients = torch.autograd.grad(value, list(weights.values()), allow_unused=True)
            found.append({
                name: torch.zeros_like(w) if g is None else g
                for (name, w), g in zip(weights.items(), gradients, strict=True)
            })  # fmt: skip
        return found

    def rule(self, kl: Callable[[Tensor, Tensor], Tensor], hard: float | None = None) -> list[Weights]:
        """The sandwich rule with this `kl(teacher, student)`; hard: weight of the students' true labels."""
        hard = 1 - self.distil if hard is None else hard

        def loss(logits: Tensor, teacher: Tensor, largest: bool) -> Tensor:
            own = F.cross_entropy(logits, self.y)
            return own if largest else hard * own + self.distil * kl(teacher, logits)

        return self.separately(loss)


def _kl(teacher: Tensor, student: Tensor) -> Tensor:
    """KL(teacher || student), mean over the examples. Gradients flow into both."""
    p, q = teacher.log_softmax(-1), student.log_softmax(-1)
    return (p.exp() * (p - q)).sum(-1).mean()


def _taught(teacher: Tensor, student: Tensor) -> Tensor:
    return _kl(teacher.detach(), student)


def _soft_by_example(teacher: Tensor, student: Tensor) -> Tensor:
    """As `_taught`, but with a softmax along the examples."""
    p, q = teacher.detach().log_softmax(0), student.log_softmax(0)
    return (p.exp() * (p - q)).sum(-1).mean()


def _raw_student(teacher: Tensor, student: Tensor) -> Tensor:
    """As `_taught`, but with the student's logits in the place of its log-probabilities."""
    p = teacher.detach().log_softmax(-1)
    return (p.exp() * (p - student)).sum(-1).mean()


def _sum(passes: Sequence[Weights], share: float = 1.0) -> Weights:
    return {name: share * sum(each[name] for each in passes) for name in passes[0]}


@check("runs the largest first, then each of the others, once")
def exactly(work: Any, rng: Random) -> None:
    for others, distil in CASES:
        case = Case(rng, others, distil).run(work)
        ran, wanted = case.network.ran, [LARGEST, *others]
        if ran[:1] == [LARGEST] and Counter(ran) == Counter(wanted):
            continue
        slip = ""
        if not ran or ran[0] not in wanted or ran == [LARGEST] * len(wanted):
            slip = "activate(arch) must come before the pass; what was active stays active"
        elif ran.count(LARGEST) > 1:
            slip = "the teacher's answer is kept from its own pass; asking again costs the dearest pass twice"
        elif len(ran) < len(wanted):
            slip = f"left out: {sorted(set(wanted) - set(ran))}"
        elif ran[0] != LARGEST:
            slip = "the teacher must have answered before its students can listen"
        raise Wrong(f"these networks ran: {ran}", case.words, slip)


@check("adds up the gradients of all passes", 3, needs=(exactly,))
def adds(work: Any, rng: Random) -> None:
    for others, distil in CASES:
        case = Case(rng, others, distil).run(work)
        if len(case.optimizer.steps) > 1:
            raise Wrong(f"the optimiser took {len(case.optimizer.steps)} steps", case.words, EARLY)
        passes = case.rule(_taught)
        students = _sum(passes[1:], 1 / len(others))
        largest_too = case.separately(
            lambda logits, teacher, largest: (1 - distil) * F.cross_entropy(logits, case.y)  # noqa: B023
            + distil * _taught(teacher, logits)  # noqa: B023
        )
        slips = {
            "the teacher was not detached: it learns to be easy to imitate": _sum(case.rule(_kl)),
            "only the last network's gradient is left: zero_grad belongs before the first pass": passes[-1],
            "only the largest learns": passes[0],
            "the mean of the passes is taken; the rule adds them up": _sum(passes, 1 / len(passes)),
            "the mean over the students is taken; the rule adds them up": _sum([passes[0], students]),
            "KL has its direction turned: it is KL(teacher || student)": _sum(
                case.rule(lambda teacher, student: _kl(student, teacher.detach()))
            ),
            "the largest is taught too; it learns from the labels alone": _sum(largest_too),
            "KL is averaged over the labels too; it is a sum over labels and a mean over examples": _sum(
                case.rule(lambda teacher, student: _taught(teacher, student) / LABELS)
            ),
            "KL is summed over the examples; it is their mean": _sum(
                case.rule(lambda teacher, student: _taught(teacher, student) * len(case.x))  # noqa: B023
            ),
            "the student's logits went into KL as they are; it takes their log_softmax": _sum(case.rule(_raw_student)),
            "softmax(0) runs along the examples; probabilities are over the labels, the last axis": _sum(
                case.rule(_soft_by_example)
            ),
            "the students' own loss keeps its full weight; it has 1 - distil": _sum(case.rule(_taught, 1.0)),
            "the students hear the teacher only; their own loss is missing": _sum(case.rule(_taught, 0.0)),
            "distil and 1 - distil have changed places": _sum(
                case.separately(
                    lambda logits, teacher, largest: F.cross_entropy(logits, case.y)  # noqa: B023
                    if largest
                    else distil * F.cross_entropy(logits, case.y) + (1 - distil) * _taught(teacher, logits)  # noqa: B023
                )
            ),
            "the students learn from the teacher alone, with full weight; distil shares out the two": _sum(
                case.separately(
                    lambda logits, teacher, largest: F.cross_entropy(logits, case.y)  # noqa: B023
                    if largest
                    else _taught(teacher, logits)
                )
            ),
            "nobody is taught: the students learn from the labels alone": _sum(
                case.separately(lambda logits, teacher, largest: F.cross_entropy(logits, case.y))  # noqa: B023
            ),
        }
        _compare(case.learnt(), _sum(passes), case, slips)


@check("keeps the teacher free from its students", needs=(adds,))
def free(work: Any, rng: Random) -> None:
    case = Case(rng, [2, 4], 1.0).run(work)
    right = case.rule(_taught)[0]
    beyond = {"up": case.learnt()["up"][4:], "down": case.learnt()["down"][:, 4:]}
    for name, part in (("up", right["up"][4:]), ("down", right["down"][:, 4:])):
        slip = "detach the teacher's logits before a student compares itself with them"
        gap = float((beyond[name] - part).abs().max())
        if not gap <= 1e-7:
            raise Wrong(
                f"hidden units 5 and 6 belong to the largest network alone, and yet the gradient of {name} there is "
                f"off by {gap:.3g} from that of its own loss",
                case.words,
                slip if gap == gap else "",
            )


@check("takes one step of the optimiser, from fresh gradients", needs=(adds,))
def one_step(work: Any, rng: Random) -> None:
    case = Case(rng, [2, 4], 0.5)
    for p in case.network.parameters():
        p.grad = torch.full_like(p, 7.0)  # as an earlier step would leave them
    case.run(work)
    steps, right = len(case.optimizer.steps), _sum(case.rule(_taught))
    if steps != 1:
        slip = EARLY if steps else "without optimizer.step() nothing is learnt"
        raise Wrong(f"the optimiser took {steps} steps", case.words, slip)
    stale = {name: gradient + 7.0 for name, gradient in right.items()}
    _compare(case.learnt(), right, case, {"gradients of the step before are still there: no zero_grad": stale})
    for name, p in case.network.named_parameters():
        same(p, case.before[name] - 0.1 * right[name], case.words, f"{name} after the step", tolerance=1e-7)


def _compare(got: Weights, right: Weights, case: Case, slips: dict[str, Weights]) -> None:
    """All gradients at once, so that a slip is named only where it explains every one of them."""
    flat = lambda weights: torch.cat([weights["up"], weights["down"].T], 1)  # noqa: E731
    what = f"the gradient (one row per hidden unit: {FEATURES} weights in, {LABELS} weights out)"
    same(flat(got), flat(right), case.words, what, {slip: flat(value) for slip, value in slips.items()}, 1e-7)


EXERCISE = Exercise(
    id="08-sandwich-step",
    title="One step of the sandwich rule",
    lesson="08_sandwich",
    defines=("sandwich_step",),
    minutes=25,
    difficulty=3,
    why="This one step is what makes the networks inside a supernet usable as they are.",
    hints=(
        "backward() adds to the gradients that are there. Where, then, does zero_grad belong, and where step?",
        "Clear the gradients. Largest: activate, pass, cross-entropy, backward; keep its logits, cut off from the "
        "graph. Each other one: activate, pass, (1 - distil) cross-entropy + distil KL, backward. Then one step.",
        "teacher = logits.detach().log_softmax(-1); for a student: own = student.log_softmax(-1), and "
        "(teacher.exp() * (teacher - own)).sum(-1).mean() is KL(teacher || student).",
    ),
    checks=(exactly, adds, free, one_step),
)
