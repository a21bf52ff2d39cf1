"""Which token is spoken when, where nobody has marked it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

ACTIVE = 0.3  # share of the range between quietest and loudest frame above which a frame counts as speech


def flat_start_labels(tokens: Sequence[int] | Tensor, n_frames: int, energy: Tensor | None = None) -> Tensor:
    """Equal segmentation: int64 (n_frames,), each of the U tokens gets an equal share of the frames, in
    order.

    The flat start of Kaldi (Povey et al. 2011, `align-equal`): a first guess of the alignment, good enough
    as the target of an auxiliary frame loss. With `energy` (n_frames,), a logarithmic level of each frame,
    the quiet frames before the first and after the last active one are labelled 0 (silence); active is
    above 30% of the range. Without tokens every frame is 0.
    """
    labels = torch.zeros(n_frames, dtype=torch.int64)
    if len(tokens) == 0 or n_frames == 0:
        return labels
    first, last = 0, n_frames  # speech is labels[first:last]
    if energy is not None:
        level = energy.float()
        if len(level) != n_frames:
            raise ValueError(f"energy has {len(level)} frames, expected {n_frames}")
        active = torch.nonzero(level >= level.min() + ACTIVE * (level.max() - level.min())).flatten()
        first, last = int(active[0]), int(active[-1]) + 1
    spoken = last - first
    share = torch.arange(spoken) * len(tokens) // spoken  # (spoken,) 0 .. U-1
    labels[first:last] = torch.as_tensor(tokens, dtype=torch.int64)[share]
    return labels
