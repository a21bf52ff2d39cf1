"""What a stream costs: how long it must wait, how long a step takes, and which architectures keep up."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import BadInput
from ...models.streaming_plan import Plan, StreamSettings
from ...space import Architecture
from ...speech.features import HOP, WINDOW
from ..graphs import session
from ..timing import Timing, measure
from .graph import fresh_state, quick_step

if TYPE_CHECKING:
    from .stream import Stream

GROUP = 25  # networks open at once
FIRST = 25  # pieces of a stream that are not counted: caches fill, memory is taken


def algorithmic_latency_ms(arch: Architecture, settings: StreamSettings) -> float:
    """Milliseconds from a moment of sound to the output that covers it, at worst, on an endlessly fast machine.

    The wait until the chunk is full (or the output's stretch of frames, if that is longer), and half a window of the
    features. A moment waits half a chunk less on average.
    """
    frames = Plan(arch, settings).period
    return 1000 * (frames * HOP + WINDOW / 2)


@dataclass(frozen=True)
class StepTimes:
    """How long steps take: features, network and decoding of each, one thread, warm.

    step_ms: sound that a step brings. margin: step_ms divided by the 99th percentile; above 1 the stream keeps up.
    processor_p99_ms: of the processor's own time, without the waits for it on a machine that others use too.
    """

    step_ms: float
    median_ms: float
    p99_ms: float
    longest_ms: float
    processor_p99_ms: float
    steps: int

    @property
    def margin(self) -> float:
        return self.step_ms / self.p99_ms


def stream_times(stream: Stream, wave: np.ndarray, piece_ms: float | None = None) -> StepTimes:
    """Feed `wave` in pieces of one step (or of `piece_ms`) and time each. The stream is as new afterwards."""
    import torch

    piece_ms = piece_ms or 1000 * HOP * stream.plan.settings.chunk
    size, threads = round(16 * piece_ms), torch.get_num_threads()
    pieces = [wave[at : at + size] for at in range(0, len(wave) - size + 1, size)]
    if len(pieces) < 4 * FIRST:
        least = 4 * FIRST * piece_ms / 1000
        raise BadInput(f"{len(wave) / 16_000:.1f} s of sound are too few; give {least:.0f} s or more")
    stream.reset()
    taken = []
    torch.set_num_threads(1)
    try:
        for piece in pieces:
            start, own = time.perf_counter_ns(), time.thread_time_ns()
            stream.feed(piece)
            taken.append(((time.perf_counter_ns() - start) / 1e6, (time.thread_time_ns() - own) / 1e6))
    finally:
        torch.set_num_threads(threads)
        stream.reset()
    wall, own = np.array(taken[FIRST:]).T
    middle, late = np.percentile(wall, [50, 99])
    busy = float(np.percentile(own, 99))
    return StepTimes(piece_ms, float(middle), float(late), float(wall.max()), busy, len(wall))


def step_latencies(
    archs: Sequence[Architecture],
    settings: StreamSettings | None = None,
    *,
    input_dim: int = 80,
    vocab_size: int = 200,
    repeats: int = 20,
    burst: int = 5,
) -> list[Timing]:
    """The busiest step of each network, the one that completes a frame on every level; random weights, one thread.

    The networks of a group of 25 take turns (see `timing`). What comes out is what a `LatencyPredictor` learns from.
    """
    settings, found = settings or StreamSettings(), []
    sound = np.random.default_rng(0).standard_normal((1, settings.chunk, input_dim), dtype=np.float32)
    for start in range(0, len(archs), GROUP):
        calls = {}
        for number, arch in enumerate(archs[start : start + GROUP]):
            plan, state = Plan(arch, settings), fresh_state(arch, settings)
            state["time"] = np.array(plan.horizon + plan.period - settings.chunk)
            opened = session(quick_step(arch, settings, input_dim=input_dim, vocab_size=vocab_size))
            calls[str(number)] = lambda opened=opened, feed={"features": sound, **state}: opened.run(None, feed)
        found += measure(calls, repeats, burst=burst).values()
    return found


class StepLimit:
    """The constraint "at most so many milliseconds for each step": `search(..., constraint=StepLimit(...))`.

    predictor: a `LatencyPredictor` fitted on `step_latencies`. An architecture that the chunk does not fit is outside.
    """

    def __init__(self, predictor: Any, settings: StreamSettings, most_ms: float) -> None:
        if not most_ms > 0:
            raise BadInput(f"most_ms is {most_ms}; give milliseconds above 0")
        self.predictor, self.settings, self.most_ms = predictor, settings, most_ms

    def predicted_ms(self, arch: Architecture) -> float:
        """The busiest step, estimated."""
        return float(self.predictor.predict([arch])[0])

    def __call__(self, arch: Architecture) -> bool:
        try:
            Plan(arch, self.settings)
        except BadInput:
            return False
        return self.predicted_ms(arch) <= self.most_ms
