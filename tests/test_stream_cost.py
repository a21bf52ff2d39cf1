"""How long a stream waits and works: by arithmetic where there is some, by order where only a clock knows."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from speechnas_lab.errors import BadInput
from speechnas_lab.hardware import LatencyPredictor, Stream, export_step
from speechnas_lab.hardware.streaming.cost import StepLimit, algorithmic_latency_ms, step_latencies, stream_times
from speechnas_lab.hardware.streaming.graph import carried_bytes
from speechnas_lab.models import Plan, StreamSettings, build_streaming
from speechnas_lab.search import search
from speechnas_lab.space import Architecture, Block, MobileConformerSpace, Stage, counts
from speechnas_lab.speech import LogMel, Scale, WordTokenizer

SMALL = Architecture(4, (Stage(16, "pool", (Block(5, 4, 2.0),)),), "relu", "layer", False, 8)
LARGE = Architecture(4, (Stage(256, "pool", (Block(31, 8, 4.0),) * 4),), "relu", "layer", False, 8)


def test_the_wait_is_the_chunk_and_half_a_window() -> None:
    assert algorithmic_latency_ms(SMALL, StreamSettings(4)) == 92.5  # an output covers 80 ms
    assert algorithmic_latency_ms(SMALL, StreamSettings(32)) == 332.5


@pytest.mark.parametrize("chunk", [4, 16])
@torch.no_grad()
def test_an_output_waits_as_long_as_is_said_and_no_longer(chunk: int) -> None:
    torch.manual_seed(0)
    settings, mel, wave = StreamSettings(chunk, 16), LogMel(), 0.1 * torch.randn(16_000)
    network, period = build_streaming(SMALL, settings, vocab_size=5).eval(), max(chunk, 8)
    start = 6 * 8 // period * period  # the first frame of the stretch that output 6 belongs to
    # worst is a moment just behind the frame before, 10 ms earlier
    last = 160 * (start - 1) + round(16 * algorithmic_latency_ms(SMALL, settings))

    def output(changed: slice) -> torch.Tensor:
        other = wave.clone()
        other[changed] = 0.5
        return network(mel(other)[None], torch.tensor([101]))[0][0, 6]

    base = output(slice(0, 0))
    assert torch.equal(output(slice(last, None)), base)
    assert not torch.equal(output(slice(last - 40, last)), base)


def test_what_is_carried_counted_by_hand() -> None:
    past = 2 * 4 * (24 // 8) * (16 // 4)  # keys and values, heads, frames of 80 ms, channels of a head
    waiting, convolution = 16, (5 - 1) * 16
    assert carried_bytes(Plan(SMALL, StreamSettings(4, 24))) == 8 + 4 * (past + waiting + convolution)


def test_steps_of_a_stream_are_timed(tmp_path) -> None:
    network = build_streaming(SMALL, StreamSettings(4, 16), vocab_size=3).eval()
    scale = Scale(torch.zeros(80), torch.ones(80))
    export_step(network, tmp_path / "step.onnx", {"tokenizer": WordTokenizer(["a", "b"]).to_json(), **scale.facts()})
    stream = Stream(tmp_path / "step.onnx")
    times = stream_times(stream, np.zeros(6 * 16_000))
    assert times.steps == 150 - 25 and times.step_ms == 40
    assert 0 < times.median_ms <= times.p99_ms <= times.longest_ms
    assert times.margin == 40 / times.p99_ms
    assert 0 < times.processor_p99_ms <= times.longest_ms
    assert stream.finish() == []
    with pytest.raises(BadInput, match="give 4 s or more"):
        stream_times(stream, np.zeros(16_000))


def test_a_larger_network_takes_longer_steps() -> None:
    small, large = step_latencies([SMALL, LARGE], StreamSettings(4, 16), repeats=5, burst=3)
    assert 3 * small.median_ms < large.median_ms


@pytest.mark.filterwarnings("ignore::speechnas_lab.hardware.predictors.predictor.Extrapolation")
def test_a_search_keeps_to_the_limit() -> None:
    space, rng, settings = MobileConformerSpace("laptop"), random.Random(0), StreamSettings()
    archs = [space.sample(rng) for _ in range(30)]
    made_up = [0.05 + counts(arch).macs / 2e8 for arch in archs]  # milliseconds
    limit = StepLimit(LatencyPredictor("lookup", space=space).fit(archs, made_up), settings, float(np.median(made_up)))
    found = search(space, "evolution", lambda trial: (-counts(trial.arch).parameters,), 60, limit, seed=0)
    assert all(limit.predicted_ms(trial.arch) <= limit.most_ms for trial in found.trials)
    free = search(space, "evolution", lambda trial: (-counts(trial.arch).parameters,), 60, seed=0)
    assert counts(found.best.arch).parameters < counts(free.best.arch).parameters
    refused = StepLimit(limit.predictor, StreamSettings(12), 1e9)  # 12 frames fit no output of 8
    assert not refused(archs[0])
    with pytest.raises(BadInput, match="above 0"):
        StepLimit(limit.predictor, settings, 0.0)

