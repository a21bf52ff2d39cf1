"""More voices than were recorded: random changes of features and sound, for training only."""

from __future__ import annotations

import random

import numpy as np
import torch
from torch import Tensor

from .audio import SAMPLE_RATE

Rng = random.Random | torch.Generator


def warp_mels(batch: Tensor, rng: Rng, low: float = 0.85, high: float = 1.15) -> Tensor:
    """Vocal tract length perturbation (Jaitly and Hinton 2013) on mel bands: out[b, t, m] = batch[b, t, a_b
    * m].

    batch (B, T, F); one factor a_b in [low, high] for each utterance. Linear interpolation between bands,
    the last band is held beyond the edge. The warp is linear on the mel axis, where the paper's is on the
    frequency axis. Returns a new tensor of the same shape and type.
    """
    count, _, bands = batch.shape
    factors = low + (high - low) * uniform(rng, count)  # (B,)
    place = (torch.arange(bands) * factors[:, None]).clamp(max=bands - 1)[:, None, :]  # (B, 1, F)
    # a hat of width one band around each source position: interpolation as one matrix product
    weights = (1 - (torch.arange(bands)[:, None] - place).abs()).clamp(min=0)  # (B, F source, F)
    return torch.bmm(batch.float(), weights.to(batch.device)).to(batch.dtype)


def spec_augment(
    batch: Tensor,
    lengths: Tensor,
    rng: Rng,
    bands: int = 15,
    band_masks: int = 2,
    time_share: float = 0.1,
    time_masks: int = 2,
) -> Tensor:
    """SpecAugment (Park et al. 2019) without time warping, for normalised features: masked values become 0,
    the mean.

    batch (B, T, F), lengths (B,) valid frames. Each band mask is 0 to `bands` wide, each time mask 0 to
    `time_share` of the utterance's frames. Returns a new tensor.
    """
    count, longest, all_bands = batch.shape
    valid = lengths.to(torch.float32)
    keep_bands = torch.ones(count, all_bands, dtype=torch.bool)
    extent, widest = torch.full((count,), float(all_bands)), torch.full((count,), float(bands))
    for _ in range(band_masks):
        keep_bands &= ~mask(rng, extent, widest, all_bands)
    keep_times = torch.ones(count, longest, dtype=torch.bool)
    for _ in range(time_masks):
        keep_times &= ~mask(rng, valid, valid * time_share, longest)
    keep = keep_times[:, :, None] & keep_bands[:, None, :]  # (B, T, F)
    return batch * keep.to(batch.device)


def mask(rng: Rng, extent: Tensor, widest: Tensor, size: int) -> Tensor:
    """bool (B, size): one run of 0 to `widest` (B,) places, somewhere within the first `extent` (B,)."""
    width = (uniform(rng, len(extent)) * (torch.minimum(widest, extent).floor() + 1)).floor()
    start = (uniform(rng, len(extent)) * (extent - width + 1)).floor()
    place = torch.arange(size)
    return (place >= start[:, None]) & (place < (start + width)[:, None])


def uniform(rng: Rng, count: int) -> Tensor:
    """float32 (count,) in [0, 1), from either kind of generator."""
    if isinstance(rng, torch.Generator):
        return torch.rand(count, generator=rng)
    return torch.tensor([rng.random() for _ in range(count)])


def change_speed(wave: np.ndarray, factor: float) -> np.ndarray:
    """Play float32 (n,) `factor` times as fast, pitch and all (Ko et al. 2015): -> (about n / factor,).

    The factor is rounded to whole per cents, between 0.5 and 2.
    """
    if not 0.5 <= factor <= 2:
        raise ValueError(f"factor {factor} is outside 0.5 to 2")
    from torchaudio.functional import resample

    return resample(torch.from_numpy(wave), round(100 * factor) * (SAMPLE_RATE // 100), SAMPLE_RATE).numpy()
