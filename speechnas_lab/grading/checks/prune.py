"""12-prune: depth-first search that leaves a branch as soon as nothing below it can fit."""

from __future__ import annotations

import operator
from collections.abc import Callable
from itertools import product
from math import inf
from random import Random
from types import GeneratorType
from typing import Any

import numpy as np

from ..exercise import Exercise, Wrong, check, likely
from ..words import short

WIDTHS, KERNELS = (48, 64, 96), (0, 3, 7, 15)
SHAPES = ((2, 2), (2, 3, 2), (3, 4, 3, 4))  # options on each level, the smallest tree first
DEEP = (3,) + (4,) * 11


class Tree:
    """A width, then kernels. What a kernel adds depends on the width. Whole microseconds, so that sums are exact."""

    def __init__(self, rng: Random, shape: tuple[int, ...]) -> None:
        self.options = [rng.sample(WIDTHS, shape[0]), *(rng.sample(KERNELS, count) for count in shape[1:])]
        self.first = {width: rng.randint(10, 60) for width in self.options[0]}
        self.pace = {width: rng.randint(1, 4) for width in self.options[0]}
        self.each = [{kernel: rng.randint(3, 25) for kernel in level} for level in self.options[1:]]
        self.least = [min(self.first.values()), *(min(self.pace.values()) * min(e.values()) for e in self.each)]
        self.asked: list[tuple] = []
        self.most = inf  # questions

    def added(self, partial: Any) -> int:
        """What a learner calls; it counts, and refuses what is no place in the tree."""
        place = tuple(partial) if isinstance(partial, (tuple, list)) else (partial,)
        good = 0 < len(place) <= len(self.options) and all(
            isinstance(option, (int, np.integer)) and int(option) in self.options[level]
            for level, option in enumerate(place)
        )
        if not good:
            raise Wrong(f"added was asked for {short(partial)}", f"options {self.options}",
                        "added wants the choices from the first level down to the new one, as one tuple")  # fmt: skip
        self.asked.append(place)
        if len(self.asked) > self.most:
            raise Wrong(f"added was asked more than {self.most:.0f} times, far more than needed", str(self),
                        "a branch that cannot fit any more is still searched: the least of all open levels must be "
                        "added, not only of the next")  # fmt: skip
        return self.price(place)

    def price(self, place: tuple) -> int:
        width, *kernels = place
        return self.pace[width] * self.each[len(kernels) - 1][kernels[-1]] if kernels else self.first[width]

    def total(self, whole: tuple) -> int:
        return sum(self.price(whole[:length]) for length in range(1, len(whole) + 1))

    def __str__(self) -> str:
        return f"{' x '.join(str(len(level)) for level in self.options)} options"

    def walk(self, fits: Callable[[int, int, int], bool], leaks: bool = False) -> tuple[set[tuple], int]:
        """Solutions and questions of a search that descends where fits(level, spent before, spent) is true.

        leaks: what an option cost stays spent when the next one is tried.
        """
        found, asked = set(), 0

        def descend(partial: tuple, before: int) -> None:
            nonlocal asked
            level = len(partial)
            if level == len(self.options):
                found.add(partial)
                return
            for option in self.options[level]:
                child = (*partial, option)
                asked += 1
                spent = before + self.price(child)
                before = spent if leaks else before
                if fits(level, before, spent):
                    descend(child, spent)

        descend((), 0)
        return found, asked

    def rest(self, level: int) -> int:
        return sum(self.least[level:])

    def right(self, limit: float) -> tuple[set[tuple], int]:
        return self.walk(lambda level, before, spent: spent + self.rest(level + 1) <= limit)


def _draw(rng: Random, shape: tuple[int, ...]) -> tuple[Tree, int]:
    """A tree, and a limit that one of its cheaper solutions meets exactly."""
    tree = Tree(rng, shape)
    totals = sorted(map(tree.total, product(*tree.options)))
    return tree, totals[len(totals) // 4]


Fits = Callable[[Tree, float, int, int, int], bool]  # (tree, limit, level, spent before, spent) -> go on?
SLIPS: dict[str, Fits] = {
    "what costs exactly the limit is within it: <=, not <":
        lambda t, limit, level, before, spent: spent + t.rest(level + 1) < limit,
    "the level just chosen is counted twice, once as chosen and once as least":
        lambda t, limit, level, before, spent: spent + t.rest(level) <= limit,
    "levels that are already chosen still add their least: a bound that is too high loses solutions":
        lambda t, limit, level, before, spent: spent + t.rest(0) <= limit,
    "this is the bound of the parent: the new choice is missing from it":
        lambda t, limit, level, before, spent: before + t.rest(level) <= limit,
    "this is the bound of the parent, and a leaf alone is compared with its own cost":
        lambda t, limit, level, before, spent: (before + t.rest(level) if t.rest(level + 1) else spent) <= limit,
    "the bound is looked at only where the tree ends":
        lambda t, limit, level, before, spent: bool(t.rest(level + 1)) or spent <= limit,
    "only what was spent so far is compared, without the least that the open levels must add":
        lambda t, limit, level, before, spent: spent <= limit,
    "only the least of the next level is added; that of all open levels must be":
        lambda t, limit, level, before, spent: spent + sum(t.least[level + 1 : level + 2]) <= limit,
    "only the last choice is compared with the limit, not all of them together":
        lambda t, limit, level, before, spent: spent - before + t.rest(level + 1) <= limit,
    "nothing is cut at all": lambda *_: True,
}  # fmt: skip
LEAK = "what one option cost is also charged to the next: spent is the parent's, and must not change in the loop"


def _likely(work: Any) -> str:
    """The misconception that finds and asks as this answer does, on several trees."""

    def answer(tree: Tree, limit: float) -> tuple:
        return sorted(_found(_ask(work, tree, limit), "")), len(tree.asked)

    def wrong(fits: Fits) -> Callable[[Tree, float], tuple]:
        def run(tree: Tree, limit: float) -> tuple:
            found, asked = tree.walk(lambda *place: fits(tree, limit, *place))
            return sorted(found), asked

        return run

    def leaking(tree: Tree, limit: float) -> tuple:
        found, asked = tree.walk(lambda level, before, spent: spent + tree.rest(level + 1) <= limit, leaks=True)
        return sorted(found), asked

    rng = Random(0)
    cases = [_draw(rng, (3, 3, 3, 2)) for _ in range(4)]
    return likely(answer, {**{slip: wrong(fits) for slip, fits in SLIPS.items()}, LEAK: leaking}, cases)


def _found(got: Any, case: str) -> set[tuple]:
    """What an answer returned, as a set of tuples of numbers; Wrong for anything else, and for repetitions."""
    if isinstance(got, GeneratorType):
        got = list(got)
    if not isinstance(got, (list, tuple, set, frozenset)):
        raise Wrong(f"the result is a {type(got).__name__}, not a list of tuples", case)
    rows = []
    for row in got:
        if not isinstance(row, (list, tuple)) or not all(isinstance(x, (int, np.integer)) for x in row):
            raise Wrong(f"the result holds {short(row)}, not a tuple of one option for each level", case)
        rows.append(tuple(int(x) for x in row))
    if len(set(rows)) < len(rows):
        raise Wrong(f"the result holds {short(max(rows, key=rows.count))} {max(map(rows.count, rows))} times", case)
    return set(rows)


def _compare(work: Any, tree: Tree, limit: float, case: str) -> None:
    found, right = _found(_ask(work, tree, limit), case), tree.right(limit)[0]
    if found == right:
        return
    missing, extra = sorted(right - found), sorted(found - right)
    whole = True
    if extra:
        whole = len(extra[0]) == len(tree.options) and all(map(operator.contains, tree.options, extra[0]))
        what = f"costs {tree.total(extra[0])}" if whole else "is no whole choice"
        what = f"{short(extra[0])} is among the results, but {what}"
    else:
        what = f"{missing[0]} costs {tree.total(missing[0])} and is missing"
    slip = _likely(work) if whole else ""
    if not slip and missing and not extra:
        slip = "only the first solution is kept" if len(found) == 1 else (
            "a branch was left that still had a solution in it; its neighbours are not to be left with it")  # fmt: skip
    raise Wrong(what, case, slip)


def _case(tree: Tree, limit: float) -> str:
    if len(tree.options) == 2:
        prices = ", ".join(f"{whole} costs {tree.total(whole)}" for whole in product(*tree.options))
        return f"limit {limit}, least {tree.least}: {prices}"
    return f"limit {limit}, least {tree.least}, {tree}"


def _ask(work: Any, tree: Tree, limit: float) -> Any:
    tree.asked.clear()
    options = [list(level) for level in tree.options]
    got = work.fitting(options, tree.added, list(tree.least), limit)
    return list(got) if isinstance(got, GeneratorType) else got


@check("finds exactly what fits")
def exact(work: Any, rng: Random) -> None:
    for shape in SHAPES:
        tree, limit = _draw(rng, shape)
        _compare(work, tree, limit, _case(tree, limit))


@check("cuts a branch as soon as it may", points=2)
def cuts(work: Any, rng: Random) -> None:
    for shape in SHAPES:
        tree, limit = _draw(rng, shape)
        case = _case(tree, limit)
        _compare(work, tree, limit, case)
        asked, needed = len(tree.asked), tree.right(limit)[1]
        if len(set(tree.asked)) < asked:
            slip = "the same question was asked twice: keep what it cost to come here"
            raise Wrong(f"added was asked {asked} times for {len(set(tree.asked))} places", case, slip)
        if asked > needed:
            raise Wrong(f"added was asked {asked} times, where {needed} are enough", case, _likely(work))


@check("goes deep where the limit is tight")
def deep(work: Any, rng: Random) -> None:
    tree = Tree(rng, DEEP)
    width = min(tree.options[0], key=lambda w: tree.first[w] + tree.pace[w] * sum(min(e.values()) for e in tree.each))
    limit = tree.total((width, *(min(e, key=e.get) for e in tree.each)))
    tree.most = 5 * tree.right(limit)[1]
    _compare(work, tree, limit, f"{len(tree.options)} levels, {3 * 4**11:,} leaves, the cheapest costs the limit")


@check("takes limits that nothing meets, and that everything meets")
def ends(work: Any, rng: Random) -> None:
    tree = Tree(rng, (2, 3, 2))
    tree.most = 1000
    for limit in (-1, inf):
        _compare(work, tree, limit, f"limit {limit}, {tree}")


@check("answers the same again, and leaves its inputs alone", effects=True)
def steady(work: Any, rng: Random) -> None:
    tree, limit = _draw(rng, (2, 3, 2))
    options, least, right = [list(level) for level in tree.options], list(tree.least), tree.right(limit)[0]
    for turn in ("first", "second"):
        case = f"the {turn} call with the same inputs; what is kept between two calls belongs to neither"
        if _found(work.fitting(options, tree.added, least, limit), case) != right:
            raise Wrong("the result is not right", case)
        if options != tree.options or least != tree.least:
            raise Wrong("options or least are not what they were", f"after the {turn} call",
                        "pop, sort and the like change the caller's own list")  # fmt: skip


EXERCISE = Exercise(
    id="12-prune",
    title="Depth first, with a bound",
    lesson="12_pruning",
    defines=("fitting",),
    minutes=25,
    difficulty=3,
    why="It finds every architecture within a limit, and looks at a tiny part of the space.",
    hints=(
        "You have spent 20 of 31 and two levels are open. What do you know about the whole cost before you choose?",
        "Write a helper that takes a partial tuple and what it has cost. It tries each option of the next level, "
        "adds up, adds the least of all levels still open, and calls itself only where that is within the limit.",
        "For each option: child = (*partial, option); cost = spent + added(child); then compare "
        "cost + sum(least[len(child):]) with the limit. A partial with one option for each level is a solution.",
    ),
    checks=(exact, cuts, deep, ends, steady),
)
