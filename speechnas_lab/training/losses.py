"""What is minimised: CTC on the words, cross-entropy on the frames as a help off CTC's plateau."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..models.layers import Linear
from ..models.network import Recogniser
from ..speech.alignment import flat_start_labels
from .batches import Batch
from .recipe import Recipe


class FrameHead(nn.Module):
    """Guesses each frame's label from an encoder state of at most `width` channels; used in training only."""

    def __init__(self, width: int, labels: int) -> None:
        super().__init__()
        self.linear = Linear(width, labels)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.linear.weight[:, : x.shape[-1]], self.linear.bias)


def ctc_loss(logits: Tensor, lengths: Tensor, batch: Batch) -> Tensor:
    """-log p(tokens | sound) of each utterance (B,), divided by its tokens (Graves et al., 2006, eq. 8).

    Infinite where an utterance has too few frames for its tokens: `speech.prepare` keeps such ones out of training.
    """
    scores = logits.log_softmax(-1).transpose(0, 1)  # (T', B, V)
    losses = F.ctc_loss(scores, batch.tokens, lengths, batch.token_lengths, reduction="none", zero_infinity=False)
    return losses / batch.token_lengths.clamp(min=1)


def mean_of_finite(losses: Tensor) -> float:
    """The mean over the utterances that can be spelt in their frames; infinity if none can. NaN stays NaN."""
    spelt = losses[~losses.isposinf()]
    return spelt.mean().item() if len(spelt) else float("inf")


def frame_loss(logits: Tensor, lengths: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy of frame guesses (B, T_i, L) against the label in the middle of each stretch of frames."""
    frames = logits.shape[1]
    stretch = -(-batch.labels.shape[1] // frames)
    middle = (torch.arange(frames) * stretch + stretch // 2).clamp(max=batch.labels.shape[1] - 1)
    return F.cross_entropy(logits.flatten(0, 1), batch.labels[:, middle].flatten(), ignore_index=-1)


def flat_start_loss(logits: Tensor, lengths: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy against a flat start: each token is said in an equal share of the frames, in order.

    CTC alone first learns to say nothing, and leaves that plateau when luck has it. A rough alignment, dropped later,
    shows it the way: the flat start of Kaldi (Povey et al., 2011), used as a loss.
    """
    labels = flat_start_labels(batch.tokens, batch.token_lengths, lengths, logits.shape[1])
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-1)


def recognition_loss(
    network: Recogniser, frame_head: FrameHead | None, batch: Batch, recipe: Recipe, step: int
) -> tuple[Tensor, dict[str, float], Tensor, Tensor]:
    """The loss of one pass: (loss, its parts, logits (B, T', V), out_lengths (B,))."""
    states = network.states(batch.features, batch.lengths)
    x, lengths = states[-1]
    logits = network.head(x)
    loss = ctc_loss(logits, lengths, batch).mean()
    parts = {"ctc": loss.item()}
    if frame_head is not None and batch.labels is not None:
        tapped, tapped_lengths = states[network.tap]
        frame = frame_loss(frame_head(tapped), tapped_lengths, batch)
        parts["frame"] = frame.item()
        loss = loss + recipe.frame_weight * frame
    if weight := recipe.flat_weight_at(step):
        loss = loss + weight * flat_start_loss(logits, lengths, batch)
    return loss, parts, logits, lengths
