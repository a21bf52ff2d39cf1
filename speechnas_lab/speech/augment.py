"""More voices than were recorded: random changes of features and sound, for training only."""

from __future__ import annotations

import random

import numpy as np
import torch
from torch import Tensor

from .audio import SAMPLE_RATE


def warp_mels(batch: Tensor, rng: random.Random, low: float = 0.85, high: float = 1.15) -> Tensor:
    """Vocal tract length perturbation (Jaitly and Hinton 2013) on mel bands: out[b, t, m] = batch[b, t, a_b * m].

    batch (B, T, F); one factor a_b in [low, high] for each utterance. Linear interpolation between bands, the last
    band is held beyond the edge. The warp is linear on the mel axis, where the paper's is on the frequency axis.
    Returns a new tensor of the same shape and type.
    """
    count, _, bands = batch.shape
    factors = torch.tensor([rng.uniform(low, high) for _ in range(count)])
    place = (torch.arange(bands) * factors[:, None]).clamp(max=bands - 1)[:, None, :]  # (B, 1, F) source bands
    # a hat of width one band around each source position: interpolation as one matrix product
    weights = (1 - (torch.arange(bands)[:, None] - place).abs()).clamp(min=0)  # (B, F source, F)
    return torch.bmm(batch.float(), weights.to(batch.device)).to(batch.dtype)


def spec_augment(
    batch: Tensor,
    lengths: Tensor,
    rng: random.Random,
    bands: int = 15,
    band_masks: int = 2,
    time_share: float = 0.1,
    time_masks: int = 2,
) -> Tensor:
    """SpecAugment (Park et al. 2019) without time warping, for normalised features: masked values become 0, the mean.

    batch (B, T, F), lengths (B,) valid frames. Each band mask is 0 to `bands` wide, each time mask 0 to
    `time_share` of the utterance's frames. Returns a new tensor.
    """
    keep = torch.ones_like(batch, dtype=torch.bool)
    for b, frames in enumerate(lengths.tolist()):
        for _ in range(band_masks):
            width = rng.randint(0, min(bands, batch.shape[2]))
            start = rng.randint(0, batch.shape[2] - width)
            keep[b, :, start : start + width] = False
        for _ in range(time_masks):
            width = rng.randint(0, int(time_share * frames))
            start = rng.randint(0, frames - width)
            keep[b, start : start + width] = False
    return batch * keep


def change_speed(wave: np.ndarray, factor: float) -> np.ndarray:
    """Play float32 (n,) `factor` times as fast, pitch and all (Ko et al. 2015): -> (about n / factor,).

    The factor is rounded to whole per cents, between 0.5 and 2.
    """
    if not 0.5 <= factor <= 2:
        raise ValueError(f"factor {factor} is outside 0.5 to 2")
    from torchaudio.functional import resample

    return resample(torch.from_numpy(wave), round(100 * factor) * (SAMPLE_RATE // 100), SAMPLE_RATE).numpy()
