"""How a supernet is trained: path sampling, and the sandwich rule with in-place distillation."""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..space import Architecture, Cell, CellSpace, MobileConformerSpace
from ..training.batches import Batch
from ..training.losses import FrameHead, recognition_loss
from ..training.recipe import Recipe
from .cells import CellSupernet
from .supernet import Supernet


def one_path(
    supernet: Supernet | CellSupernet, head: FrameHead | None, batch: Batch, recipe: Recipe, step: int
) -> dict[str, float]:
    """A training step through one uniformly sampled path (SPOS, Guo et al., 2020)."""
    supernet.activate(some_path(supernet.space, random.Random(f"path {recipe.seed}/{step}")))
    loss, parts, _, _ = recognition_loss(supernet, head, batch, recipe, step)
    loss.backward()
    return parts


def some_path(space: MobileConformerSpace | CellSpace, rng: random.Random) -> Architecture | Cell:
    """A random architecture in the spelling that the search evaluates: blocks in the same places of the supernet."""
    return space.canonical(space.sample(rng))


@dataclass(frozen=True)
class Sandwich:
    """The sandwich rule (Yu and Huang, 2019; BigNAS, 2020): the largest, the smallest and some random architectures
    learn from one batch, and the largest teaches the others in place.

    loss = L(largest) + sum over the others of [(1 - distil) L(other) + distil KL(largest || other)]

    The outer two need less practice than the many between them: after `largest_only` steps, in which the teacher
    becomes worth listening to, they learn in every `outer_every`-th step only; else the largest just teaches.
    """

    distil: float = 0.5
    randoms: int = 2
    largest_only: int = 500
    outer_every: int = 4

    def students(self, supernet: Supernet, seed: int, step: int) -> list[Architecture]:
        """The architectures that learn in step number `step` beside the largest."""
        if step < self.largest_only:
            return []
        rng = random.Random(f"path {seed}/{step}")
        chosen = [some_path(supernet.space, rng) for _ in range(self.randoms)]
        return [supernet.space.smallest(), *chosen] if self.outer(step) else chosen

    def outer(self, step: int) -> bool:
        """Whether the largest and the smallest learn in this step."""
        return step < self.largest_only or step % self.outer_every == 0

    def __call__(
        self, supernet: Supernet, head: FrameHead | None, batch: Batch, recipe: Recipe, step: int
    ) -> dict[str, float]:
        supernet.activate(supernet.space.largest())
        with torch.set_grad_enabled(self.outer(step)):
            loss, parts, teacher, lengths = recognition_loss(supernet, head, batch, recipe, step)
        if self.outer(step):
            loss.backward()
        teacher = teacher.detach()  # the students learn from the teacher, never the teacher from them
        for number, arch in enumerate(self.students(supernet, recipe.seed, step)):
            supernet.activate(arch)
            own, own_parts, logits, _ = recognition_loss(supernet, head, batch, recipe, step)
            taught = distillation(logits, teacher, lengths)
            ((1 - self.distil) * own + self.distil * taught).backward()
            parts |= {f"student{number}.ctc": own_parts["ctc"], f"student{number}.distil": taught.item()}
        return parts


def distillation(student: Tensor, teacher: Tensor, lengths: Tensor) -> Tensor:
    """KL(teacher || student), summed over the labels, mean over the real frames: (B, T', V) twice -> scalar."""
    real = torch.arange(student.shape[1]) < lengths[:, None]
    return F.kl_div(
        student[real].log_softmax(-1), teacher[real].log_softmax(-1), reduction="batchmean", log_target=True
    )
