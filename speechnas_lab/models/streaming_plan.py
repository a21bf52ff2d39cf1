"""How a stream is cut: settings, and what they mean for each level of an architecture. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ..errors import BadInput
from ..space import Architecture

FORBIDDEN = -1e4  # added to a score that must not count; exp of it is 0 in float32


@dataclass(frozen=True)
class StreamSettings:
    """How much is heard at once, and how much of the past is kept. Frames are of 10 ms.

    chunk: frames of one step; 4 is 40 ms. Attention sees its whole chunk, so a larger chunk is a longer wait.
    left: frames before the chunk that attention sees.
    """

    chunk: int = 4
    left: int = 128

    def __post_init__(self) -> None:
        for name, least in (("chunk", 1), ("left", 0)):
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise BadInput(f"{name} is {value!r}; give a whole number of 10 ms frames, from {least}")


@dataclass(frozen=True)
class Plan:
    """What an architecture and its settings mean for time.

    rates: 10 ms frames that one frame of each stage covers, then of the output. period: frames after which each level
    has begun anew.
    """

    arch: Architecture
    settings: StreamSettings

    def __post_init__(self) -> None:
        chunk = self.settings.chunk
        if chunk % self.arch.stem:
            raise BadInput(f"chunk is {chunk}; it must be a multiple of the stem, {self.arch.stem} frames")
        for rate in (*self.rates, self.arch.output_reduction):
            if chunk % rate and rate % chunk:
                raise BadInput(f"chunk is {chunk}; it must divide {rate} or be a multiple of it: so many 10 ms frames "
                               "make one frame inside this architecture")  # fmt: skip

    @cached_property
    def rates(self) -> tuple[int, ...]:
        """10 ms frames in one frame of each stage."""
        found = [self.arch.stem]
        for stage in self.arch.stages:
            found.append(found[-1] * (1 if stage.reduction == "none" else 2))
        return tuple(found[1:])

    @cached_property
    def period(self) -> int:
        """10 ms frames after which the network is at the same place of its cycle."""
        return max(self.settings.chunk, self.arch.output_reduction)

    @cached_property
    def horizon(self) -> int:
        """Frames after which nothing that is counted changes any more: the past is full."""
        return -(-self.settings.left // self.period) * self.period

    def at_once(self, rate: int) -> int:
        """Frames of a level that one step brings, 1 where a frame needs several steps."""
        return max(1, self.settings.chunk // rate)

    def left(self, rate: int) -> int:
        """Frames of a level that attention sees before its chunk."""
        return self.settings.left // rate

    def advanced(self, time: int, frames: int) -> int:
        """The count of frames heard, after `frames` more. Beyond the horizon only the place in the cycle is kept."""
        time += frames
        return time if time <= self.horizon else self.horizon + (time - self.horizon) % self.period

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of everything that is carried from step to step, for one stream; 0 is where a batch goes."""
        found, arch, width, before = {}, self.arch, self.arch.stages[0].width, self.arch.stem
        for s, (stage, rate) in enumerate(zip(arch.stages, self.rates, strict=True)):
            waiting = max(0, rate // before - self.at_once(before)) if rate > before else 0
            if stage.reduction == "conv":
                found[f"stages.{s}.halve"] = (0, waiting + 1, width)
            elif waiting:
                found[f"stages.{s}.pool"] = (0, waiting, width)
            width, before = stage.width, rate
            for b, block in enumerate(stage.blocks):
                name = f"stages.{s}.blocks.{b}"
                if block.heads and self.left(rate):
                    found[f"{name}.attention"] = (2, 0, block.heads, self.left(rate), width // block.heads)
                if block.kernel > 1:
                    found[f"{name}.convolution"] = (0, block.kernel - 1, width)
        waiting = max(0, arch.output_reduction // before - self.at_once(before))
        if waiting:
            found["pool"] = (0, waiting, width)
        return found
