"""Canonical forms and cardinality against brute force: every raw architecture of a few tiny spaces."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import product
from random import Random

import numpy as np
import pytest

from speechnas_lab import space
from speechnas_lab.space import Architecture, Block, Choices, MobileConformerSpace, Stage, counts

BASE = Choices(
    slots=(2, 1),
    widths=(4, 8),
    kernels=(0, 3),
    heads=(0, 2),
    expansions=(1.5,),
    reductions=("none", "conv", "pool"),
    activations=("gelu", "relu"),
    norms=("batch", "layer"),
    macarons=(False,),
    stems=(1,),
    output_reductions=(2,),
    min_depth=0,
    max_depth=3,
)
PLAIN = replace(BASE, heads=(0,), activations=("relu",), norms=("layer",))
TINY = {
    "genes": BASE,
    "macaron": replace(BASE, slots=(1, 1), widths=(4,), macarons=(True, False), max_depth=2),
    "uneven": replace(
        PLAIN, slots=(1, 3, 1), reductions=("none", "pool"), output_reductions=(4,), max_depth=4
    ),
    "many stages": replace(PLAIN, slots=(1, 1, 1, 1), output_reductions=(4,), min_depth=1, max_depth=3),
    "two expansions": replace(PLAIN, expansions=(1.0, 2.0), min_depth=2),
    "rates": replace(PLAIN, slots=(1, 1), stems=(1, 2, 3), output_reductions=(2, 4, 6, 12), max_depth=2),
    "small": replace(
        BASE, slots=(1, 1), widths=(4,), reductions=("none", "pool"), norms=("layer",), max_depth=2
    ),
    "small rates": replace(PLAIN, slots=(1,), stems=(1, 2, 3), output_reductions=(2, 4, 6), max_depth=1),
    "no skips": replace(PLAIN, kernels=(3, 5), min_depth=3),
    "one member": replace(PLAIN, slots=(1,), widths=(4,), reductions=("none",), min_depth=1, max_depth=1),
}


@cache
def everything(name: str) -> tuple[Architecture, ...]:
    return tuple(enumerate_raw(TINY[name]))


def enumerate_raw(c: Choices) -> Iterator[Architecture]:
    """All raw architectures, by the plain definition of the space."""
    pairs = product(c.kernels, c.heads)
    blocks = [Block(k, h, e) for k, h in pairs for e in (c.expansions if k or h else (0.0,))]
    shapes = [
        [Stage(w, r, b) for w in c.widths for r in c.reductions for b in product(blocks, repeat=n)]
        for n in c.slots
    ]
    for stages in product(*shapes):
        depth = sum(b.kernel > 0 or b.heads > 0 for stage in stages for b in stage.blocks)
        halvings = sum(stage.reduction != "none" for stage in stages)
        if c.min_depth <= depth <= c.max_depth:
            for stem, out in product(c.stems, c.output_reductions):
                if out % (stem * 2**halvings) == 0:
                    for words in product(c.activations, c.norms, c.macarons):
                        yield Architecture(stem, stages, *words, out)


def items(arch: Architecture) -> tuple:
    """What is computed, in order, and the genes that it reads."""
    found: list[object] = []
    width = arch.stages[0].width
    for stage in arch.stages:
        if stage.width != width or stage.reduction != "none":
            found.append(("transition", stage.reduction, stage.width))
            width = stage.width
        found += [block for block in stage.blocks if block != Block(0, 0, 0.0)]
    blocks = [item for item in found if isinstance(item, Block)]
    genes = (arch.activation if blocks else "", arch.macaron if blocks else "")
    norm = arch.norm if any(block.kernel for block in blocks) else ""
    return (arch.stem, arch.output_reduction, arch.stages[0].width, tuple(found), genes, norm)


def places(arch: Architecture) -> list[int]:
    """Where each item stands: number of slots before it."""
    found, slot, width = [], 0, arch.stages[0].width
    for stage in arch.stages:
        if stage.width != width or stage.reduction != "none":
            found.append(slot)
            width = stage.width
        for block in stage.blocks:
            if block != Block(0, 0, 0.0):
                found.append(slot)
            slot += 1
    return found


@pytest.mark.parametrize("name", TINY)
def test_cardinality_is_the_number_of_raw_members(name: str) -> None:
    here = MobileConformerSpace(choices=TINY[name])
    raw = everything(name)
    assert here.cardinality() == len(raw) == len(set(raw))
    assert all(arch in here for arch in raw)


@pytest.mark.parametrize("name", TINY)
def test_equal_canonical_forms_exactly_where_the_same_is_computed(name: str) -> None:
    here = MobileConformerSpace(choices=TINY[name])
    groups = defaultdict(list)
    for arch in everything(name):
        groups[items(arch)].append(arch)
    seen = set()
    for computed, members in groups.items():
        forms = {here.canonical(arch) for arch in members}
        assert len(forms) == 1
        form = forms.pop()
        assert form in members  # inside the space, and it computes the same
        assert here.canonical(form) == form
        assert all(np.all(np.array(places(form)) <= places(arch)) for arch in members)  # the earliest layout
        assert form not in seen
        seen.add(form)
        rows = {here.encode(arch).tobytes() for arch in members[:3]}
        assert len(rows) == 1
        assert len({(counts(arch).parameters, counts(arch).macs) for arch in members[:3]}) == 1
        assert computed == items(form)
    assert len({here.encode(form).tobytes() for form in seen}) == len(seen)


def test_irrelevant_genes_become_the_first_choice() -> None:
    here = MobileConformerSpace(choices=BASE)
    attention = Architecture(1, (Stage(4, "none", (Block(0, 2, 1.5),) * 2), Stage(4, "none", (space.SKIP,))),
                             "relu", "layer", False, 2)  # fmt: skip
    assert here.canonical(attention) == replace(attention, norm="batch")


def test_an_architecture_too_large_for_the_slots_is_refused() -> None:
    with pytest.raises(space.architecture.BadInput, match="does not fit"):
        MobileConformerSpace("laptop").canonical(space.conformer("S"))


@pytest.mark.parametrize(("preset", "out"), [("laptop", None), ("laptop", 16), ("full", None), ("full", 8)])
def test_cardinality_of_the_presets_by_dynamic_programming_over_stages(preset: str, out: int | None) -> None:
    here = MobileConformerSpace(preset, output_reduction=out)
    c = here.choices
    solid = (len(c.kernels) * len(c.heads) - 1) * len(c.expansions)
    total = 0
    for stem, output in product(c.stems, c.output_reductions):
        ways = {(0, 0): 1}  # (depth, halvings) -> raw prefixes
        for slots in c.slots:
            for _ in range(slots):
                step: dict[tuple[int, int], int] = defaultdict(int)
                for (depth, halvings), n in ways.items():
                    step[depth, halvings] += n
                    step[depth + 1, halvings] += n * solid
                ways = step
            step = defaultdict(int)
            for (depth, halvings), n in ways.items():
                step[depth, halvings] += n * len(c.widths)
                step[depth, halvings + 1] += n * len(c.widths) * 2
            ways = step
        total += sum(
            n for (depth, halvings), n in ways.items()
            if c.min_depth <= depth <= c.max_depth and stem * 2**halvings <= output
        )  # fmt: skip
    assert here.cardinality() == total * len(c.activations) * len(c.norms) * len(c.macarons)


@pytest.mark.parametrize("name", TINY)
def test_the_smallest_has_the_fewest_macs_and_the_largest_is_the_costliest_of_one_width(name: str) -> None:
    here = MobileConformerSpace(choices=TINY[name])
    small, large = here.smallest(), here.largest()
    assert small in here and large in here
    assert here.canonical(small) == small and here.canonical(large) == large
    assert counts(small).macs == min(counts(arch).macs for arch in everything(name))
    flat = [a for a in everything(name) if a.reductions == 0 and len({s.width for s in a.stages}) == 1]
    assert counts(large).macs >= max(counts(arch).macs for arch in flat)


@pytest.mark.parametrize("name", ["small", "small rates"])
def test_sampling_reaches_every_member_and_mutation_connects_them(name: str) -> None:
    here, rng = MobileConformerSpace(choices=TINY[name]), Random(0)
    assert {here.sample(rng) for _ in range(50 * here.cardinality())} == set(everything(name))
    forms = {here.canonical(arch) for arch in everything(name)}
    arch = here.smallest()
    reached = {here.canonical(arch)}
    for _ in range(100 * len(forms)):
        arch = here.mutate(arch, rng)
        reached.add(here.canonical(arch))
    assert reached == forms


def test_a_space_of_one_member_returns_it() -> None:
    here, rng = MobileConformerSpace(choices=TINY["one member"]), Random(0)
    only = here.sample(rng)
    assert here.cardinality() == 1
    assert here.mutate(only, rng) == here.crossover(only, only, rng) == only
