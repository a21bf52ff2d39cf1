"""The controller: case 35, the gradient against sums over all architectures, rewards."""

from __future__ import annotations

import itertools
import math
import random
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from gene_space import GeneSpace

from speechnas_lab.errors import BadInput
from speechnas_lab.search import Reinforce, absolute_reward, search
from speechnas_lab.search.controller import Adam, Controller
from speechnas_lab.search.rewards import Scale

torch.set_num_threads(1)


def shares(rewards: tuple[float, float], seed: int = 0, **settings: Any) -> tuple[float, Reinforce]:
    """Share of choice 0 among the last 50 of 300 asks on a space of two, and the strategy."""
    strategy = Reinforce(GeneSpace(1, 2), seed=seed, repeats=True, **settings)
    for _ in range(300):
        trial = strategy.ask()
        strategy.tell(trial, (-rewards[trial.arch.genes[0]],))  # values are minimised
    return sum(trial.arch.genes[0] == 0 for trial in strategy.trials[-50:]) / 50, strategy


@pytest.mark.parametrize("scale", [1.0, 1e6, 1e-3])
def test_case_35_the_better_choice_wins_in_both_directions(scale: float) -> None:
    assert shares((scale, 0.0))[0] > 0.8
    assert shares((0.0, scale))[0] < 0.2
    assert shares((scale, -scale))[0] > 0.8


@pytest.mark.parametrize("reward", [0.0, 1.0, 1e6, -1e6])
def test_case_35_a_constant_reward_teaches_nothing(reward: float) -> None:
    _, strategy = shares((reward, reward))
    assert strategy.controller.probabilities((0,))[0].tolist() == pytest.approx([0.5, 0.5], abs=0.05)


def test_case_35_minimise_and_maximise_are_mirror_images() -> None:
    def course(sign: int) -> list[Any]:
        strategy = Reinforce(GeneSpace(2, 3), seed=1, repeats=True, reward=lambda values: sign * values[0])
        for _ in range(60):
            trial = strategy.ask()
            strategy.tell(trial, (sign * float(sum(trial.arch.genes)),))
        return [trial.arch for trial in strategy.trials]

    assert course(1) == course(-1)


def test_known_architectures_teach_without_an_evaluation() -> None:
    strategy = Reinforce(GeneSpace(2, 4), seed=0)
    taught: list[tuple[float, ...]] = []
    teach = strategy._teach

    def listen(draw: tuple[int, ...], values: tuple[float, ...]) -> None:
        taught.append(values)
        teach(draw, values)

    strategy._teach = listen
    result = search(GeneSpace(2, 4), strategy, lambda trial: (float(sum(trial.arch.genes)),), 12)
    assert len({trial.arch for trial in result.trials}) == len(result.trials) == 12  # of 13
    assert len(taught) > 20 and set(taught) <= {trial.values for trial in result.trials}


def by_torch(controller: Controller, weights: torch.Tensor, indices: tuple[int, ...]) -> list[torch.Tensor]:
    """Log-probabilities of each gene by torch's own LSTM, from the controller's weights."""
    ends = np.cumsum([part.size for part in controller.part.values()])[:-1].tolist()
    shaped = zip(controller.part.items(), weights.tensor_split(ends), strict=True)
    part = {name: piece.reshape(old.shape) for (name, old), piece in shaped}
    entry, forget, out, value = part["lstm"].chunk(4)
    lstm = torch.cat([entry, forget, value, out])  # torch has another order of gates
    entry, forget, out, value = part["gates"].chunk(4)
    gates, none = torch.cat([entry, forget, value, out]), torch.zeros(4 * controller.hidden, dtype=torch.float64)
    read = [part["start"], *(part["choices"][controller.first[g] + i] for g, i in enumerate(indices[:-1]))]
    start = torch.zeros(1, 1, controller.hidden, dtype=torch.float64)
    below, before = lstm.split(controller.hidden, dim=1)
    weight = [below, before, gates, none]
    states, _, _ = torch.lstm(torch.stack(read)[:, None], (start, start), weight, True, 1, 0.0, False, False, False)
    return [(part["head"][g, :count] @ states[g, 0] + part["bias"][g, :count]).log_softmax(0)
            for g, count in enumerate(controller.options)]  # fmt: skip


def large(options: list[int], hidden: int) -> Controller:
    """A controller with weights large enough to make a difference."""
    controller = Controller(options, hidden, seed=0)
    controller.weights[:] = np.random.default_rng(1).normal(size=controller.weights.size)
    return controller


def test_the_gradient_is_autograds() -> None:
    controller, indices = large([3, 1, 4, 2], 5), (2, 0, 3, 0)
    weights = torch.tensor(controller.weights, requires_grad=True)
    logs = by_torch(controller, weights, indices)
    for share, log in zip(controller.probabilities(indices), logs, strict=True):
        np.testing.assert_allclose(share, log.exp().detach().numpy(), rtol=1e-12)
    for advantage, entropy in ((0.7, 0.3), (-2.0, 0.0), (0.0, 1.0)):
        chosen = sum(log[i] for log, i in zip(logs, indices, strict=True))
        spread = sum(torch.distributions.Categorical(logits=log).entropy() for log in logs)
        (wanted,) = torch.autograd.grad(-advantage * chosen - entropy * spread, weights, retain_graph=True)
        np.testing.assert_allclose(controller.gradient(indices, advantage, entropy), wanted, rtol=1e-9, atol=1e-12)


def test_on_average_the_gradient_is_that_of_the_expected_reward() -> None:
    """Summed over all architectures, weighted by how likely each is; a baseline changes nothing."""
    controller, pairs = large([2, 3], 4), list(itertools.product(range(2), range(3)))
    rewards = {pair: random.Random(str(pair)).random() for pair in pairs}
    weights = torch.tensor(controller.weights, requires_grad=True)

    def likely(pair: tuple[int, ...]) -> torch.Tensor:
        logs = by_torch(controller, weights, pair)
        return torch.stack([log[i] for log, i in zip(logs, pair, strict=True)]).sum().exp()

    (wanted,) = torch.autograd.grad(sum(likely(pair) * reward for pair, reward in rewards.items()), weights)
    averaged = sum(likely(pair).item() * controller.gradient(pair, rewards[pair] - 0.3, 0.0) for pair in pairs)
    np.testing.assert_allclose(-averaged, wanted, rtol=1e-8, atol=1e-10)


def test_adam_is_torchs() -> None:
    rng = np.random.default_rng(0)
    mine, wanted = rng.normal(size=20), torch.nn.Parameter(torch.zeros(20, dtype=torch.float64))
    wanted.data.copy_(torch.tensor(mine))
    ours, theirs = Adam(mine, 0.01), torch.optim.Adam([wanted], lr=0.01)
    for _ in range(30):
        slope = rng.normal(size=20) * 10 ** rng.uniform(-6, 3, 20)
        wanted.grad = torch.tensor(slope)
        ours.step(slope)
        theirs.step()
    np.testing.assert_allclose(mine, wanted.detach().numpy(), rtol=1e-10)


def test_draws_follow_the_probabilities() -> None:
    controller, rng = Controller([3, 2], hidden=8, seed=0), random.Random(0)
    controller.part["bias"][0] = [2.0, 0.0, 0.0]
    wanted = controller.probabilities((0, 0))[0]
    drawn = [controller.draw(rng)[0] for _ in range(2000)]
    assert [drawn.count(n) / 2000 for n in range(3)] == pytest.approx(list(wanted), abs=0.04)


def test_it_finds_better_ones_than_random_search() -> None:
    price = [[random.Random(place * 10 + gene).random() for gene in range(6)] for place in range(8)]

    def value(trial: Any) -> tuple[float, ...]:
        return (sum(row[gene] for row, gene in zip(price, trial.arch.genes, strict=True)),)

    wins = 0
    for seed in range(3):
        learnt, chance = (search(GeneSpace(8, 6, 24), name, value, 100, seed=seed) for name in ("reinforce", "random"))
        wins += learnt.best.values < chance.best.values
    assert wins == 3


def test_the_absolute_reward() -> None:
    at = partial(absolute_reward, target=20.0, beta=-0.1)
    assert at((0.2, 20.0)) == -0.2
    assert at((0.2, 40.0)) == pytest.approx(-0.3) and at((0.2, 10.0)) == pytest.approx(-0.25)
    for bad in (dict(target=0.0), dict(target=math.nan), dict(target=1.0, beta=0.1)):
        with pytest.raises(BadInput, match="target"):
            absolute_reward((0.1, 1.0), **bad)
    one, other = (Reinforce(reward=partial(absolute_reward, target=t)).settings() for t in (20.0, 25.0))
    assert one["reward"] == "absolute_reward(target=20.0)" != other["reward"]


def test_advantages_do_not_depend_on_the_unit() -> None:
    rewards = [random.Random(n).random() for n in range(30)]
    one, other = Scale(0.9), Scale(0.9)
    pairs = [(one.advantage(r), other.advantage(1e6 * r + 5e6)) for r in rewards]
    assert all(a == pytest.approx(b, abs=1e-6) for a, b in pairs)
    assert {Scale(0.9).advantage(r) for r in (1e6, -1e6, 0.0)} == {0.0}


def test_bad_settings_are_refused() -> None:
    for bad in (dict(rate=0.0), dict(decay=1.0), dict(entropy=-1.0), dict(hidden=0)):
        with pytest.raises(BadInput, match=next(iter(bad))):
            Reinforce(GeneSpace(), **bad)
