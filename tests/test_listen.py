"""An exported model hears what its network hears; pictures and menus have words where they cannot be seen."""

from __future__ import annotations

import builtins
import json
import random
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from speechnas_lab.errors import BadInput
from speechnas_lab.hardware import export_onnx
from speechnas_lab.models import build
from speechnas_lab.space import MobileConformerSpace
from speechnas_lab.speech import CharTokenizer, LogMel, greedy_decode
from speechnas_lab.study import listen
from speechnas_lab.study.listen import START, Listener


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple:
    """A network with random weights, its tokenizer, and its file."""
    torch.manual_seed(0)
    tokens = CharTokenizer().fit(["abc de"])
    network = build(MobileConformerSpace().sample(random.Random(1)), vocab_size=tokens.vocab_size).eval()
    path = tmp_path_factory.mktemp("model") / "any.onnx"
    facts = {"tokenizer": tokens.to_json(), "feature_mean": [-7.0] * 80, "feature_std": [2.0] * 80}
    export_onnx(network, path, metadata=facts)
    return network, tokens, path


def test_hears_what_the_network_hears(model: tuple) -> None:
    network, tokens, path = model
    wave = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    features = (LogMel()(wave) + 7.0) / 2.0
    with torch.no_grad():
        logits, lengths = network(features[None], torch.tensor([len(features)]))
    heard = Listener(path).hear(wave)
    (ids,) = greedy_decode(logits, lengths)
    assert heard.text == tokens.decode(ids)
    assert np.allclose(heard.probabilities, logits[0].softmax(-1), atol=1e-4)
    assert heard.frame_seconds == pytest.approx(0.08)
    assert len(heard.labels) == int(lengths[0]) == 13  # 101 frames of 10 ms, 8 in one answer


def test_tokens_merge_repeats_drop_blanks_and_know_their_time(
    model: tuple, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, tokens, path = model
    answers = [0, 2, 2, 0, 2, 3, 3, 3, 0, 1]
    logits = np.full((len(answers), tokens.vocab_size), -1.0, np.float32)
    logits[np.arange(len(answers)), answers] = np.arange(len(answers))
    listener = Listener(path)
    monkeypatch.setattr(listener, "run", lambda features: logits)
    heard = listener.hear(np.zeros(int(16_000 * 0.75), np.float32))
    by_hand = [(2, 1, 3), (2, 4, 5), (3, 5, 8), (1, 9, 10)]  # label, first and last + 1 answer
    assert [token.text for token in heard.tokens] == [listener.units[label] for label, _, _ in by_hand]
    assert [token.start for token in heard.tokens] == pytest.approx([0.08 * first for _, first, _ in by_hand])
    assert [token.end for token in heard.tokens] == pytest.approx([0.24, 0.40, 0.64, 0.75])  # not past the sound
    assert all(0 < token.probability <= 1 for token in heard.tokens)


def test_one_sample_is_enough() -> None:
    assert Listener().hear(np.zeros(1, np.float32)).tokens == []


def test_model_that_comes_along_is_small_and_complete() -> None:
    assert START.stat().st_size < 500_000
    assert "thirteen" in Listener().units


def test_file_without_facts_or_model_is_refused(model: tuple, tmp_path: Path) -> None:
    network, _, _ = model
    export_onnx(network, tmp_path / "bare.onnx")
    with pytest.raises(BadInput, match="does not say how to listen.*export"):
        Listener(tmp_path / "bare.onnx")
    with pytest.raises(BadInput, match="no model file"):
        Listener(tmp_path / "missing.onnx")
    (tmp_path / "junk.onnx").write_text("junk")
    with pytest.raises(BadInput, match="cannot run"):
        Listener(tmp_path / "junk.onnx")


def test_listen_needs_no_network_code() -> None:
    assert not hasattr(listen, "build")


class Shown:
    """Stands in for IPython's display."""

    def __init__(self) -> None:
        self.parts: list[dict] = []

    def __call__(self, part: dict, raw: bool, display_id: bool = False) -> Shown:
        assert raw
        self.parts.append(part)
        return self

    def update(self, part: dict, raw: bool) -> None:
        self.parts.append(part)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    from speechnas_lab.study import pictures, what_if

    heard = Shown()
    for module in (pictures, what_if):
        monkeypatch.setattr(module, "display", heard)
    return heard


def test_pictures_have_words(shown: Shown) -> None:
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    from speechnas_lab.study.pictures import STYLE, show

    with plt.style.context(STYLE):
        show(plt.subplots()[0], 'Two <lines> that "cross".')
    show("<svg></svg>", "A drawing.")
    figure, drawing = shown.parts
    assert figure["text/plain"] == 'Two <lines> that "cross".'
    assert 'alt="Two &lt;lines&gt; that &quot;cross&quot;."' in figure["text/html"]
    assert drawing["image/svg+xml"] == "<svg></svg>" and "A drawing." in drawing["text/html"]
    assert plt.get_fignums() == []  # a figure left open would be shown twice


def test_menu_draws_its_first_choice_and_follows(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    ipywidgets = pytest.importorskip("ipywidgets")
    from speechnas_lab.study import Menu, explore

    boxes: list = []
    real = ipywidgets.Dropdown
    monkeypatch.setattr(ipywidgets, "Dropdown", lambda **options: boxes.append(real(**options)) or boxes[0])
    explore(lambda number: [{"text/plain": str(number)}], number=Menu("Pick", {"one": 1, "two": 2}))
    assert shown.parts[0]["text/plain"] == "Pick (can be changed while the notebook runs)"
    assert shown.parts[1:] == [{"text/plain": "1"}]
    boxes[0].value = "two"
    assert shown.parts[2:] == [{"text/plain": "2"}]


def test_menu_without_widgets_says_what_is_missing(
    shown: Shown, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from speechnas_lab.study import Menu, explore

    real = builtins.__import__

    def missing(name: str, *rest: object) -> object:
        if name == "ipywidgets":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.delitem(sys.modules, "ipywidgets", raising=False)
    monkeypatch.setattr(builtins, "__import__", missing)
    explore(lambda number: [{"text/plain": json.dumps(number)}], number=Menu("Pick", {"one": 1, "two": 2}))
    assert "pip install ipywidgets" in capsys.readouterr().out
    assert shown.parts == [{"text/plain": "1"}]


def test_moves_in_several_threads_draw_one_after_the_other(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    """JupyterLab delivers moves in threads of their own; two at once would draw into each other's picture."""
    ipywidgets = pytest.importorskip("ipywidgets")
    from speechnas_lab.study import Slider, explore

    boxes, inside, overlaps = [], [], []
    real = ipywidgets.IntSlider
    monkeypatch.setattr(ipywidgets, "IntSlider", lambda *a, **options: boxes.append(real(*a, **options)) or boxes[-1])

    def draw(a: int, b: int) -> list[dict]:
        overlaps.append(len(inside))
        inside.append(1)
        time.sleep(0.02)
        inside.pop()
        return [{"text/plain": f"{a} {b}"}]

    explore(draw, a=Slider("a", 0, 9, 1, 0), b=Slider("b", 0, 9, 1, 0))

    def move(box: object) -> None:
        for value in range(1, 6):
            box.value = value

    threads = [threading.Thread(target=move, args=(box,)) for box in boxes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not any(overlaps) and len(overlaps) > 3
    assert shown.parts[-1] == {"text/plain": "5 5"}  # the last picture is of where the hands were left
