"""How a supernet is trained: path sampling, and the sandwich rule with in-place distillation."""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..space import Architecture
from ..training.batches import Batch
from ..training.losses import FrameHead, recognition_loss
from ..training.recipe import Recipe
from .supernet import Supernet


def one_path(supernet: Supernet, head: FrameHead | None, batch: Batch, recipe: Recipe, step: int) -> dict[str, float]:
    """A training step through one uniformly sampled path (SPOS, Guo et al., 2020)."""
    supernet.activate(supernet.space.sample(random.Random(f"{recipe.seed}/{step}")))
    loss, parts, _, _ = recognition_loss(supernet, head, batch, recipe, step)
    loss.backward()
    return parts


@dataclass(frozen=True)
class Sandwich:
    """The sandwich rule (Yu and Huang, 2019; BigNAS, 2020): each step trains the largest, the smallest and some
    random architectures on one batch, and the largest teaches the others.

    loss = L(largest) + sum over the others of [(1 - distil) L(other) + distil KL(largest || other)]
    """

    distil: float = 0.5
    randoms: int = 2
    smallest: bool = True
    largest_only: int = 0  # first steps that train the largest alone: a teacher worth listening to

    def students(self, supernet: Supernet, seed: int, step: int) -> list[Architecture]:
        """The architectures that step number `step` trains beside the largest."""
        if step < self.largest_only:
            return []
        rng = random.Random(f"{seed}/{step}")
        small = [supernet.space.smallest()] if self.smallest else []
        return small + [supernet.space.sample(rng) for _ in range(self.randoms)]

    def __call__(
        self, supernet: Supernet, head: FrameHead | None, batch: Batch, recipe: Recipe, step: int
    ) -> dict[str, float]:
        supernet.activate(supernet.space.largest())
        loss, parts, teacher, lengths = recognition_loss(supernet, head, batch, recipe, step)
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
