"""02-count: how many architectures a space holds, by sums and products instead of a walk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from math import comb, prod
from random import Random
from typing import Any

import numpy as np

from ...space import Choices, MobileConformerSpace
from ..exercise import Exercise, Wrong, check

PLAIN = Choices(  # one slot, one option of everything: the cases below add to it
    slots=(1,), widths=(48,), kernels=(3,), heads=(0,), expansions=(2.0,), reductions=("none",),
    activations=("swish",), norms=("layer",), macarons=(False,), stems=(4,), output_reductions=(8,),
    min_depth=1, max_depth=1,
)  # fmt: skip
LIMIT = 20_000  # lines that an answer may run for one space: a table over slots and depths needs some hundred


def walk(c: Choices) -> int:
    """The members one by one, the slow way that cannot be wrong."""
    pairs = list(product(c.kernels, c.heads))
    blocks = [(k, h, e) for k, h in pairs for e in (c.expansions if k or h else (0.0,))]
    filled = sum(
        c.min_depth <= sum(any(block[:2]) for block in row) <= c.max_depth
        for row in product(blocks, repeat=sum(c.slots))
    )
    timed = sum(
        out % (stem * 2 ** sum(r != "none" for r in row)) == 0
        for stem, out in product(c.stems, c.output_reductions)
        for row in product(c.reductions, repeat=len(c.slots))
    )
    return filled * timed * len(list(product(c.widths, repeat=len(c.slots)))) * _words(c)


def _words(c: Choices) -> int:
    return len(c.activations) * len(c.norms) * len(c.macarons)


def _kinds(c: Choices) -> tuple[int, int]:
    """How many blocks do something, and how many skip (0 or 1)."""
    skips = int(0 in c.kernels and 0 in c.heads)
    return (len(c.kernels) * len(c.heads) - skips) * len(c.expansions), skips


def _filled(c: Choices) -> Callable[..., int]:
    """Ways to fill the slots, right or with a slip."""
    solid, skips = _kinds(c)

    def ways(solid: int = solid, skips: int = skips, low: int = c.min_depth, high: int = c.max_depth,
             places: Callable[[int, int], int] = comb) -> int:  # fmt: skip
        slots = sum(c.slots)
        return sum(places(slots, d) * solid**d * skips ** (slots - d) for d in range(low, high + 1))

    return ways


def _timed(c: Choices, places: Callable[[int, int], int] = comb) -> int:
    stages, kinds = len(c.slots), len(c.reductions) - 1
    return sum(places(stages, n) * kinds**n for most in c.rates().values() for n in range(min(most, stages) + 1))


def _anywhere(total: int, chosen: int) -> int:
    """As if it did not matter where the chosen ones stand."""
    return 1


def _slips(c: Choices) -> dict[str, dict[str, int]]:
    """What a check is about -> misconception -> the count that it leads to."""
    solid, skips = _kinds(c)
    ways, slots, stages = _filled(c), sum(c.slots), len(c.slots)
    filled, timed, words, widths = ways(), _timed(c), _words(c), len(c.widths) ** stages
    rest, kinds, pairs = timed * words * widths, len(c.reductions), len(c.rates())
    blocks = {
        "kernels and heads are added; every kernel goes with every number of heads":
            ways(solid=(len(c.kernels) + len(c.heads) - skips) * len(c.expansions)) * rest,
        "the skip is counted once for each expansion; a skip has none": ways(skips=skips * len(c.expansions)) * rest,
        "the skip is counted once for each expansion, and all but one of them as blocks that do something":
            ways(solid=len(c.kernels) * len(c.heads) * len(c.expansions) - skips) * rest,
        "the skip is left out: kernel 0 with 0 heads is a choice too": solid**slots * rest,
        "a skip is counted where none is allowed: it needs 0 among the kernels and 0 among the heads":
            (solid + 1) ** slots * rest,
    }  # fmt: skip
    depth = {
        "the limits of depth are ignored": (solid + skips) ** slots * rest,
        "min_depth is ignored: shallower ones are counted too": ways(low=0) * rest,
        "max_depth is ignored: deeper ones are counted too": ways(high=slots) * rest,
        "max_depth itself is left out; a range ends before its end": ways(high=c.max_depth - 1) * rest,
        "it is forgotten that the blocks may stand in different slots": ways(places=_anywhere) * rest,
        "the depth is limited in each stage; the limits hold for the whole": prod(
            sum(comb(n, d) * solid**d * skips ** (n - d) for d in range(min(c.min_depth, n), min(c.max_depth, n) + 1))
            for n in c.slots
        ) * rest,
    }  # fmt: skip
    rest = filled * words * widths
    time = {
        "every stage may reduce time, whatever the output's frame length": rest * pairs * kinds**stages,
        "the maximum of the rates is taken for all pairs; each pair of stem and output has its own": rest * pairs
            * sum(comb(stages, n) * (kinds - 1) ** n for n in range(min(max(c.rates().values()), stages) + 1)),
        "it is forgotten that any stage may be the one that reduces": rest * _timed(c, _anywhere),
        "only the largest number of reductions is counted; fewer are allowed too": rest
            * sum(comb(stages, most) * (kinds - 1) ** most for most in c.rates().values()),
        "all pairs of stem and output reduction are counted; the output's frame must be a multiple of the stem's":
            rest * len(c.stems) * len(c.output_reductions) * timed // pairs,
        "stem and output reduction are forgotten": rest * timed // pairs,
    }  # fmt: skip
    whole = {
        "one width is chosen for all stages; each stage has its own": filled * timed * words * len(c.widths),
        "each slot has a width of its own; a stage shares one": filled * timed * words * len(c.widths) ** slots,
        "activation, norm and macaron are chosen for each block; they are chosen once": filled * timed * widths
            * words**slots,
        "activation, norm and macaron are forgotten": filled * timed * widths,
        "options of different genes are added; independent choices multiply": filled + timed + words + widths,
    }  # fmt: skip
    return {"blocks": blocks, "depth": depth, "time": time, "whole": whole}


def _say(c: Choices, *fields: str) -> str:
    """The fields that matter in a case; all else has one option."""
    return ", ".join(f"{field}={getattr(c, field)}" for field in fields) + " and one option of all else"


def _whole(got: Any) -> int | None:
    """A whole number of whatever plain kind, else None."""
    if type(got) is int or isinstance(got, np.integer):
        return int(got)
    if isinstance(got, (float, np.floating)) and float(got).is_integer():
        return int(got)
    return None


def equal(got: Any, c: Choices, right: int, case: str, about: str = "") -> None:
    """Raise Wrong unless got is the number `right`. Slips that are `about` the check's matter are thought of first."""
    if got is None:
        raise Wrong("count_architectures(choices) is None; does the function return it?", case)
    number = _whole(got)
    if number is None:
        text = f"{got:g}" if isinstance(got, (float, np.floating)) else f"a {type(got).__name__}"
        raise Wrong(f"count_architectures(choices) is {text}, not a whole number", case)
    if number != right:
        groups = _slips(c)
        slips = {**groups.pop(about, {}), **{slip: value for group in groups.values() for slip, value in group.items()}}
        slip = next((slip for slip, value in slips.items() if value == number), "")
        side = "more" if number > right else "fewer"
        big = number.bit_length() > 500  # Python refuses to write very long numbers
        what = f"has some {number.bit_length() * 3 // 10} digits" if big else f"is {number:,}"
        off = "many" if big else f"{abs(number - right):,}"
        raise Wrong(f"count_architectures(choices) {what}, {off} {side} than there are", case, slip)


def _run(work: Any, c: Choices, about: str, *fields: str) -> None:
    """A small case, judged by the walk."""
    equal(work.count_architectures(c), c, walk(c), _say(c, *fields), about)


def _some(rng: Random, options: tuple, least: int, most: int) -> tuple:
    """A few of the options, in their order."""
    chosen = rng.sample(range(len(options)), rng.randint(least, most))
    return tuple(options[i] for i in sorted(chosen))


@check("counts the blocks that one slot may hold")
def blocks(work: Any, rng: Random) -> None:
    say = ("kernels", "heads", "expansions", "min_depth")
    for kernels, heads in (((3, 5, 7), (0, 4)), ((3, 5), (0,)), ((0, 3, 5), (4, 8))):  # no skip
        c = replace(PLAIN, kernels=kernels, heads=heads, expansions=_some(rng, (1.5, 2.0, 3.0, 4.0), 1, 3))
        _run(work, c, "blocks", *say)
    for _ in range(4):  # a skip
        kernels = (0, *_some(rng, (3, 5, 7, 11, 15), 2, 4))
        heads = (0, *_some(rng, (4, 8, 16), 1, 3))
        c = replace(PLAIN, kernels=kernels, heads=heads, expansions=_some(rng, (1.5, 2.0, 3.0, 4.0), 2, 4), min_depth=0)
        _run(work, c, "blocks", *say)


@check("keeps to min_depth and max_depth", 2)
def depth(work: Any, rng: Random) -> None:
    shapes = [((2,), 1, 1), ((2,), 0, 1), ((2,), 1, 2), ((3,), 1, 2), ((2, 2), 2, 3), ((1, 3), 1, 3), ((3, 2), 2, 4)]
    for slots, low, high in shapes:
        heads = rng.choice([(0,), (0, 4)])
        kernels = (0, *_some(rng, (3, 5, 7), 1, 2))
        c = replace(PLAIN, slots=slots, kernels=kernels, heads=heads, min_depth=low, max_depth=high)
        _run(work, c, "depth", "slots", "kernels", "heads", "min_depth", "max_depth")


@check("keeps to the frame length of the output", 2)
def time(work: Any, rng: Random) -> None:
    cases = [((4,), (8,), 1), ((4,), (8,), 2), ((4,), (4,), 2), ((4,), (16,), 3), ((4,), (8, 16), 3),
             ((3, 4), (6, 8), 2), ((2, 4), (4, 8), 3), ((4, 8), (8,), 3)]  # fmt: skip
    for stems, outs, stages in cases:
        reductions = rng.choice([("none", "conv"), ("none", "pool"), ("none", "conv", "pool")])
        c = replace(PLAIN, slots=(1,) * stages, reductions=reductions, stems=stems, output_reductions=outs,
                    min_depth=stages, max_depth=stages)  # fmt: skip
        _run(work, c, "time", "slots", "reductions", "stems", "output_reductions")


@check("multiplies what is chosen once, and what each stage chooses", 2)
def whole(work: Any, rng: Random) -> None:
    for slots in ((1,), (2,), (1, 1), (1, 2), (2, 1), (1, 1, 2)):
        c = replace(
            PLAIN, slots=slots, widths=_some(rng, (48, 64, 96, 128), 2, 3), kernels=(0, 3, 5),
            activations=_some(rng, ("swish", "gelu", "relu"), 2, 3), norms=("layer", "batch"),
            macarons=rng.choice([(False,), (False, True)]), min_depth=1, max_depth=sum(slots),
        )  # fmt: skip
        _run(work, c, "whole", "slots", "widths", "kernels", "activations", "norms", "macarons", "max_depth")


@check("does not walk through the architectures")
def growth(work: Any, rng: Random) -> None:
    taken: dict[int, int] = {}
    for slots in (4, 8, 12, 17):
        c = replace(PLAIN, slots=(slots,), kernels=(0, 3, 5), min_depth=1, max_depth=slots - 1)
        case = _say(c, "slots", "kernels", "min_depth", "max_depth")
        got, taken[slots] = work.count_architectures.metered("lines", LIMIT, c)
        if taken[slots] > LIMIT:
            told = ", ".join(f"{n:,} for {s} slots" for s, n in taken.items() if n <= LIMIT)
            what = f"the answer runs more than {LIMIT:,} lines" + (f" (it ran {told})" if told else "")
            slip = "its work grows like the space; count groups of architectures at once, and no group twice"
            raise Wrong(what, case, slip)
        equal(got, c, MobileConformerSpace(choices=c).cardinality(), case)


@check("counts the course's own spaces, to the last digit", 2)
def presets(work: Any, rng: Random) -> None:
    for preset, out in (("laptop", None), ("full", None), ("full", rng.choice((4, 8)))):
        space = MobileConformerSpace(preset, output_reduction=out)
        case = f"the choices of the preset {preset}" + (f" with output reduction {out} only" if out else "")
        got, taken = work.count_architectures.metered("lines", LIMIT, space.choices)
        if taken > LIMIT:
            slip = "its work grows like the space, and this space is large"
            raise Wrong(f"the answer runs more than {LIMIT:,} lines", case, slip)
        if isinstance(got, (float, np.floating)):
            slip = "a float keeps some 16 digits; whole numbers in Python have as many as they need"
            raise Wrong("the count is a float, so that its last digits are lost", case, slip)
        equal(got, space.choices, space.cardinality(), case)


EXERCISE = Exercise(
    id="02-count",
    title="How many architectures?",
    lesson="02_search_space",
    defines=("count_architectures",),
    minutes=25,
    difficulty=2,
    why="A space that you can count is one that you understand: every symmetry and every limit shows in the number.",
    hints=(
        "Which choices do not care about each other? And what do two of them have in common whose limits you meet: "
        "depth, and the number of reductions?",
        "Count the blocks that do something, and the skips. For each allowed depth d: in how many ways can d of the "
        "slots be picked, and each of them be filled? Do the same for n reductions among the stages, for each legal "
        "pair of stem and output. Multiply what is independent.",
        "comb(slots, d) * solid**d * skips**(slots - d), summed over d from min_depth to max_depth. The reductions "
        "have the same shape; choices.rates() gives the legal pairs and the largest n of each.",
    ),
    checks=(blocks, depth, time, whole, growth, presets),
)
