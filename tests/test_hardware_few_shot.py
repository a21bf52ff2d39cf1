"""A predictor moved to another device, its intervals, and what it says outside the range that it knows."""

from __future__ import annotations

import random
import warnings

import numpy as np
import pytest
from made_up_machine import eager_ms, made_up_ms, scaled_ms
from scipy.stats import spearmanr
from sklearn.base import clone
from sklearn.utils.estimator_checks import check_estimator

from speechnas_lab.errors import BadInput
from speechnas_lab.hardware import Extrapolation, LatencyPredictor, choose_samples
from speechnas_lab.hardware.predictors.intervals import Range, half_width, left_out
from speechnas_lab.space import MobileConformerSpace, counts

SPACE = MobileConformerSpace("laptop")


@pytest.fixture(scope="module")
def archs():
    rng = random.Random(1)
    return list(dict.fromkeys(SPACE.canonical(SPACE.sample(rng)) for _ in range(240)))


@pytest.fixture(scope="module")
def known(archs):
    noise = np.random.default_rng(0).normal(0, 0.01, 100)
    ms = ms_of(made_up_ms, archs[:100]) * np.exp(noise)
    return LatencyPredictor("corrected", SPACE, trees=40).fit(archs[:100], ms)


def ms_of(machine, archs) -> np.ndarray:
    return np.array([machine(arch) for arch in archs])


def test_ten_samples_find_the_terms_of_the_move(archs, known):
    """A device that is made of the terms exactly, with the known one's predictions in place of its clock."""
    ten, new = choose_samples(SPACE, archs[:100]), archs[100:]
    truth = lambda some: 1.7 * known.predict(some) + [counts(arch).macs / 40e6 for arch in some] + 0.3  # noqa: E731
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Extrapolation)
        moved = LatencyPredictor("corrected", SPACE, known=known).fit(ten, truth(ten))
        assert np.abs(moved.predict(new) / truth(new) - 1).max() < 0.06
        assert np.median(np.abs(moved.predict(new) / truth(new) - 1)) < 0.02


@pytest.mark.parametrize("machine", [eager_ms, scaled_ms])
@pytest.mark.filterwarnings("ignore::speechnas_lab.hardware.Extrapolation")
def test_ten_noisy_samples_rank_a_new_device(archs, known, machine):
    new, noise = archs[100:], np.random.default_rng(1).normal(0, 0.02, 10)
    ten = choose_samples(SPACE, archs[:100], 10)
    moved = LatencyPredictor("corrected", SPACE, known=known).fit(ten, ms_of(machine, ten) * np.exp(noise))
    alone = LatencyPredictor("lookup", SPACE).fit(ten, ms_of(machine, ten) * np.exp(noise))
    rank = {name: spearmanr(p.predict(new), ms_of(machine, new))[0] for name, p in
            (("moved", moved), ("known", known), ("alone", alone))}  # fmt: skip
    assert rank["moved"] > 0.95 and rank["moved"] > rank["known"] and rank["moved"] > rank["alone"]
    guess, low, high = moved.predict(new, interval=0.9)
    assert ((low < ms_of(machine, new)) & (ms_of(machine, new) < high)).mean() > 0.8
    with pytest.raises(BadInput, match="needs 19 measured"):
        moved.predict(new, interval=0.95)


def test_the_chosen_lie_far_apart(archs):
    chosen = choose_samples(SPACE, archs, 10)
    shuffled = random.Random(2).sample(archs, len(archs))
    assert choose_samples(SPACE, shuffled, 10) == chosen and len(set(chosen)) == 10
    assert choose_samples(SPACE, archs, 4) == chosen[:4]
    names = SPACE.feature_names()
    ends = ("layers", "attention layers", "MMACs", "nonlinear k", "through gelu")
    encoded = np.stack([SPACE.encode(arch) for arch in archs])
    work = np.log1p([[row[[name.endswith(end) for name in names]].sum() for end in ends] for row in encoded])
    point = dict(zip(archs, (work - work.mean(0)) / work.std(0), strict=True))

    def nearest(arch, others):
        return min(float(np.linalg.norm(point[arch] - point[other])) for other in others)

    for k in range(1, 10):  # each is the one farthest from all before it
        assert nearest(chosen[k], chosen[:k]) == pytest.approx(max(nearest(arch, chosen[:k]) for arch in archs))
    rng = random.Random(3)
    spread = [counts(arch).macs for arch in chosen]
    assert max(spread) / min(spread) > np.median([max(m) / min(m) for m in (
        [counts(a).macs for a in rng.sample(archs, 10)] for _ in range(50))])  # fmt: skip
    with pytest.raises(BadInput, match="5 architectures to choose from"):
        choose_samples(SPACE, archs[:5], 10)
    with pytest.raises(BadInput, match="1 architectures"):
        choose_samples(SPACE, [archs[0], archs[0]], 2)


def test_a_moved_predictor_is_an_estimator(archs, known, tmp_path):
    ten = choose_samples(SPACE, archs[:100])
    moved = LatencyPredictor("corrected", SPACE, known=known).fit(ten, ms_of(eager_ms, ten))
    twin = clone(moved)
    assert twin.known is known and not hasattr(twin, "fitted_")
    rows = np.stack([SPACE.encode(arch) for arch in archs[:30]])
    assert np.array_equal(twin.fit(ten, ms_of(eager_ms, ten)).predict(rows), moved.predict(rows))
    moved.save(tmp_path / "moved")
    again = LatencyPredictor.load(tmp_path / "moved", SPACE)
    for mine, stored in zip(moved.predict(rows, interval=0.9), again.predict(rows, interval=0.9), strict=True):
        assert np.array_equal(mine, stored)
    with pytest.raises(BadInput, match="take 'corrected'"):
        LatencyPredictor("forest", SPACE, known=known).fit(ten, ms_of(eager_ms, ten))
    with pytest.raises(BadInput, match="fit it first"):
        LatencyPredictor("corrected", SPACE, known=LatencyPredictor("lookup", SPACE)).fit(ten, ms_of(eager_ms, ten))


@pytest.mark.parametrize("kind", ["lookup", "corrected"])
def test_scikit_learns_checks_fail_only_for_their_data(kind):
    """These kinds refuse tables that are not the space's, and times below 0: of scikit-learn's checks, those that bring
    such data end in our own one-line refusal, and all others pass."""
    found = check_estimator(LatencyPredictor(kind, SPACE, trees=5), on_fail=None, on_skip=None)
    failed = [one for one in found if one["status"] == "failed"]
    for one in failed:
        error, chain = one["exception"], []
        while error is not None:
            chain.append(error)
            error = error.__cause__ or error.__context__
        texts = [str(error) for error in chain]
        assert any("columns and the space encodes" in text or "must be above 0" in text for text in texts), one
    assert sum(one["status"] == "passed" for one in found) >= 10


def test_half_width_is_the_conformal_quantile():
    residuals = np.arange(1.0, 20.0)  # 19 of them
    assert half_width(residuals, 0.95) == 19 and half_width(residuals, 0.9) == 18 and half_width(residuals, 0.5) == 10
    for wrong in (0, 1, 1.5, -0.1, "0.9", True, float("nan")):
        with pytest.raises(BadInput, match="share between 0 and 1"):
            half_width(residuals, wrong)
    with pytest.raises(BadInput, match="needs 9 measured architectures or more and 8 were fitted"):
        half_width(residuals[:8], 0.9)


def test_left_out_rows_are_not_learnt_from():
    """The mean of the others is off by n / (n - 1) times the distance from the mean of all."""
    y = np.array([1.0, 2.0, 6.0, 7.0])
    learn = lambda X, y: lambda new: np.full(len(new), y.mean())  # noqa: E731
    found = left_out(learn, np.zeros((4, 1)), y, relative=False)
    assert np.allclose(found, np.sort(np.abs(y - y.mean()) * 4 / 3))
    many = np.random.default_rng(0).normal(size=100)
    seen = []
    left_out(lambda X, y: seen.append(len(y)) or (lambda new: np.zeros(len(new))), np.zeros((100, 1)), many, False)
    assert seen == [80] * 5


def test_intervals_hold_on_new_architectures(archs):
    """Over 40 draws, 100 to learn from, 100 others: the share inside is near to what was asked."""
    rows = np.stack([SPACE.encode(arch) for arch in archs]).astype(float)
    truth, rng, inside = ms_of(made_up_ms, archs), np.random.default_rng(2), {0.5: [], 0.9: []}
    for _ in range(40):
        order = rng.permutation(len(archs))
        ms = truth * np.exp(rng.normal(0, 0.02, len(archs)))
        seen, new = order[:100], order[100:200]
        predictor = LatencyPredictor("lookup", SPACE).fit(rows[seen], ms[seen])
        for share, found in inside.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Extrapolation)
                _, low, high = predictor.predict(rows[new], interval=share)
            found.append(((low <= ms[new]) & (ms[new] <= high)).mean())
    assert abs(np.mean(inside[0.9]) - 0.9) < 0.03 and abs(np.mean(inside[0.5]) - 0.5) < 0.06


def test_outside_its_range_it_says_so(archs):
    small = sorted(archs, key=lambda arch: counts(arch).macs)[:60]
    predictor = LatencyPredictor("lookup", SPACE).fit(small, ms_of(made_up_ms, small))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        predictor.predict(small)
        predictor.predict(small, strict=True)
    with pytest.warns(Extrapolation, match="it knows .* from .* to ") as seen:
        predictor.predict([SPACE.largest()])
    assert len(seen) == 1 and "\n" not in str(seen[0].message)
    with pytest.raises(BadInput, match="profile such architectures"):
        predictor.predict([SPACE.largest()], strict=True)
    both = LatencyPredictor("corrected", SPACE, known=predictor).fit([SPACE.largest(), *small[:9]], np.ones(10))
    assert not both.range_.outside(np.stack([SPACE.encode(SPACE.largest())]))


def test_range_is_per_count_with_a_margin():
    rows = np.array([[0.0, 10.0, 5.0], [4.0, 20.0, 5.0]])
    known = Range.of(rows, ("a", "b", "c"))
    assert known.outside(np.array([[5.0, 7.5, 5.0]])) == ""  # a quarter of the range to either side
    assert "a from 0 to 4" in known.outside(np.array([[5.1, 10, 5]]))
    assert "b from 10 to 20" in known.outside(np.array([[1, 10, 5], [1, 7.4, 5]]))
    assert "c from 5 to 5" in known.outside(np.array([[1, 10, 5.1]]))  # never varied: nothing is known of it
    summed = Range.of(rows, ("a and b",), np.array([[1.0], [1.0], [0.0]]))
    assert summed.outside(np.array([[20.0, 3.0, 99.0]])) == "" and summed.outside(np.array([[30.0, 3.0, 5.0]]))
