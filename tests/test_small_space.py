"""The small space of exercise 18: complete, in canonical form, with limits that leave something to find."""

from __future__ import annotations

import random

import torch
from scipy.stats import kendalltau

from speechnas_lab.grading.checks.search_limits import LABELS, World, weights
from speechnas_lab.grading.small_space import known, members, small_space
from speechnas_lab.models import build
from speechnas_lab.space import counts


def test_every_architecture_is_known_once():
    space = small_space()
    assert all(space.canonical(arch) == arch for arch in members()) and len(set(members())) == len(members())
    drawn = {space.canonical(space.sample(random.Random(seed))) for seed in range(3000)}
    assert drawn == set(members()) == set(known())


def test_the_table_is_plausible():
    rows = list(known().values())
    assert all(0 < row.test_wer < 1 and 0 < row.valid_wer < 1 and row.latency_ms > 0 for row in rows)
    assert kendalltau([row.valid_wer for row in rows], [row.test_wer for row in rows]).statistic > 0.8
    macs = [counts(arch).macs for arch in known()]
    assert kendalltau(macs, [row.latency_ms for row in rows]).statistic > 0.5


def test_bytes_are_those_of_the_networks_that_were_trained():
    arch = members()[0]
    network = build(arch, vocab_size=LABELS)
    assert network.head[1].out_features == LABELS
    assert sum(torch.numel(p) for p in network.parameters()) == counts(arch, vocab_size=LABELS).parameters
    assert weights(arch) < 4 * counts(arch, vocab_size=LABELS).parameters


def test_limits_leave_a_choice():
    for seed in range(50):
        world = World.drawn(random.Random(seed))
        allowed = world.allowed()
        assert 2 * world.budget < len(allowed) < len(members()) / 2
        best = min(allowed, key=lambda arch: known()[arch].test_wer)
        assert world.rank(best) == 0 and world.rank(max(members(), key=weights)) == 1
        assert min(row.test_wer for row in known().values()) < known()[best].test_wer  # a limit costs something
