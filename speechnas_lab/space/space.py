"""The Mobile Conformer space and its moves: sample, mutate, cross over. `rng` is a `random.Random`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice, product
from math import comb
from random import Random
from typing import Any

import numpy as np

from ..errors import BadInput
from . import encoding, symmetry
from .architecture import SKIP, Architecture, Block, Stage, check
from .counting import counts
from .genes import Gene, chosen, conformer_genes, conformer_of, conformer_values
from .presets import PRESETS, Choices

_TRIES = 300  # draws before a move gives up; a draw succeeds far more often than not
_WHOLE = ("stem", "activation", "norm", "macaron", "output_reduction")  # genes of the whole architecture
_OPTIONS = {  # gene -> the field of Choices with its options
    **{gene: gene + "s" for gene in (*_WHOLE, "width", "reduction", "kernel", "expansion")},
    "heads": "heads",
}


class MobileConformerSpace:
    """All Mobile Conformers with the given choices.

    preset: "laptop" or "full". output_reduction: keep only this one (8 is one output frame each 80 ms).
    choices: your own `Choices`, in place of the preset's.
    Raises BadInput for an unknown preset and for choices that leave nothing to build.
    """

    def __init__(
        self, preset: str = "laptop", output_reduction: int | None = None, *, choices: Choices | None = None
    ) -> None:
        if preset not in PRESETS:
            raise BadInput(f"preset is {preset!r}; allowed: {', '.join(map(repr, PRESETS))}")
        choices = choices or PRESETS[preset]
        if output_reduction is not None:
            choices = replace(choices, output_reductions=(output_reduction,))
        self.choices = choices
        self.min_depth, self.max_depth = choices.min_depth, choices.max_depth
        self._rates = choices.rates()
        self._blocks: dict[str, list[Block]] = {}
        for kernel, heads in product(choices.kernels, choices.heads):
            for expansion in choices.expansions if kernel or heads else (0.0,):
                block = Block(kernel, heads, expansion)
                self._blocks.setdefault(block.kind, []).append(block)
        # A skip is drawn half as often as each other kind, so that a small space is not mostly holes.
        self._kinds = [name for name in self._blocks for _ in range(1 if name == "skip" else 2)]
        self._solid_kinds = [name for name in self._blocks if name != "skip"]

    def __repr__(self) -> str:
        return f"MobileConformerSpace(choices={self.choices})"

    @property
    def output_reduction(self) -> int:
        """The coarsest time resolution of the outputs, in units of 10 ms: what CTC feasibility must allow."""
        return max(out for _, out in self._rates)

    # ---- membership

    def validate(self, arch: Architecture) -> None:
        """Raise BadInput that names the first field outside the space, and what is allowed there."""
        check(arch)
        options = self.choices
        for gene in _WHOLE:
            _among(getattr(arch, gene), self._options(gene), gene)
        shape = tuple(len(stage.blocks) for stage in arch.stages)
        if shape != options.slots:
            raise BadInput(f"stages hold {shape} blocks; allowed: {options.slots} (fill up with skips)")
        for s, stage in enumerate(arch.stages):
            _among(stage.width, options.widths, f"stages[{s}].width")
            _among(stage.reduction, options.reductions, f"stages[{s}].reduction")
            for b, block in enumerate(stage.blocks):
                where = f"stages[{s}].blocks[{b}]"
                _among(block.kernel, options.kernels, f"{where}.kernel")
                _among(block.heads, options.heads, f"{where}.heads")
                if not block.is_skip:
                    _among(block.expansion, options.expansions, f"{where}.expansion")
        if not self.min_depth <= arch.depth <= self.max_depth:
            raise BadInput(f"depth is {arch.depth} blocks; allowed: {self.min_depth} to {self.max_depth}")

    def __contains__(self, arch: object) -> bool:
        try:
            self.validate(arch)  # type: ignore[arg-type]
        except BadInput:
            return False
        return True

    def _within_limits(self, arch: Architecture) -> bool:
        """Is `arch` inside, given that each gene alone is?"""
        most = self._rates.get((arch.stem, arch.output_reduction), -1)
        return arch.reductions <= most and self.min_depth <= arch.depth <= self.max_depth

    def blocks(self) -> list[Block]:
        """Every block that a slot may hold, a skip among them where that is allowed."""
        return [block for kind in self._blocks.values() for block in kind]

    # ---- as a row of choices

    @cached_property
    def _choices(self) -> tuple[Gene, ...]:
        return conformer_genes(self.choices, self.blocks())

    def genes(self) -> tuple[Gene, ...]:
        """Every choice that has two options or more. See `genes`."""
        return tuple(gene for gene in self._choices if len(gene.options) > 1)

    def to_genes(self, arch: Architecture) -> tuple[int, ...]:
        """For each of `genes()` the place of the option that `arch` has. BadInput for one outside the space."""
        self.validate(arch)
        pairs = zip(self._choices, conformer_values(arch), strict=True)
        return tuple(gene.options.index(value) for gene, value in pairs if len(gene.options) > 1)

    def from_genes(self, indices: Sequence[int]) -> Architecture:
        """The architecture with these options, the inverse of `to_genes`.

        Raises BadInput when they break a limit: the depth, or more reductions than the rates allow.

        >>> space = MobileConformerSpace("laptop")
        >>> arch = space.smallest()
        >>> space.from_genes(space.to_genes(arch)) == arch
        True
        """
        options = iter(chosen(self.genes(), indices))
        values = [next(options) if len(gene.options) > 1 else gene.options[0] for gene in self._choices]
        arch = conformer_of(values, self.choices.slots)
        self.validate(arch)
        return arch

    # ---- moves

    def sample(self, rng: Random) -> Architecture:
        """Draw a member.

        For a block: its kind first (a skip half as often as convolution, attention or both), then all else
        uniformly. For time: how many reductions first, then which stages. Every other gene uniformly. If
        there are too few or too many blocks, slots drawn at random are filled or skipped.
        """
        options = self.choices
        (stem, out), most = rng.choice(list(self._rates.items()))
        kinds = [k for k in options.reductions if k != "none"]
        count = rng.randint(0, min(most, len(options.slots))) if kinds else 0
        reduced = rng.sample(range(len(options.slots)), count)
        blocks = [self._draw(rng.choice(self._kinds), rng) for _ in range(sum(options.slots))]
        solid = [i for i, block in enumerate(blocks) if not block.is_skip]
        holes = [i for i, block in enumerate(blocks) if block.is_skip]
        for i in rng.sample(holes, max(0, self.min_depth - len(solid))):
            blocks[i] = self._draw(rng.choice(self._solid_kinds), rng)
        for i in rng.sample(solid, max(0, len(solid) - self.max_depth)):
            blocks[i] = SKIP
        widths = [rng.choice(options.widths) for _ in options.slots]
        reductions = [rng.choice(kinds) if s in reduced else "none" for s in range(len(options.slots))]
        words = [rng.choice(self._options(gene)) for gene in ("activation", "norm", "macaron")]
        return Architecture(stem, self._stages(widths, reductions, blocks), *words, out)

    def mutate(self, arch: Architecture, rng: Random) -> Architecture:
        """Change one or two genes so that the canonical form changes.

        The same architecture comes back only if the space has no other member.
        """
        self.validate(arch)
        before = self.canonical(arch)
        if self.cardinality() == 1:
            return arch
        for _ in range(_TRIES):
            child = self._change(arch, rng)
            if rng.random() < 0.5:
                child = self._change(child, rng)
            if self._within_limits(child) and self.canonical(child) != before:
                return child
        fresh = (self.sample(rng) for _ in range(_TRIES))  # no neighbour: start anew
        return next((child for child in fresh if self.canonical(child) != before), arch)

    def crossover(self, a: Architecture, b: Architecture, rng: Random) -> Architecture:
        """Take every gene (each block as a whole) from one parent or the other, by a fair coin.

        A child outside the limits is repaired: random stages or slots take the choice of the other parent
        where that helps. There are always enough of them, since both parents are inside.
        """
        self.validate(a)
        self.validate(b)
        rate = rng.choice((a, b))  # stem and output_reduction together: not all pairs are legal
        words = [getattr(rng.choice((a, b)), gene) for gene in ("activation", "norm", "macaron")]
        widths = [rng.choice(pair).width for pair in zip(a.stages, b.stages, strict=True)]
        reductions = [rng.choice(pair).reduction for pair in zip(a.stages, b.stages, strict=True)]
        surplus = sum(r != "none" for r in reductions) - self._rates[rate.stem, rate.output_reduction]
        spare = [s for s, r in enumerate(reductions) if r != "none" and rate.stages[s].reduction == "none"]
        for s in rng.sample(spare, max(0, surplus)):
            reductions[s] = "none"
        pairs = list(zip(_all_blocks(a), _all_blocks(b), strict=True))
        blocks = [rng.choice(pair) for pair in pairs]
        depth = sum(not block.is_skip for block in blocks)
        mixed = [i for i, (x, y) in enumerate(pairs) if x.is_skip != y.is_skip]
        holes = [i for i in mixed if blocks[i].is_skip]
        filled = [i for i in mixed if not blocks[i].is_skip]
        swapped = rng.sample(holes, max(0, self.min_depth - depth))
        swapped += rng.sample(filled, max(0, depth - self.max_depth))
        for i in swapped:
            x, y = pairs[i]
            blocks[i] = y if blocks[i] == x else x
        stages = self._stages(widths, reductions, blocks)
        return Architecture(rate.stem, stages, *words, rate.output_reduction)

    def _stages(self, widths: list[int], reductions: list[str], blocks: Sequence[Block]) -> tuple[Stage, ...]:
        """Deal `blocks` out to the slots of the stages."""
        rest, slots = iter(blocks), self.choices.slots
        genes = zip(widths, reductions, slots, strict=True)
        return tuple(Stage(width, reduction, tuple(islice(rest, n))) for width, reduction, n in genes)

    def _draw(self, name: str, rng: Random) -> Block:
        return rng.choice(self._blocks[name])

    def _options(self, gene: str) -> tuple:
        return getattr(self.choices, _OPTIONS[gene])

    @cached_property
    def _genes(self) -> list[tuple[str, int, int]]:
        """All genes that have another option, as (name, stage, slot)."""
        shape = list(enumerate(self.choices.slots))
        genes = [(gene, -1, -1) for gene in _WHOLE]
        genes += [(gene, s, -1) for s, _ in shape for gene in ("width", "reduction")]
        inside = ("kind", "kernel", "heads", "expansion")
        genes += [(gene, s, b) for s, slots in shape for b in range(slots) for gene in inside]
        options = {name: self._blocks if name == "kind" else self._options(name) for name, _, _ in genes}
        return [gene for gene in genes if len(options[gene[0]]) > 1]

    def _change(self, arch: Architecture, rng: Random) -> Architecture:
        """Give one random gene another value. The result may break a limit, or be the same in a skip."""
        gene, s, b = rng.choice(self._genes)
        if s < 0:
            return replace(arch, **{gene: _other(getattr(arch, gene), self._options(gene), rng)})
        stage = arch.stages[s]
        if b < 0:
            new = replace(stage, **{gene: _other(getattr(stage, gene), self._options(gene), rng)})
        else:
            block = self._change_block(stage.blocks[b], gene, rng)
            new = replace(stage, blocks=(*stage.blocks[:b], block, *stage.blocks[b + 1 :]))
        return replace(arch, stages=(*arch.stages[:s], new, *arch.stages[s + 1 :]))

    def _change_block(self, block: Block, gene: str, rng: Random) -> Block:
        if gene != "kind":
            value = getattr(block, gene)
            options = [option for option in self._options(gene) if option]
            return replace(block, **{gene: _other(value, options, rng)}) if value else block
        drawn = self._draw(_other(block.kind, self._kinds, rng), rng)
        if drawn.is_skip or block.is_skip:
            return drawn
        # What the block held before and the new kind holds too stays as it was.
        kernel = drawn.kernel and (block.kernel or drawn.kernel)
        return Block(kernel, drawn.heads and (block.heads or drawn.heads), block.expansion)

    # ---- what is the same, how many, which numbers

    def canonical(self, arch: Architecture) -> Architecture:
        """One representative for all members that compute the same family of functions. See `symmetry`."""
        first = [self._options(gene)[0] for gene in ("activation", "norm", "macaron")]
        return symmetry.canonical(arch, self.choices.slots, *first)

    def cardinality(self) -> int:
        """Exact number of raw members (before `canonical`).

        Slots are alike, and so are stages: choose how many blocks are not skipped and where, how many stages
        reduce and where, and multiply by the options at each place.
        """
        options, slots, stages = self.choices, sum(self.choices.slots), len(self.choices.slots)
        skips = len(self._blocks.get("skip", []))
        solid = sum(len(self._blocks[name]) for name in self._solid_kinds)
        depths = range(self.min_depth, self.max_depth + 1)
        filled = sum(comb(slots, d) * solid**d * skips ** (slots - d) for d in depths)
        kinds = len(options.reductions) - 1
        timed = sum(comb(stages, n) * kinds**n for most in self._rates.values() for n in range(most + 1))
        words = len(options.activations) * len(options.norms) * len(options.macarons)
        return words * len(options.widths) ** stages * timed * filled

    def feature_names(self) -> list[str]:
        """One name for each column of `encode`."""
        return encoding.feature_names(self.choices)

    def encode(self, arch: Architecture) -> np.ndarray:
        """float32 row of shape (features,), equal for equal canonical forms. See `encoding`."""
        return encoding.encode(self.canonical(arch), self.choices)

    def largest(self) -> Architecture:
        """The costliest choices: widest, deepest, every block full, no reduction. In canonical form."""
        return max(self._extremes(max), key=lambda arch: counts(arch).macs)

    def smallest(self) -> Architecture:
        """The member with the fewest MACs: narrow, shallow, time reduced first. In canonical form."""
        return min(self._extremes(min), key=lambda arch: counts(arch).macs)

    def _extremes(self, pick: Callable) -> Iterator[Architecture]:
        """Candidates of one width and one repeated block: each kind of block, rate and reduction."""
        options, places = self.choices, len(self.choices.slots)
        depth = self.max_depth if pick is max else self.min_depth
        words = (options.activations[0], options.norms[0], pick(options.macarons))
        for (stem, out), most in self._rates.items():
            for reduction, name in product(options.reductions, self._solid_kinds or ["skip"]):
                block = pick(self._blocks[name], key=lambda b: (b.kernel, b.expansion, b.heads))
                blocks = (SKIP,) * (sum(options.slots) - depth) + (block,) * depth
                for n in range(min(most, places) + 1):
                    reductions = [reduction] * n + ["none"] * (places - n)
                    stages = self._stages([pick(options.widths)] * places, reductions, blocks)
                    yield self.canonical(Architecture(stem, stages, *words, out))


def _all_blocks(arch: Architecture) -> list[Block]:
    return [block for stage in arch.stages for block in stage.blocks]


def _other(value: Any, options: Sequence, rng: Random) -> Any:
    """Another option than `value`, at random; `value` itself if there is no other."""
    others = [option for option in options if option != value]
    return rng.choice(others) if others else value


def _among(value: Any, allowed: tuple, field: str) -> None:
    if value not in allowed:
        raise BadInput(f"{field} is {value!r}; allowed in this space: {', '.join(map(repr, allowed))}")
