"""A space as a row of genes: there and back, and the whole product against the space's own members."""

from __future__ import annotations

import random
from itertools import product

import pytest

from speechnas_lab.errors import BadInput
from speechnas_lab.grading.small_space import small_space
from speechnas_lab.space import MobileConformerSpace


@pytest.mark.parametrize("preset", ["laptop", "full"])
def test_there_and_back(preset: str) -> None:
    space, rng = MobileConformerSpace(preset), random.Random(0)
    genes = space.genes()
    assert all(len(gene.options) > 1 for gene in genes)
    assert len({gene.name for gene in genes}) == len(genes)
    for _ in range(200):
        arch = space.sample(rng)
        indices = space.to_genes(arch)
        assert len(indices) == len(genes)
        assert space.from_genes(indices) == arch


def test_the_product_of_all_genes_holds_every_member_once() -> None:
    space = small_space()
    found, outside = [], 0
    for indices in product(*(range(len(gene.options)) for gene in space.genes())):
        try:
            arch = space.from_genes(indices)
        except BadInput as error:
            outside += 1
            assert "depth" in str(error) or "output_reduction" in str(error)
            continue
        assert arch in space and space.to_genes(arch) == indices
        found.append(arch)
    assert len(set(found)) == len(found) == space.cardinality()
    assert outside > 0


def test_what_does_not_fit_is_refused() -> None:
    space = MobileConformerSpace("laptop")
    good = space.to_genes(space.smallest())
    with pytest.raises(BadInput, match="one for each"):
        space.from_genes(good[:-1])
    for place in (-1, len(space.genes()[0].options)):
        with pytest.raises(BadInput, match=r"activation is option .*allowed: 0 to 2"):
            space.from_genes((place, *good[1:]))
    with pytest.raises(BadInput, match="Architecture"):
        space.to_genes("no architecture")
    with pytest.raises(BadInput, match="stages hold"):
        space.to_genes(MobileConformerSpace("full").sample(random.Random(0)))
