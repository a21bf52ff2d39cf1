"""A space as a row of choices: what strategies work on that know nothing of networks (TPE, a controller, a grid)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any, NamedTuple

from ..errors import BadInput
from .architecture import Architecture, Block, Stage
from .presets import Choices


class Gene(NamedTuple):
    """One choice: its name and its options, in a fixed order."""

    name: str
    options: tuple[Any, ...]


def chosen(genes: Sequence[Gene], indices: Sequence[int]) -> list[Any]:
    """The options that `indices` (one for each gene, from 0) stand for. BadInput for a wrong number or place."""
    if len(indices) != len(genes):
        raise BadInput(f"{len(indices)} indices for {len(genes)} genes; give one for each of space.genes()")
    for gene, index in zip(genes, indices, strict=True):
        if not 0 <= index < len(gene.options):
            raise BadInput(f"{gene.name} is option {index}; allowed: 0 to {len(gene.options) - 1}")
    return [gene.options[index] for gene, index in zip(genes, indices, strict=True)]


def conformer_genes(choices: Choices, blocks: Sequence[Block]) -> tuple[Gene, ...]:
    """Every choice of a Mobile Conformer, those with a single option too.

    The rates are one gene, the pair (stem, output_reduction), since not every pair is legal. A slot is one
    gene, its whole block, since a block without convolution has no kernel to choose.
    """
    genes = [
        Gene("rates", tuple(choices.rates())),
        Gene("activation", choices.activations),
        Gene("norm", choices.norms),
        Gene("macaron", choices.macarons),
    ]
    for s, slots in enumerate(choices.slots):
        genes.append(Gene(f"stages[{s}].width", choices.widths))
        genes.append(Gene(f"stages[{s}].reduction", choices.reductions))
        genes += [Gene(f"stages[{s}].blocks[{b}]", tuple(blocks)) for b in range(slots)]
    return tuple(genes)


def conformer_values(arch: Architecture) -> list[Any]:
    """What `arch` chose for each of `conformer_genes`."""
    values: list[Any] = [(arch.stem, arch.output_reduction), arch.activation, arch.norm, arch.macaron]
    for stage in arch.stages:
        values += [stage.width, stage.reduction, *stage.blocks]
    return values


def conformer_of(values: Sequence[Any], slots: Sequence[int]) -> Architecture:
    """The architecture with these values, in the order of `conformer_genes`. Its limits are not checked."""
    (stem, out), activation, norm, macaron, *rest = values
    left = iter(rest)
    stages = tuple(Stage(next(left), next(left), tuple(islice(left, n))) for n in slots)
    return Architecture(stem, stages, activation, norm, macaron, out)
