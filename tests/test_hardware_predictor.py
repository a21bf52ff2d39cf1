"""The latency predictor: scikit-learn's own checks, accuracy on a made-up machine, files."""

from __future__ import annotations

import json
import pickle
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest
import sklearn
import skops.io
from made_up_machine import made_up_ms
from scipy.stats import spearmanr
from sklearn.base import clone
from sklearn.utils.estimator_checks import check_estimator

from speechnas_lab.errors import BadInput
from speechnas_lab.hardware import LatencyPredictor, measure
from speechnas_lab.space import MobileConformerSpace

SPACE = MobileConformerSpace("laptop")
KINDS = ("lookup", "forest", "mlp", "corrected")


@pytest.fixture(scope="module")
def data():
    rng = random.Random(0)
    archs = [SPACE.sample(rng) for _ in range(150)]
    noise = np.random.default_rng(0).normal(0, 0.01, len(archs))
    return archs, np.array([made_up_ms(arch) for arch in archs]) * np.exp(noise)


@pytest.mark.parametrize("kind", ["forest", "mlp"])
def test_scikit_learns_own_checks(kind):
    check_estimator(LatencyPredictor(kind, trees=5))


@pytest.mark.parametrize("kind", KINDS)
def test_held_out_architectures(kind, data):
    archs, ms = data
    predictor = LatencyPredictor(kind, SPACE, trees=60).fit(archs[:100], ms[:100])
    guess = predictor.predict(archs[100:])
    assert (abs(guess / ms[100:] - 1) < 0.1).mean() >= 0.98
    assert spearmanr(guess, ms[100:])[0] > 0.985
    rows = np.stack([SPACE.encode(arch) for arch in archs[100:]])
    assert np.array_equal(predictor.predict(rows), guess)
    assert np.array_equal(clone(predictor).fit(archs[:100], ms[:100]).predict(rows), guess)


@pytest.mark.parametrize("kind", KINDS)
def test_one_bad_measurement_spoils_little(kind, data):
    """A spike: one network of a hundred is said to take twenty times its time."""
    archs, ms = data
    spiked = ms[:100].copy()
    spiked[ms[:100].argmax()] *= 20
    guess = LatencyPredictor(kind, SPACE, trees=60).fit(archs[:100], spiked).predict(archs[100:])
    assert spearmanr(guess, ms[100:])[0] > 0.95


def test_the_table_has_no_negative_price(data):
    archs, ms = data
    predictor = LatencyPredictor("lookup", SPACE).fit(archs[:100], ms[:100])
    assert (predictor.fitted_.line.weights >= 0).all() and predictor.predict([SPACE.smallest()])[0] > 0


def test_the_quick_forest_is_scikit_learns(data):
    archs, ms = data
    predictor = LatencyPredictor("forest", SPACE, trees=30).fit(archs[:100], ms[:100])
    rows = np.stack([SPACE.encode(arch) for arch in archs]).astype(np.float64)
    quick, slow = predictor.fitted_.quick, predictor.fitted_.correction
    assert np.allclose(quick.predict(rows), slow.predict(rows), rtol=0, atol=1e-12)
    assert np.array_equal(quick.predict(rows)[:3], quick.predict(rows[:3]))  # the same bits alone and among many
    took = measure({"one": lambda: predictor.predict(rows[:1])}, repeats=5)["one"].median_ms
    assert took < 5, took


def test_mistakes_are_named(data):
    archs, ms = data
    with pytest.raises(BadInput, match="allowed: lookup"):
        LatencyPredictor("magic").fit(np.ones((3, 2)), np.ones(3))
    with pytest.raises(BadInput, match="needs the space"):
        LatencyPredictor("lookup").fit(np.ones((3, 2)), np.ones(3))
    with pytest.raises(BadInput, match="need a space"):
        LatencyPredictor().fit(archs, ms)
    with pytest.raises(BadInput, match="above 0"):
        LatencyPredictor("lookup", SPACE).fit(archs, -ms)
    with pytest.raises(BadInput, match="columns"):
        LatencyPredictor("lookup", SPACE).fit(np.ones((3, 2)), np.ones(3))
    with pytest.raises(ValueError):
        LatencyPredictor("forest", SPACE).fit(archs, np.full(len(archs), np.nan))


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_predictor_answers_the_same(kind, data, tmp_path):
    archs, ms = data
    predictor = LatencyPredictor(kind, SPACE, trees=20).fit(archs[:60], ms[:60])
    predictor.save(tmp_path / "p")
    again = LatencyPredictor.load(tmp_path / "p", SPACE)
    assert np.array_equal(again.predict(archs[:100]), predictor.predict(archs[:100]))
    rows = np.stack([SPACE.encode(arch) for arch in archs[:5]])
    assert np.array_equal(LatencyPredictor.load(tmp_path / "p").predict(rows), predictor.predict(rows))


class Trap:
    """A pickle that would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_bad_files_are_refused_and_never_run(data, tmp_path):
    archs, ms = data
    good = tmp_path / "good"
    LatencyPredictor("forest", SPACE, trees=5).fit(archs[:30], ms[:30]).save(good)
    with zipfile.ZipFile(good) as archive:
        about, parts = json.loads(archive.read("about.json")), archive.read("parts.skops")

    def refuse(match: str, about: dict | None = None, parts: bytes | None = None, raw: bytes | None = None) -> None:
        bad = tmp_path / "bad"
        if raw is None:
            with zipfile.ZipFile(bad, "w") as archive:
                archive.writestr("about.json", json.dumps(about))
                archive.writestr("parts.skops", parts)
        else:
            bad.write_bytes(raw)
        with pytest.raises(BadInput, match=match) as error:
            LatencyPredictor.load(bad, SPACE)
        assert "\n" not in str(error.value)

    old = {**about, "scikit-learn": "0.23.1"}
    refuse(f"0.23.1, here is {sklearn.__version__}; fit it again", old, parts)
    refuse("not a saved predictor", {key: about[key] for key in about if key != "scikit-learn"}, parts)
    refuse("not a saved predictor", about, parts[: len(parts) // 2])
    refuse("not a saved predictor", about, skops.io.dumps({"columns": 3}))
    bent = LatencyPredictor.load(good, SPACE)
    bent.fitted_.correction.estimators_[0].tree_.children_left[0] = 0  # a loop, which would never end
    bent.save(tmp_path / "bent")
    with zipfile.ZipFile(tmp_path / "bent") as archive:
        refuse("broken tree", about, archive.read("parts.skops"))
    whole = good.read_bytes()
    for cut in (0, 10, len(whole) // 2, len(whole) - 1):
        refuse("not a saved predictor", raw=whole[:cut])
    trap = tmp_path / "pwned"
    refuse("not a saved predictor", raw=pickle.dumps(Trap(trap)))
    refuse("not a saved predictor", about, pickle.dumps(Trap(trap)))
    assert not trap.exists()
    with pytest.raises(BadInput, match="no predictor file"):
        LatencyPredictor.load(tmp_path / "nowhere")
