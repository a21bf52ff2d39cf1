"""The controller: case 35, the gradient against sums over all architectures, rewards."""

from __future__ import annotations

import itertools
import math
import random
from functools import partial
from typing import Any

import pytest
import torch
from gene_space import GeneSpace

from speechnas_lab.errors import BadInput
from speechnas_lab.search import Reinforce, absolute_reward, search
from speechnas_lab.search.controller import Controller, policy_loss
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
    assert strategy.controller.probabilities((0,))[0] == pytest.approx([0.5, 0.5], abs=0.05)


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


def test_the_gradient_is_that_of_the_expected_reward() -> None:
    """On average over all architectures, minus the gradient of policy_loss is the gradient of E[r] + entropy H."""
    controller = Controller([2, 3], hidden=4, seed=0).double()
    for weight in controller.parameters():
        torch.nn.init.normal_(weight, generator=torch.Generator().manual_seed(1))
    rewards = {pair: random.Random(str(pair)).random() for pair in itertools.product(range(2), range(3))}

    def likely(pair: tuple[int, int]) -> torch.Tensor:
        return torch.stack([log[i] for log, i in zip(controller(pair), pair, strict=True)]).sum().exp()

    def gradient(loss: torch.Tensor) -> torch.Tensor:
        found = torch.autograd.grad(loss, list(controller.parameters()), allow_unused=True)
        return torch.cat([g.flatten() for g in found if g is not None])

    expected = gradient(sum(likely(pair) * reward for pair, reward in rewards.items()))
    baseline = 0.3  # changes nothing on average
    averaged = sum(
        likely(pair).detach() * gradient(policy_loss(controller(pair), pair, reward - baseline, 0.0))
        for pair, reward in rewards.items()
    )
    torch.testing.assert_close(-averaged, expected, atol=1e-10, rtol=1e-8)
    log = controller((0, 0))
    spread = sum(torch.distributions.Categorical(logits=row).entropy() for row in log)
    torch.testing.assert_close(policy_loss(log, (0, 0), 0.0, 0.5), -0.5 * spread)


def test_draws_follow_the_probabilities() -> None:
    controller, rng = Controller([3, 2], hidden=8, seed=0), random.Random(0)
    with torch.no_grad():
        controller.bias[0].copy_(torch.tensor([2.0, 0.0, 0.0]))
    wanted = controller.probabilities((0, 0))[0]
    drawn = [controller.draw(rng)[0] for _ in range(2000)]
    assert [drawn.count(n) / 2000 for n in range(3)] == pytest.approx(wanted, abs=0.04)
    state = torch.get_rng_state()
    Controller([3, 2], hidden=8, seed=5)
    assert torch.equal(torch.get_rng_state(), state)  # nobody else's chance is touched


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
