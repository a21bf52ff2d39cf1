"""Finished work is taken for what it is: never for work with another name, recipe or speech."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
import torch
from cli_runs import MICRO
from speech_base import base

from speechnas_lab import files, pipeline, steps, work
from speechnas_lab.training import Recipe


@pytest.fixture
def source(small, tmp_path):
    settings = pipeline.Settings(str(base(tmp_path / "speech")), None, "smoke", 0, steps.Limits())
    return pipeline.open_source(settings, MICRO)


def test_a_result_serves_only_the_same_name_recipe_and_speech(source, tmp_path):
    recipe, out = Recipe(steps=1), tmp_path / "net"
    first = work.train_alone(source, "conformer-small", recipe, str(out), tests=False)
    assert first["key"]["recipe"] == asdict(recipe) and first["key"]["source"] == asdict(source)
    weights = out / "weights.pt"
    made = weights.stat().st_mtime_ns
    assert work.train_alone(source, "conformer-small", recipe, str(out), tests=False) == first
    assert weights.stat().st_mtime_ns == made
    files.write_json(out / "export.json", {"of": "these weights"})
    for name, other in (("conformer-small", replace(recipe, clip=0.5)), ("lstm", recipe)):
        found = work.train_alone(source, name, other, str(out), tests=False)
        assert (found["key"]["name"], found["key"]["recipe"]) == (name, asdict(other))
    assert not (out / "export.json").exists()
    assert "test" in work.train_alone(source, "lstm", recipe, str(out))  # wanted now, and missing before


def test_results_without_a_key_are_known_by_name_speech_seed_and_steps(source):
    recipe = Recipe(steps=3, seed=2)
    key = {"name": "lstm", "source": asdict(source), "recipe": asdict(recipe)}
    old = {"name": "lstm", "source": asdict(source), "seed": 2, "recipe": asdict(recipe.sized(4_000_000))}
    assert work.same_work(old, key)
    for change in ({"name": "jasper"}, {"seed": 1}, {"source": {}}, {"recipe": {"steps": 4}}, {"recipe": None}):
        assert not work.same_work(old | change, key)


def test_a_supernet_serves_only_the_same_recipe_and_rule(source, tmp_path):
    def weights(recipe, rule):
        return torch.load(work.train_supernet(source, "laptop", recipe, rule, str(tmp_path)), weights_only=True)

    def same(a, b):
        return all(torch.equal(a[name], b[name]) for name in a)

    first = weights(Recipe(steps=1), steps.Sandwich())
    made = (tmp_path / "supernet.pt").stat().st_mtime_ns
    assert same(first, weights(Recipe(steps=1), steps.Sandwich()))
    assert (tmp_path / "supernet.pt").stat().st_mtime_ns == made
    assert not same(first, weights(Recipe(steps=1, seed=1), steps.Sandwich()))
    made = (tmp_path / "supernet.pt").stat().st_mtime_ns
    weights(Recipe(steps=1, seed=1), steps.Sandwich(largest_only=1))
    assert (tmp_path / "supernet.pt").stat().st_mtime_ns != made
