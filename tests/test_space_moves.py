"""Moves stay inside the space, always change something, and repeat with the seed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from speechnas_lab import space
from speechnas_lab.errors import BadInput
from speechnas_lab.space import PRESETS, Architecture, Block, Choices, MobileConformerSpace


def inside(arch: Architecture, c: Choices) -> bool:
    """Membership by its plain definition."""
    blocks = [block for stage in arch.stages for block in stage.blocks]
    solid = [block for block in blocks if block != Block(0, 0, 0.0)]
    halvings = sum(stage.reduction != "none" for stage in arch.stages)
    return (
        tuple(len(stage.blocks) for stage in arch.stages) == c.slots
        and all(stage.width in c.widths and stage.reduction in c.reductions for stage in arch.stages)
        and all(b.kernel in c.kernels and b.heads in c.heads and b.expansion in c.expansions for b in solid)
        and all(b.kernel or b.heads for b in solid)
        and c.min_depth <= len(solid) <= c.max_depth
        and arch.stem in c.stems and arch.output_reduction in c.output_reductions
        and arch.stem * 2**halvings <= arch.output_reduction
        and arch.activation in c.activations and arch.norm in c.norms and arch.macaron in c.macarons
    )  # fmt: skip


def genes(arch: Architecture) -> list[object]:
    own = [arch.stem, arch.output_reduction, arch.activation, arch.norm, arch.macaron]
    own += [gene for stage in arch.stages for gene in (stage.width, stage.reduction)]
    return own + [block for stage in arch.stages for block in stage.blocks]


@pytest.mark.parametrize("preset", ["laptop", "full"])
def test_thousands_of_children(preset: str) -> None:
    here, rng = MobileConformerSpace(preset), Random(28)
    c = here.choices
    mate = here.sample(rng)
    for _ in range(2_500):  # 10,000 pass as well, in 8 s
        arch = here.sample(rng)
        before = arch.to_json()
        child = here.mutate(arch, rng)
        mixed = here.crossover(arch, mate, rng)
        assert inside(arch, c) and inside(child, c) and inside(mixed, c)
        assert here.canonical(child) != here.canonical(arch)
        assert 1 <= sum(x != y for x, y in zip(genes(arch), genes(child), strict=True)) <= 2
        parents = zip(genes(mixed), genes(arch), genes(mate), strict=True)
        assert all(gene in (x, y) or gene == "none" for gene, x, y in parents)
        assert arch.to_json() == before  # the parent is as it was
        mate = child
    assert child in here and mixed in here and here.canonical(mixed) in here


@pytest.mark.parametrize("preset", ["laptop", "full"])
def test_same_seed_same_children(preset: str) -> None:
    def line(seed: int) -> list[str]:
        here, rng = MobileConformerSpace(preset), Random(seed)
        a, b = here.sample(rng), here.sample(rng)
        return [arch.id for arch in (a, b, here.mutate(a, rng), here.crossover(a, b, rng))]

    assert line(3) == line(3) != line(4)


def test_crossover_repairs_depth_and_reductions() -> None:
    c = replace(PRESETS["laptop"], slots=(1, 1, 1, 1), min_depth=2, max_depth=2)
    here, rng = MobileConformerSpace(choices=c), Random(0)
    for _ in range(500):
        a, b = here.sample(rng), here.sample(rng)
        assert inside(here.crossover(a, b, rng), c)


def test_sampling_follows_its_documented_odds() -> None:
    here, rng = MobileConformerSpace("laptop"), Random(5)
    drawn = [here.sample(rng) for _ in range(4000)]
    blocks = [block for arch in drawn for stage in arch.stages for block in stage.blocks]
    kinds = Counter(block.kind for block in blocks)
    for kind, odds in {"skip": 1 / 7, "convolution": 2 / 7, "attention": 2 / 7, "both": 2 / 7}.items():
        assert kinds[kind] / len(blocks) == pytest.approx(odds, abs=0.015)
    kernels = Counter(block.kernel for block in blocks if block.kernel)
    assert max(kernels.values()) < 1.08 * min(kernels.values())
    assert sum(arch.reductions for arch in drawn) / len(drawn) == pytest.approx(0.5, abs=0.03)


def test_what_is_outside_is_refused_with_the_field_named() -> None:
    here = MobileConformerSpace("laptop")
    arch = here.largest()
    first = arch.stages[0]

    def with_block(block: Block) -> Architecture:
        return replace(arch, stages=(replace(first, blocks=(block, space.SKIP)), *arch.stages[1:]))

    empty = tuple(replace(stage, blocks=(space.SKIP,) * 2) for stage in arch.stages)
    for bad, named in [
        (with_block(Block(31, 0, 2.0)), "kernel is 31; allowed in this space: 0, 3, 5, 7, 11, 15"),
        (with_block(Block(4, 0, 2.0)), "kernel is 4"),
        (with_block(Block(3, 2, 2.0)), "heads is 2; allowed in this space: 0, 4, 8, 16"),
        (with_block(Block(3, 0, 5.0)), "expansion is 5.0; allowed in this space: 1.5, 2.0"),
        (replace(arch, stages=(replace(first, width=144), *arch.stages[1:])), r"stages\[0\].width is 144"),
        (replace(arch, stages=arch.stages[1:]), "stages hold"),
        (replace(arch, stages=empty), "depth is 0 blocks; allowed: 1 to 6"),
        (replace(arch, stem=2), "stem is 2; allowed in this space: 4"),
        (replace(arch, macaron=True), "macaron is True"),
        (replace(arch, stages=tuple(replace(s, reduction="pool") for s in arch.stages)), "reduction is 8"),
        ("not an architecture", "an Architecture is needed"),
    ]:  # fmt: skip
        assert bad not in here
        with pytest.raises(BadInput, match=named):
            here.validate(bad)  # type: ignore[arg-type]
    with pytest.raises(BadInput):
        here.mutate(space.conformer("S"), Random(0))


def test_impossible_choices_are_refused() -> None:
    base = PRESETS["laptop"]
    for change, named in [
        ({"widths": ()}, "widths"), ({"widths": (48, 48)}, "widths"), ({"widths": (50,)}, "heads"),
        ({"reductions": ("conv",)}, "none"), ({"reductions": ("none", "max")}, "reductions"),
        ({"slots": ()}, "slots"), ({"slots": (0, 2)}, "slots"), ({"max_depth": 7}, "depth"),
        ({"min_depth": 3, "max_depth": 2}, "depth"),
        ({"kernels": (3,)}, "depth"), ({"output_reductions": (6,)}, "output_reductions"),
    ]:  # fmt: skip
        with pytest.raises(BadInput, match=named):
            replace(base, **change)
    with pytest.raises(BadInput, match="'laptop', 'full'"):
        MobileConformerSpace("tiny")
    with pytest.raises(BadInput, match="multiples of a stem"):
        MobileConformerSpace("laptop", output_reduction=6)


@pytest.mark.parametrize("preset", ["laptop", "full"])
def test_encode_is_a_finite_float32_row_with_a_name_for_each_column(preset: str) -> None:
    here, rng = MobileConformerSpace(preset), Random(2)
    for _ in range(200):
        arch = here.sample(rng)
        row = here.encode(arch)
        assert (
            row.dtype == np.float32 and row.shape == (len(here.feature_names()),) and np.isfinite(row).all()
        )
        named = dict(zip(here.feature_names(), row, strict=True))
        assert np.array_equal(row, here.encode(here.canonical(arch)))
        macs = sum(value for name, value in named.items() if name.endswith("MMACs")) * 1e6
        total = space.counts(arch)
        rest = sum(total.by_part[part][1] for part in ("stem", "head"))
        assert macs + rest == pytest.approx(total.macs, rel=1e-5)
    assert len(set(here.feature_names())) == len(here.feature_names())
