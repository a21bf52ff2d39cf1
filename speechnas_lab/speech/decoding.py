"""From a network's outputs to token ids."""

from __future__ import annotations

import torch
from torch import Tensor


def greedy_decode(logits: Tensor, lengths: Tensor) -> list[list[int]]:
    """Best-path CTC decoding (Graves et al. 2006, section 3.2): the likeliest id of each frame, repeats
    merged, blanks (0) removed.

    logits (B, T, V), log-probabilities or unnormalised, tensor or array; lengths (B,) valid frames.
    Returns B lists of ids.
    """
    best = torch.as_tensor(logits).argmax(-1).cpu()  # (B, T)
    valid = torch.arange(best.shape[1]) < torch.as_tensor(lengths).cpu()[:, None]
    fresh = torch.ones_like(valid)
    fresh[:, 1:] = best[:, 1:] != best[:, :-1]
    keep = valid & fresh & (best != 0)
    return [row[mask].tolist() for row, mask in zip(best, keep, strict=True)]
