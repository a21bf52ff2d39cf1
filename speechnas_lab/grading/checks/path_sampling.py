"""06-path-sampling: one uniform path, and a round of paths that trains every operation exactly once."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations, product
from random import Random
from typing import Any

from ..exercise import Exercise, Wrong, check
from ..words import short

DRAWS = 1200
SLACK = 7.0  # standard deviations: chance alone practically never goes further


def _whole(got: Any, length: int, what: str, case: str) -> list[int]:
    """`got` as a list of `length` whole numbers."""
    if got is None:
        raise Wrong(f"{what} is None; does the function return it?", case)
    try:
        found = [operator.index(item) for item in got]
    except TypeError:
        raise Wrong(f"{what} is {short(got)}; a list of {length} whole numbers is expected", case) from None
    if len(found) != length:
        raise Wrong(f"{what} is {short(got)}, {len(found)} numbers; expected {length}, one for each slot", case)
    return found


def _path(got: Any, options: Sequence[int], what: str, case: str) -> list[int]:
    """`got` as a path: for each slot the number of one of its operations."""
    path = _whole(got, len(options), what, case)
    for slot, (choice, count) in enumerate(zip(path, options, strict=True)):
        if not 0 <= choice < count:
            slip = "operations are counted from 0; and rng.randint, unlike randrange, includes its end"
            slip = slip if choice == count else ""
            allowed = f"there are 0 to {count - 1}"
            told = f"slot {slot} has no operation {short(choice)}, {allowed}"
            raise Wrong(f"{what} is {short(path)}: {told}", case, slip)
    return path


def _round(got: Any, slots: int, operations: int, case: str) -> list[list[int]]:
    """`got` as the paths of one round."""
    what = "fair_round(...)"
    if got is None:
        raise Wrong(f"{what} is None; does the function return it?", case)
    try:
        rows = list(got)
    except TypeError:
        raise Wrong(f"{what} is {short(got)}; a list of paths is expected", case) from None
    if len(rows) != operations:
        slip = ""
        if len(rows) == slots:
            slip = "rows and columns have changed places: a path holds one choice for each slot"
        holds = f"{len(rows)} path{'s' if len(rows) != 1 else ''}"
        raise Wrong(f"{what} holds {holds}; {operations} are a round", case, slip)
    return [_path(row, [operations] * slots, f"path {number}", case) for number, row in enumerate(rows)]


def _even(counts: Counter, places: Sequence[Any], draws: int, tell: Callable[[Any], str], case: str, slip: str) -> None:
    """Raise Wrong if, in `draws` draws, one of the equally likely `places` came up too often or too seldom."""
    expected = draws / len(places)
    spread = (expected * (1 - 1 / len(places))) ** 0.5
    place = max(places, key=lambda place: abs(counts[place] - expected))
    if abs(counts[place] - expected) > SLACK * spread:
        raise Wrong(f"{tell(place)} came up {counts[place]} times in {draws}; about {expected:.0f} are due", case, slip)


def _independent(paths: Sequence[Sequence[int]], options: Sequence[int], case: str) -> None:
    """Raise Wrong if any two slots of many paths depend on each other. options: how many operations each has."""
    slip = "the slots depend on each other; each must draw for itself"
    for s, t in combinations(range(len(options)), 2):
        tell = lambda pair, s=s, t=t: f"operation {pair[0]} in slot {s} together with {pair[1]} in slot {t}"  # noqa: E731
        pairs = list(product(range(options[s]), range(options[t])))
        _even(Counter((path[s], path[t]) for path in paths), pairs, len(paths), tell, case, slip)


@check("gives every operation of a slot the same chance", 2)
def uniform(work: Any, rng: Random) -> None:
    for options in ([3], [1, 3], [2, 3, 5]):
        case, source = f"options {options}, {DRAWS} draws", Random(rng.random())
        paths = [_path(got, options, "the path", case) for got in work.uniform_path.often(DRAWS, options, source)]
        for slot, count in enumerate(options):
            counts = Counter(path[slot] for path in paths)
            slip = "the draws lean to some operations"
            if len(counts) == 1 and slot == len(options) - 1 and len(set(map(tuple, paths))) == 1:
                slip = "it is the same path each time; rng goes on from draw to draw, a new one would begin again"
            elif counts[count - 1] == 0:
                slip = "the last operation is never drawn; randrange leaves out its end, randint does not"
            elif counts[0] == 0:
                slip = "operation 0 is never drawn"
            tell = lambda choice, slot=slot: f"operation {choice} of slot {slot}"  # noqa: E731
            _even(counts, range(count), DRAWS, tell, case, slip)


@check("draws each slot for itself")
def apart(work: Any, rng: Random) -> None:
    options, source = [2, 3, 2], Random(rng.random())
    case = f"options {options}, {DRAWS} draws"
    paths = [_path(got, options, "the path", case) for got in work.uniform_path.often(DRAWS, options, source)]
    _independent(paths, options, case)


@check("trains every operation exactly once in a fair round", 2)
def strict(work: Any, rng: Random) -> None:
    for slots, operations in ((1, 2), (2, 2), (3, 4), (5, 3)):
        for _ in range(5):
            case = f"{slots} slots of {operations} operations"
            paths = _round(work.fair_round(slots, operations, Random(rng.random())), slots, operations, case)
            for slot in range(slots):
                counts = Counter(path[slot] for path in paths)
                wrong = [choice for choice in range(operations) if counts[choice] != 1]
                if wrong:
                    told = ", ".join(f"operation {choice} trained {counts[choice]} times" for choice in wrong)
                    slip = "drawn with replacement this is fair on average only; a fair round draws without"
                    raise Wrong(f"the round {paths} is not fair in slot {slot}: {told}", case, slip)


@check("mixes a fair round in each slot for itself", 2)
def mixed(work: Any, rng: Random) -> None:
    slots, operations, source = 3, 3, Random(rng.random())
    case = f"{slots} slots of {operations} operations, first path of {DRAWS} rounds"
    drawn = work.fair_round.often(DRAWS, slots, operations, source)
    rounds = [_round(got, slots, operations, case) for got in drawn]
    paths = [paths[0] for paths in rounds]
    for slot in range(slots):
        counts = Counter(path[slot] for path in paths)
        slip = "nothing is mixed: each round is the same" if len(counts) == 1 else "some orders come too often"
        tell = lambda choice, slot=slot: f"operation {choice} of slot {slot}"  # noqa: E731
        _even(counts, range(operations), DRAWS, tell, case, slip)
    _independent(paths, [operations] * slots, case)


@check("draws from rng and from nothing else")
def reproducible(work: Any, rng: Random) -> None:
    one, all_of = "uniform_path([9, 9, 9, 9, 9, 9], rng)", "fair_round(4, 6, rng)"
    calls = {
        one: lambda source: _path(work.uniform_path([9] * 6, source), [9] * 6, one, ""),
        all_of: lambda source: _round(work.fair_round(4, 6, source), 4, 6, all_of),
    }
    for name, call in calls.items():
        seed, state = rng.random(), work.uniform_path.chance()
        first = call(Random(seed))
        moved = work.uniform_path.chance() != state
        work.uniform_path.stir()
        again = call(Random(seed))
        slip = "random.random() and its like draw from one source for the whole program; rng is yours alone"
        if moved:
            raise Wrong(f"{name} moves the program's own source of chance", "", slip)
        if first != again:
            raise Wrong(f"{name} gives {short(first)}, then {short(again)}", "two sources with the same seed", slip)
        if all(call(Random(rng.random())) == first for _ in range(3)):
            raise Wrong(f"{name} is always {short(first)}", "different seeds", "nothing is drawn from rng")


EXERCISE = Exercise(
    id="06-path-sampling",
    title="Which path is trained?",
    lesson="06_supernet",
    defines=("uniform_path", "fair_round"),
    minutes=15,
    difficulty=2,
    why="A supernet trains one path a step. Which one, decides which operations get practice, and how it ranks them.",
    hints=(
        "In a fair round, what does one slot do, seen alone from step to step? What is that called in a pack of cards?",
        "Uniform: one draw for each slot. Fair: for each slot shuffle the numbers of all operations; then path k takes "
        "the k-th of each slot.",
        "orders = [rng.sample(range(operations), operations) for _ in range(slots)]. Which built-in function turns "
        "columns into rows?",
    ),
    checks=(uniform, apart, strict, mixed, reproducible),
)
