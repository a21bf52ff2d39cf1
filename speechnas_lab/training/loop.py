"""One training loop and one recipe, for stand-alone networks and for the supernet alike."""

from __future__ import annotations

import io
import math
import random
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ..files import write_bytes
from ..models.network import Recogniser
from ..speech.augment import warp_mels
from .batches import Batch, BatchPlan, collate
from .losses import FrameHead, recognition_loss
from .optimizer import AdamW
from .recipe import Recipe

if TYPE_CHECKING:
    from ..speech import Examples

Backward = Callable[[Recogniser, FrameHead | None, Batch, Recipe, int], dict[str, float]]


class TrainingFailed(RuntimeError):
    """Training met a loss that is not a number; the message names the step and the utterances."""


def train(
    network: Recogniser,
    examples: Examples,
    recipe: Recipe,
    frame_labels: int = 0,
    backward: Backward | None = None,
    checkpoint: Path | None = None,
    tick: Callable[[int, dict[str, float]], None] | None = None,
    save_every: float = 20.0,
) -> list[dict[str, float]]:
    """Train `network` in place; return the parts of the loss at each step.

    `frame_labels` is the number of frame classes (0: no frame loss).
    `backward(network, frame_head, batch, recipe, step)` computes the loss, calls its backward and returns its parts;
    the default does so for one network, the supernet brings its own. With `checkpoint`, the run is saved there every
    `save_every` seconds and goes on from there.
    `tick(step, parts)` is called after each step. Raises TrainingFailed at a loss that is not finite.
    """
    torch.manual_seed(recipe.seed)
    head = FrameHead(tap_width(network), frame_labels) if frame_labels and recipe.frame_weight else None
    both = nn.ModuleDict({"network": network} | ({"frame_head": head} if head else {}))
    optimizer = AdamW(both.parameters(), recipe.rate, (0.9, recipe.beta2), recipe.weight_decay)
    plan = BatchPlan(examples, recipe.batch, recipe.seed)
    backward = backward or one_pass
    history = resume(checkpoint, both, optimizer, recipe)
    network.train()
    saved = time.monotonic()
    for step in range(len(history), recipe.steps):
        batch = collate(examples, plan(step))
        if recipe.warp:
            batch.features = warp_mels(batch.features, random.Random(f"{recipe.seed}/{step}"))
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate_at(step)
        optimizer.zero_grad()
        parts = backward(network, head, batch, recipe, step)
        bad = [name for name, value in parts.items() if not math.isfinite(value)]
        norm = optimizer.clip(recipe.clip)
        if bad or not math.isfinite(norm):
            what = bad[0] if bad else "gradient"
            raise TrainingFailed(
                f"step {step}: the {what} is not finite on the batch of {', '.join(batch.ids[:3])}, ...; "
                f"try a lower learning rate than {recipe.rate}"
            )
        optimizer.step()
        history.append(parts)
        if tick:
            tick(step, parts)
        if checkpoint and (time.monotonic() - saved > save_every or step + 1 == recipe.steps):
            save(checkpoint, both, optimizer, recipe, history)
            saved = time.monotonic()
    network.eval()
    return history


def one_pass(
    network: Recogniser, head: FrameHead | None, batch: Batch, recipe: Recipe, step: int
) -> dict[str, float]:
    """The ordinary step: one pass through one network."""
    loss, parts, _, _ = recognition_loss(network, head, batch, recipe, step)
    loss.backward()
    return parts


@torch.no_grad()
def tap_width(network: Recogniser) -> int:
    """Channels of the state that the frame loss listens to; of a supernet, the most that any of its paths has."""
    if hasattr(network, "tap_channels"):
        return network.tap_channels
    training = network.training
    bands = getattr(network, "input_dim", 80)
    network.eval()
    width = network.states(torch.zeros(1, 64, bands), torch.tensor([64]))[network.tap][0].shape[-1]
    network.train(training)
    return width


def save(path: Path, both: nn.ModuleDict, optimizer: torch.optim.Optimizer, recipe: Recipe, history: list) -> None:
    """Write a checkpoint beside `path`, then put it in place: tensors and plain values only."""
    state = {"weights": both.state_dict(), "optimizer": optimizer.state_dict(), "recipe": asdict(recipe)}
    stream = io.BytesIO()
    torch.save(state | {"history": history}, stream)
    write_bytes(path, stream.getvalue())


def resume(path: Path | None, both: nn.ModuleDict, optimizer: torch.optim.Optimizer, recipe: Recipe) -> list:
    """Load a checkpoint of the same recipe if there is a whole one; return the history it brings."""
    state = read_tensors(path) if path else None
    if state is None or state.get("recipe") != asdict(recipe):
        return []  # missing, cut off or of another run: train from the start
    both.load_state_dict(state["weights"])
    optimizer.load_state_dict(state["optimizer"])
    return list(state["history"])


def read_tensors(path: Path) -> dict[str, Any] | None:
    """The dictionary that `torch.save` wrote; None where the file is missing, cut off or something else. Runs no code
    from it.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        found = torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)
    except Exception:  # a damaged file leads the reader into errors of any class
        return None
    return found if isinstance(found, dict) else None
