"""A stream against the whole: features, network and words, however the sound is cut."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from speech_base import base

from speechnas_lab.errors import BadInput
from speechnas_lab.hardware import Stream, export_step, quick_step, session
from speechnas_lab.hardware.streaming.graph import carried_bytes, fresh_state
from speechnas_lab.hardware.streaming.stream import difference
from speechnas_lab.models import Plan, StreamSettings, build, build_streaming
from speechnas_lab.space import Architecture, Block, MobileConformerSpace, Stage
from speechnas_lab.speech import (
    CharTokenizer,
    LogMel,
    PieceTokenizer,
    Scale,
    StreamingLogMel,
    StreamingScale,
    WordStream,
    WordTokenizer,
    greedy_decode,
    prepare,
    read_manifest,
)

ARCH = Architecture(4, (Stage(24, "none", (Block(5, 4, 2.0),)), Stage(32, "conv", (Block(7, 2, 2.0),))),
                    "swish", "batch", macaron=False, output_reduction=8)  # fmt: skip
DEEP = Architecture(4, (Stage(16, "none", (Block(5, 4, 2.0), Block(1, 0, 1.5))), Stage(24, "conv", (Block(3, 0, 2.0),)),
                        Stage(32, "pool", (Block(7, 4, 2.0),))), "gelu", "layer", macaron=True, output_reduction=32)


def sound(seconds: float, seed: int = 0) -> np.ndarray:
    """Tones that come and go, with noise: float32, 16 kHz."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(16_000 * seconds)) / 16_000
    tones = sum(np.sin(2 * np.pi * f * time) * (np.sin(2 * np.pi * time / p) > 0) for f, p in ((300, 0.5), (1100, 0.7)))
    return (0.2 * tones + 0.01 * rng.standard_normal(len(time))).astype(np.float32)


def pieces(wave: np.ndarray, rng: random.Random, count: int) -> list[np.ndarray]:
    """`wave` cut at `count` random places; some pieces are empty."""
    return np.split(wave, sorted(rng.choices(range(len(wave) + 1), k=count)))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, torch.nn.Module, WordTokenizer, Scale]:
    """A step's file, its network with fresh weights, tokenizer and scale."""
    torch.manual_seed(3)
    network = build_streaming(ARCH, StreamSettings(4, 64), vocab_size=9)
    network(torch.randn(2, 100, 80), torch.tensor([100, 80]))  # other statistics than fresh ones
    network.head[1].weight.data *= 4  # so that the likeliest label changes often
    tokenizer = WordTokenizer([f"w{n}" for n in range(8)])
    scale = Scale(torch.full((80,), -6.0), torch.full((80,), 2.0))
    path = tmp_path_factory.mktemp("step") / "step.onnx"
    error = export_step(network.eval(), path, {"tokenizer": tokenizer.to_json(), **scale.facts()})
    assert error < 1e-5
    return path, network, tokenizer, scale


@pytest.mark.parametrize(("arch", "settings"), [
    (ARCH, StreamSettings(4, 24)), (ARCH, StreamSettings(16, 32)), (DEEP, StreamSettings(4, 64)),
    (DEEP, StreamSettings(8, 200)), (DEEP, StreamSettings(64, 0)),
    (MobileConformerSpace("laptop").sample(random.Random(3)), StreamSettings(4, 40))])  # fmt: skip
def test_the_graph_of_a_step_computes_the_step(arch: Architecture, settings: StreamSettings) -> None:
    torch.manual_seed(0)
    network = build_streaming(arch, settings, input_dim=20, vocab_size=11)
    network(torch.randn(2, 100, 20), torch.tensor([100, 60]))
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    model = quick_step(arch, settings, input_dim=20, vocab_size=11, weights=weights)
    onnx.checker.check_model(onnx.load_from_string(model), full_check=True)
    assert difference(model, network) < 2e-5
    network.head[1].bias.data += 0.01
    assert difference(model, network) > 0.009  # it would be seen


def test_a_step_that_completes_nothing_gives_nothing() -> None:
    settings = StreamSettings(4, 64)
    opened, state = session(quick_step(DEEP, settings, input_dim=20)), fresh_state(DEEP, settings)
    counts, names = [], list(state)
    for _ in range(40):
        logits, *values = opened.run(None, {"features": np.zeros((1, 4, 20), np.float32), **state})
        state = dict(zip(names, values, strict=True))
        counts.append(logits.shape[1])
    assert counts == ([0] * 7 + [1]) * 5
    total = sum(value.nbytes for value in state.values())
    assert total == carried_bytes(Plan(DEEP, settings))
    assert int(state["time"]) == 64 + (40 * 4 - 64) % 32


def test_features_of_a_stream_are_those_of_the_whole() -> None:
    mel, rng = LogMel(), random.Random(0)
    for samples in (1, 100, 199, 200, 201, 399, 400, 1600, 20_000):
        wave = sound(2, seed=samples)[:samples]
        whole = mel(wave)
        for _ in range(8):
            stream = StreamingLogMel(mel)
            rows = [stream.push(piece) for piece in pieces(wave, rng, 12)]
            got = torch.cat([*rows, stream.finish()])
            assert got.shape == whole.shape
            torch.testing.assert_close(got, whole, atol=2e-5, rtol=0)
            assert len(stream.finish()) == 0  # it is as new


def test_a_frame_waits_for_half_a_window_and_no_longer() -> None:
    stream = StreamingLogMel()
    assert stream.ahead_ms == 12.5
    assert len(stream.push(np.zeros(199))) == 0 and len(stream.push(np.zeros(1))) == 1
    assert len(stream.push(np.zeros(159))) == 0 and len(stream.push(np.zeros(1))) == 1
    assert len(stream.kept) <= 512 + 160


def test_a_running_mean_is_its_formula_whole_and_in_steps() -> None:
    x, start = torch.randn(500, 3), torch.tensor([1.0, 0.0, -1.0])
    scale = Scale(torch.tensor([0.1, 0.2, 0.3]), torch.tensor([1.0, 2.0, 4.0]), True, start)
    mean, rows = start.numpy().astype(float), []
    for t, frame in enumerate(x.numpy().astype(float), 1):
        mean = mean + (frame - mean) / min(100 + t, 300)
        rows.append(frame - mean)
    want = (torch.tensor(np.array(rows), dtype=torch.float32) - scale.mean) / scale.std
    early = (100 * start + x[:50].sum(0)) / 150  # at first: the mean of all frames, the start counted 100 times
    torch.testing.assert_close(x[49] - scale(x)[49] * scale.std - scale.mean, early, atol=1e-5, rtol=0)
    torch.testing.assert_close(scale(x), want, atol=1e-5, rtol=0)
    stream = StreamingScale(Scale.from_facts({k: json.dumps(v) for k, v in scale.facts().items()}))
    got = torch.cat([stream(part) for part in x.split([0, 1, 7, 92, 0, 300, 100])])
    torch.testing.assert_close(got, want, atol=1e-4, rtol=0)
    with pytest.raises(BadInput, match="running=True"):
        StreamingScale(Scale(start, start, True))


def test_a_recorded_corpus_is_prepared_as_its_stream_will_be_heard(tmp_path: Path) -> None:
    corpus = read_manifest(base(tmp_path))
    assert corpus.recorded
    tokenizer = WordTokenizer().fit(u.text for u in corpus.split("train"))
    test = prepare(corpus, tokenizer, cache=tmp_path, progress=False, running=True)["test"]
    utterance = next(u for u in corpus.split("test") if u.id == test.ids[1])
    mel, scale = StreamingLogMel(), StreamingScale(Scale.from_facts({k: json.dumps(v) for k, v in
                                                                     test.scale.facts().items()}))
    parts = pieces(corpus.audio(utterance), random.Random(0), 9)
    got = torch.cat([scale(mel.push(part)) for part in parts] + [scale(mel.finish())])
    torch.testing.assert_close(got, test.features[1].float(), atol=0.02, rtol=0.002)  # stored in half precision
    whole = prepare(corpus, tokenizer, cache=tmp_path, progress=False)["test"]
    assert (whole.features[1] - test.features[1]).abs().max() > 0.1  # the utterance's own mean is another
    with pytest.raises(BadInput, match="running=True"):
        StreamingScale(whole.scale)


def heard(stream: Stream, parts: list[np.ndarray]) -> tuple[list, np.ndarray]:
    """Words and logits of a sound in parts."""
    found = []
    stream.watch = found.append
    words = [word for part in parts for word in stream.feed(part)] + stream.finish()
    return words, np.concatenate(found)


def random_cuts(made: tuple, count: int) -> None:
    path, network, tokenizer, scale = made
    wave, rng = sound(2.3), random.Random(0)
    with torch.no_grad():
        features = scale(LogMel()(wave))[None]
        whole, lengths = network(features, torch.tensor([features.shape[1]]))
    text = tokenizer.decode(greedy_decode(whole, lengths)[0])
    assert len(text.split()) > 5
    stream, first = Stream(path), None
    for number in range(count):
        words, logits = heard(stream, pieces(wave, rng, rng.randint(0, 40) if number else 0))
        assert logits.shape == tuple(whole.shape[1:])
        assert abs(logits - whole[0].numpy()).max() < 1e-4
        assert " ".join(word.text for word in words) == text
        first = first or words
        assert words == first


def test_twenty_random_cuts_give_the_same_words(made: tuple) -> None:
    random_cuts(made, 20)


@pytest.mark.slow
def test_five_hundred_random_cuts_give_the_same_words(made: tuple) -> None:
    random_cuts(made, 500)


def test_two_streams_and_int16_and_an_end_in_the_middle(made: tuple) -> None:
    one, two, wave = Stream(made[0]), Stream(made[0]), sound(1.5)
    for k in range(0, len(wave), 1000):  # in turn, with other sound
        one.feed(wave[k : k + 1000])
        two.feed(wave[::-1][k : k + 1000])
    mixed = one.partial
    one.reset()
    assert one.partial == "" and isinstance(mixed, str)
    alone = heard(Stream(made[0]), [wave])
    assert heard(one, [wave])[0] == alone[0]
    whole = (wave * 32_768).round().clip(-32_768, 32_767).astype(np.int16)
    floats = heard(one, [whole.astype(np.float64) / 32_768])
    ints = heard(one, [whole[:5000], whole[5000:]])
    assert ints[0] == floats[0] and np.allclose(ints[1], floats[1], atol=1e-4)
    assert one.finish() == []  # nothing was heard since


def test_what_a_stream_carries_does_not_grow(made: tuple) -> None:
    stream, sizes, rng = Stream(made[0]), set(), random.Random(1)
    for _ in range(60):
        stream.feed(sound(0.4)[: rng.randint(1, 6400)])
        sizes.add(sum(value.nbytes for name, value in stream.carried().items() if name in stream.state))
    assert sizes == {carried_bytes(stream.plan)}
    carried = stream.carried()
    assert len(carried["samples"]) < 512 + 160 and len(carried["frames"]) < 4


def test_sound_that_cannot_be_heard_is_refused_in_one_line(made: tuple) -> None:
    stream = Stream(made[0])
    for bad, words in ((np.zeros((2, 100)), "one channel"), (np.array([0.0, np.nan]), "NaN"),
                       (np.array([3000.0]), "range -1 to 1"), (np.zeros(5, np.int32), "give int16")):  # fmt: skip
        with pytest.raises(BadInput, match=words):
            stream.feed(bad)
    assert stream.feed(np.array([])) == [] == stream.finish()
    from speechnas_lab.hardware import quick_graph

    with pytest.raises(BadInput, match="write one with export_step"):
        Stream(quick_graph(ARCH))


def frames(labels: list[int], size: int) -> np.ndarray:
    return np.eye(size)[labels]


def test_words_and_their_times_in_any_pieces() -> None:
    tokenizer = WordTokenizer(["go", "left", "stop"])
    labels = [0, 1, 1, 0, 1, 2, 2, 2, 0, 0, 3]
    want = [("go", 0.08, 0.24), ("go", 0.32, 0.4), ("left", 0.4, 0.64), ("stop", 0.8, 0.88)]
    for cut in range(len(labels) + 1):
        stream = WordStream(tokenizer, 0.08)
        words = stream.push(frames(labels[:cut], 4)) + stream.push(frames(labels[cut:], 4))
        assert stream.partial == "stop"
        words += stream.finish()
        assert [(w.text, w.start_s, w.end_s) for w in words] == want
        assert stream.frame == 0 and stream.finish() == []


@pytest.mark.parametrize("kind", [CharTokenizer, PieceTokenizer])
def test_words_of_letters_and_pieces_are_those_of_the_whole(kind: type) -> None:
    texts = ["go left", "stop the left light", "let it go on", "tell it all"]
    tokenizer, rng = kind().fit(texts), random.Random(0)
    for _ in range(60):
        runs = [(rng.randrange(tokenizer.vocab_size), rng.randint(1, 3)) for _ in range(rng.randint(1, 25))]
        labels = [label for label, times in runs for _ in range(times)]
        hot = frames(labels, tokenizer.vocab_size)
        want = tokenizer.decode(greedy_decode(torch.tensor(hot)[None], torch.tensor([len(labels)]))[0])
        stream, at = WordStream(tokenizer, 0.04), rng.randint(0, len(labels))
        words = stream.push(hot[:at]) + stream.push(hot[at:]) + stream.finish()
        assert " ".join(w.text for w in words) == want
        times = [t for w in words for t in (w.start_s, w.end_s)]
        assert times == sorted(times) and all(w.start_s < w.end_s for w in words)


def test_letters_spell_a_word_over_several_pieces() -> None:
    tokenizer = CharTokenizer().fit(["go on"])  # space g n o
    ids = {unit: n + 1 for n, unit in enumerate(tokenizer.units)}
    stream = WordStream(tokenizer, 0.1)
    assert stream.hear([0, ids["g"]]) == [] and stream.partial == "g"
    assert stream.hear([ids["o"], ids["o"]]) == [] and stream.partial == "go"
    assert stream.hear([ids[" "], ids[" "], 0]) == []
    (word,) = stream.hear([ids["o"]])
    assert (word.text, word.start_s, word.end_s) == ("go", 0.1, 0.4)
    assert [w.text for w in stream.finish()] == ["o"]


def test_an_ordinary_network_has_no_step() -> None:
    with pytest.raises(AttributeError):
        build(ARCH, vocab_size=3).step(torch.zeros(1, 4, 80))
