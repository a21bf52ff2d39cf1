"""Log mels of a sound that is still going on: the same numbers as `LogMel` gives for the whole."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..errors import BadInput
from .features import FLOOR, LogMel, Scale, running_mean_off

LOUDEST = 8.0  # float samples beyond this are taken for unscaled integers, as `check_audio` does


def to_float(samples: np.ndarray) -> np.ndarray:
    """Samples of one channel as float32 in [-1, 1]: int16 is divided by 32,768, floats stay as they are.

    Raises BadInput for other types, several channels, values that are not finite, and floats that were not scaled.
    """
    samples = np.asarray(samples)
    if samples.ndim != 1:
        raise BadInput(f"samples have the shape {samples.shape}; give one channel, (n,)")
    if samples.dtype == np.int16:
        return samples.astype(np.float32) / 32_768
    if samples.size == 0:
        return np.zeros(0, np.float32)
    if samples.dtype.kind != "f":
        raise BadInput(f"samples are {samples.dtype}; give int16, or floats from -1 to 1")
    if not np.isfinite(samples).all():
        raise BadInput("samples hold values that are not numbers (NaN or infinite); leave them out or put 0")
    peak = float(np.abs(samples).max())
    if peak > LOUDEST:
        raise BadInput(f"float samples reach {peak:.0f}; scale them to the range -1 to 1")
    return samples.astype(np.float32)


class StreamingLogMel:
    """Pieces of sound in, the frames that are complete out.

    Frame t is centred on sample t * hop and needs half a window behind it: `ahead_ms` of sound after its own moment.
    What is kept is less than a window and a hop of samples.
    """

    def __init__(self, mel: LogMel | None = None) -> None:
        self.mel = mel or LogMel()
        self.hop, spectrogram = self.mel.hop, self.mel.mel.spectrogram
        self.points, short = spectrogram.n_fft, spectrogram.win_length
        side = (self.points - short) // 2
        self.window = torch.nn.functional.pad(spectrogram.window, (side, self.points - short - side))
        self.need = side + short  # samples from a frame's first point to the last that its window lets through
        self.reset()

    @property
    def ahead_ms(self) -> float:
        """Milliseconds of sound after a frame's centre that it waits for: half the window."""
        return 1000 * (self.need - self.points // 2) / self.mel.sample_rate

    def reset(self) -> None:
        """Forget the sound: silence before it."""
        self.kept, self.heard = np.zeros(self.points // 2, np.float32), False

    def push(self, samples: np.ndarray) -> Tensor:
        """(n,) samples more, n from 0 -> float32 (k, n_mels), the k frames that they complete."""
        samples = to_float(samples)
        self.heard = self.heard or len(samples) > 0
        self.kept = np.concatenate([self.kept, samples])
        count = max(0, (len(self.kept) - self.need) // self.hop + 1)
        return self._frames(count)

    def finish(self) -> Tensor:
        """The frames still owed, zeros behind the end; 1 + n // hop in all, none of no sound. Then `reset`."""
        count = (len(self.kept) - self.points // 2) // self.hop + 1 if self.heard else 0
        frames = self._frames(count)
        self.reset()
        return frames

    @torch.inference_mode()
    def _frames(self, count: int) -> Tensor:
        if count <= 0:
            return torch.zeros(0, self.mel.n_mels)
        length = (count - 1) * self.hop + self.points
        sound = np.pad(self.kept[:length], (0, max(0, length - len(self.kept))))
        self.kept = self.kept[count * self.hop :].copy()
        framed = torch.from_numpy(sound).unfold(0, self.points, self.hop) * self.window  # (k, points)
        power = torch.fft.rfft(framed).abs().square()
        return (power @ self.mel.mel.mel_scale.fb).clamp(min=FLOOR).log()


class StreamingScale:
    """`Scale` on frames as they come. A centred scale takes off a running mean, which starts at the scale's `start`."""

    def __init__(self, scale: Scale) -> None:
        if scale.centred and scale.start is None:
            raise BadInput("this scale takes off the mean of the whole utterance, which no stream knows; prepare the "
                           "speech with running=True and train again")  # fmt: skip
        self.scale = scale
        self.reset()

    def reset(self) -> None:
        """Forget the sound."""
        self.mean, self.count = None, 0

    def __call__(self, log_mel: Tensor) -> Tensor:
        """(k, F) -> the same, normalised."""
        if self.scale.centred:
            log_mel, self.mean, self.count = running_mean_off(log_mel, self.scale.start, self.mean, self.count)
        return (log_mel - self.scale.mean) / self.scale.std
