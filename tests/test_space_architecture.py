"""Architectures as data: JSON, ids, and the errors for hand-made ones."""

from __future__ import annotations

import hashlib
import json
import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from random import Random

import pytest

from speechnas_lab import space
from speechnas_lab.errors import BadInput
from speechnas_lab.space import Architecture, Block, Stage

ARCH = Architecture(
    4, (Stage(48, "none", (Block(3, 0, 2.0), space.SKIP)), Stage(64, "pool", (Block(5, 4, 1.5),))),
    activation="swish", norm="layer", macaron=False, output_reduction=8,
)  # fmt: skip


@pytest.mark.parametrize("preset", ["laptop", "full"])
def test_json_gives_the_same_architecture_and_id(preset: str) -> None:
    rng, here = Random(1), space.MobileConformerSpace(preset)
    for _ in range(50):
        arch = here.sample(rng)
        again = Architecture.from_json(arch.to_json())
        assert again == arch and hash(again) == hash(arch) and again.id == arch.id
        canonical_text = json.dumps(json.loads(arch.to_json()), sort_keys=True, separators=(",", ":"))
        assert arch.to_json() == canonical_text
        assert arch.id == hashlib.sha256(canonical_text.encode()).hexdigest()[:12]
        assert pickle.loads(pickle.dumps(arch)) == arch


def test_equal_architectures_have_equal_ids_even_with_an_integer_expansion() -> None:
    stages = (replace(ARCH.stages[0], blocks=(Block(3, 0, 2), space.SKIP)), ARCH.stages[1])
    assert replace(ARCH, stages=stages) == ARCH
    assert replace(ARCH, stages=stages).id == ARCH.id
    assert Architecture.from_json(ARCH.to_json().replace("2.0", "2")).id == ARCH.id


def test_depth_counts_what_is_not_skipped_and_nothing_can_be_changed() -> None:
    assert (ARCH.depth, ARCH.reductions) == (2, 1)
    with pytest.raises(FrozenInstanceError):
        ARCH.stem = 2  # type: ignore[misc]


def edited(path: tuple, value: object) -> str:
    """The JSON of ARCH with one field set; `value` is `del` to remove it."""
    data = json.loads(ARCH.to_json())
    place = data
    for key in path[:-1]:
        place = place[key]
    if value == "del":
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return json.dumps(data)


@pytest.mark.parametrize(
    ("path", "value", "named", "allowed"),
    [
        (("stages", 0, "blocks", 0, "kernel"), 4, "stages[0].blocks[0].kernel", "odd"),
        (("stages", 0, "blocks", 0, "kernel"), -1, "kernel", "odd"),
        (("stages", 0, "blocks", 0, "kernel"), True, "kernel", "odd"),
        (("stages", 1, "blocks", 0, "heads"), 5, "stages[1].blocks[0].heads", "divisor of the width 64"),
        (("stages", 1, "blocks", 0, "expansion"), 0, "expansion", "above 0"),
        (("stages", 1, "blocks", 0, "expansion"), float("nan"), "expansion", "above 0"),
        (("stages", 1, "blocks", 0, "expansion"), "2", "expansion", "above 0"),
        (("stages", 0, "blocks", 1, "expansion"), 2.0, "expansion", "0.0"),
        (("stages", 0, "width"), 0, "stages[0].width", "whole number"),
        (("stages", 0, "reduction"), "max", "stages[0].reduction", "'none', 'conv', 'pool'"),
        (("stages", 0, "blocks"), 3, "stages[0].blocks", "a list"),
        (("stages",), [], "stages", "one stage or more"),
        (("stages", 0), 7, "stages[0]", "width, reduction, blocks"),
        (("stem",), 2.5, "stem", "whole number"),
        (("activation",), "tanh", "activation", "'swish', 'gelu', 'relu'"),
        (("activation",), ["swish"], "activation", "'swish', 'gelu', 'relu'"),
        (("norm",), None, "norm", "'layer', 'batch'"),
        (("macaron",), 0, "macaron", "True, False"),
        (("output_reduction",), 4, "output_reduction", "multiple of stem x 2^reductions = 8"),
        (("depth",), -1, "depth", "stem, stages"),
        (("stem",), "del", "stem", "missing"),
        (("stages", 1, "blocks", 0, "heads"), "del", "heads", "missing"),
    ],
)  # fmt: skip
def test_bad_json_names_the_field_and_what_is_allowed(
    path: tuple, value: object, named: str, allowed: str
) -> None:
    with pytest.raises(BadInput) as error:
        Architecture.from_json(edited(path, value))
    assert named in str(error.value) and allowed in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"'])
def test_what_is_no_architecture_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="architecture"):
        Architecture.from_json(text)


def test_the_room_needs_no_torch() -> None:
    code = "import sys; from speechnas_lab import space; space.MobileConformerSpace(); space.drawing"
    code += "; assert 'torch' not in sys.modules; assert callable(space.drawing)"
    code += "; assert all(getattr(space, name) is not None for name in space.__all__)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
