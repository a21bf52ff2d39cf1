"""Which token is spoken when, where nobody has marked it."""

from __future__ import annotations

import torch
from torch import Tensor


def flat_start_labels(tokens: Tensor, token_lengths: Tensor, lengths: Tensor, frames: int) -> Tensor:
    """Equal segmentation of a batch: frame t of an utterance with U tokens in L frames says token floor(t * U / L).

    tokens (B, U_max), token_lengths (B,), lengths (B,) -> int64 (B, frames); -1 behind an utterance's end and in one
    without tokens. The flat start of Kaldi (Povey et al., 2011, `align-equal-compiled`): a first guess of the
    alignment, good enough to show a network where to begin.
    """
    time = torch.arange(frames)[None, :]
    place = time * token_lengths[:, None] // lengths[:, None].clamp(min=1)  # (B, frames), 0 .. U - 1
    if tokens.shape[1] == 0:
        return torch.full((len(tokens), frames), -1)
    said = tokens.gather(1, place.clamp(max=tokens.shape[1] - 1))
    return said.where((time < lengths[:, None]) & (token_lengths[:, None] > 0), -1)
