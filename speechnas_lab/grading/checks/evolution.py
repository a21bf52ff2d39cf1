"""09-evolution: one generation of ageing evolution: tournament, mutation, a child that is new and allowed, ageing."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from math import comb, sqrt
from random import Random
from typing import Any

from ..exercise import Exercise, Wrong, check

MEMBERS, DRAWN, TURNS = 5, 2, 2000  # population, tournament and repetitions of the statistical check
NUMBERS = (3, 1, 2, 5, 4)  # architectures of that check, best first: their order is not that of the errors
LOW = 0.05  # the error of a child: lower than those of the population
SIGMAS = 5.0  # how far a share may be from the expected one: a right answer fails once in 400,000 times


class Space:
    """Architectures are pairs of numbers. The second does nothing where the first is 0: `canonical` makes it 0.

    script: the children that `mutate` gives, one after the other; without one, it counts up.
    """

    HANDED = ("canonical", "mutate")

    def __init__(self, script: Iterable[tuple] | None = None) -> None:
        self.script = None if script is None else iter(script)
        self.asked: list[Any] = []  # parents, in the order of the mutations
        self.draws: list[float] = []

    def canonical(self, arch: tuple) -> tuple:
        return (0, 0) if arch[0] == 0 else arch

    def mutate(self, arch: Any, rng: Any) -> tuple:
        if not (isinstance(arch, tuple) and len(arch) == 2 and all(type(gene) is int for gene in arch)):
            raise Wrong(f"space.mutate was asked to change {str(arch)[:60]}", "architectures are pairs of numbers",
                        "a member of the population is (architecture, error); the first of it is mutated")  # fmt: skip
        if not isinstance(rng, Random):
            raise Wrong("space.mutate got no rng", "mutate(arch, rng)", "all chance comes from the rng handed in")
        self.asked.append(arch)
        self.draws.append(rng.random())
        if self.script is None:
            return arch[0] + 100 * len(self.asked), arch[1]
        child = next(self.script, None)
        if child is None:
            raise Wrong("mutate was asked for more children than needed", f"{len(self.asked)} so far",
                        "a child that is new and allowed is taken, and the loop ends")  # fmt: skip
        return child


def _genes(arch: Any) -> bool:
    """Whether it is a tuple of numbers, which can be compared with another."""
    return isinstance(arch, tuple) and all(isinstance(gene, int) for gene in arch)


class Counting:
    """A function that keeps what it was asked."""

    def __init__(self, function: Callable) -> None:
        self.function, self.asked = function, []

    def __call__(self, arch: Any) -> Any:
        self.asked.append(arch if _genes(arch) else str(arch)[:60])
        return self.function(arch)


def _population(rng: Random, count: int) -> list[tuple]:
    """Members (architecture, error), oldest first, errors all different."""
    errors = rng.sample(range(10, 90), count)
    return [((place + 1, rng.randint(1, 9)), error / 100) for place, error in enumerate(errors)]


def _seen(space: Space, population: list[tuple]) -> set:
    return {space.canonical(arch) for arch, _ in population}


def _plain(got: Any, case: str) -> list[tuple]:
    """The population that an answer returned, as a list of (architecture, error)."""
    if not isinstance(got, (list, tuple, deque)):
        kind = "None; does the function return it?" if got is None else f"a {type(got).__name__}"
        raise Wrong(f"the result is {kind}, not the next population as a list", case)
    for member in got:
        good = isinstance(member, tuple) and len(member) == 2 and _genes(member[0])
        if not good or getattr(member[1], "ndim", 0):
            raise Wrong(f"the result holds {str(member)[:60]}", case, "a member is a pair (architecture, error)")
    return list(got)


def _wins(draws: int) -> list[float]:
    """Shares of the members as winners, best first: rank r of P wins S draws in ((P-r)^S - (P-r-1)^S) / P^S."""
    return [((MEMBERS - r) ** draws - (MEMBERS - r - 1) ** draws) / MEMBERS**draws for r in range(MEMBERS)]


RIGHT = _wins(DRAWN)
WITHOUT = [(MEMBERS - r - 1) / comb(MEMBERS, DRAWN) for r in range(MEMBERS)]  # drawn without replacement, DRAWN is 2


def _contest(rng: Random) -> list[tuple]:
    """Members whose errors are neither in the order of age nor in that of the architectures; the best is in the
    middle, so that neither the oldest nor the newest two hold it.
    """
    errors = sorted(rng.sample(range(10, 90), MEMBERS))
    members = [((number, rng.randint(1, 9)), error / 100) for number, error in zip(NUMBERS, errors, strict=True)]
    best, *others = members
    rng.shuffle(others)
    return [*others[:2], best, *others[2:]]


def _slips(population: list[tuple]) -> dict[str, list[float]]:
    """Misconception -> the shares, best first, that it leads to."""
    best_first = sorted(population, key=lambda member: member[1])
    alone = lambda winner: [float(member == winner) for member in best_first]  # noqa: E731
    in_order = lambda order: [RIGHT[order.index(member)] for member in best_first]  # noqa: E731
    one_end = "each member of the tournament is drawn from the whole population, not from one end of it"
    return {
        "the same member may be drawn twice, so that even the worst has a small chance: rng.choice, not rng.sample":
            WITHOUT,
        "the parent was drawn from all alike; a tournament draws several, and the best wins": [1 / MEMBERS] * MEMBERS,
        "the best of the whole population is always the parent; a tournament draws first": alone(best_first[0]),
        "the worst of the tournament wins; a lower error is better": RIGHT[::-1],
        "the tournament has one member more than asked for": _wins(DRAWN + 1),
        "members were compared as pairs, by their architecture first; it is the error that decides":
            in_order(sorted(population)),
        "the oldest of the tournament wins; it is the error that decides": in_order(population),
        f"{one_end}, the newest": alone(min(population[-DRAWN:], key=lambda member: member[1])),
        f"{one_end}, the oldest": alone(min(population[:DRAWN], key=lambda member: member[1])),
    }  # fmt: skip


@check("chooses the parent by a tournament", points=2)
def tournament(work: Any, rng: Random) -> None:
    population, source = _contest(rng), Random(rng.random())
    best_first = sorted(population, key=lambda member: member[1])
    won: Counter = Counter()
    for _ in range(TURNS):
        space = Space()
        work.generation(list(population), space, DRAWN, _yes, _low, _seen(space, population), source)
        if not space.asked:
            raise Wrong("space.mutate was not asked", "one generation", "the child is a mutation of the parent")
        won[space.asked[0]] += 1
    shares = [won[arch] / TURNS for arch, _ in best_first]
    if sum(won[arch] for arch, _ in best_first) < TURNS:
        raise Wrong("what was mutated is no member of the population", f"{MEMBERS} members", "")
    if not _near(shares, RIGHT):
        case = f"{MEMBERS} members, tournaments of {DRAWN}, {TURNS} generations"
        text, expected = (", ".join(f"{share:.0%}" for share in row) for row in (shares, RIGHT))
        raise Wrong(f"the members, best first, were the parent in {text} of the cases; expected about {expected}", case,
                    next((slip for slip, row in _slips(population).items() if _near(shares, row)), ""))  # fmt: skip


def _near(shares: list[float], expected: list[float]) -> bool:
    return all(abs(s - p) <= SIGMAS * sqrt(p * (1 - p) / TURNS) for s, p in zip(shares, expected, strict=True))


def _yes(arch: Any) -> bool:
    return True


def _even(arch: Any) -> bool:
    return arch[0] % 2 == 0


def _low(arch: Any) -> float:
    return LOW


ONCE = "the tournament is held once; its winner is mutated until a child counts"
AGAIN = "a child may be refused more than once: ask both questions again after each mutation"
LEFT = "a child that does not count is left; it is the parent that is mutated again"


@check("evaluates one child, new and allowed", points=2, needs=(tournament,))
def frugal(work: Any, rng: Random) -> None:
    source = Random(rng.random())  # who is handed rng knows the inputs to come
    odd = 2 * rng.randint(50, 90) + 1
    good, forbidden, empty = (odd + 1, 1), (odd, 1), (0, 0)
    repeated = (odd + 3, 1)  # evaluated before, dead by now: in seen, but no member
    scripts = (  # what mutate gives: the last is to be taken
        ("a child that is new and allowed", [good], ()),
        ("first a child that was evaluated before, then a new one", [repeated, good], ()),
        ("first a child that is not allowed, then one that is", [forbidden, good], ()),
        ("first another spelling of one that was evaluated before", [(0, rng.randint(1, 9)), good], (empty,)),
        ("a new child in a spelling that is not canonical", [(0, rng.randint(1, 9))], ()),
        ("first one that was evaluated before, then such a spelling", [repeated, (0, rng.randint(1, 9))], ()),
        ("first two that are not allowed, then one that is", [forbidden, forbidden, good], ()),
        ("evaluated before, not allowed, evaluated before, then a good one",
         [repeated, forbidden, repeated, good], ()),
        ("twenty children that do not count, then a good one", [repeated, forbidden] * 10 + [good], ()),
    )  # fmt: skip
    for case, script, more in scripts:
        population = _population(rng, 8)
        space, evaluate = Space(script), Counting(_low)
        seen = _seen(space, population) | {repeated, *more}
        got = work.generation(list(population), space, 2, _even, evaluate, seen, source)
        if any(arch not in {member for member, _ in population} for arch in space.asked):
            raise Wrong(f"what was mutated is no member of the population: {space.asked[:4]}", case, LEFT)
        if len(set(space.asked)) > 1:
            raise Wrong(f"{len(set(space.asked))} different members were mutated in one generation", case, ONCE)
        right = space.canonical(script[-1])
        _judge_evaluations(evaluate.asked, right, script, repeated, forbidden, population, case)
        newest = _plain(got, case)[-1:]
        if (right, LOW) not in _plain(got, case):
            raise Wrong(f"the child {right} with its error {LOW} is not in the next population", case)
        if newest != [(right, LOW)]:
            raise Wrong(f"the newest member is {newest[0] if newest else 'missing'}, not the child {right}", case,
                        "the population stands oldest first: the child goes to the end")  # fmt: skip


def _judge_evaluations(asked: list, right: tuple, script: list, repeated: tuple, forbidden: tuple,
                       population: list[tuple], case: str) -> None:  # fmt: skip
    if asked == [right]:
        return
    what = f"evaluate was asked {len(asked)} times" if len(asked) != 1 else f"evaluate was asked for {asked[0]}"
    olds, refused = [arch for arch, _ in population], len(script) - 1
    if not asked:
        slip = "the child's error has to be measured, once"
    elif refused > 1 and (forbidden in asked or repeated in asked):
        slip = AGAIN  # those who ask only once, or one question only, have been told before
    elif forbidden in asked:
        slip = "allowed is asked before the evaluation, not after it: that is where the time is saved"
    elif repeated in asked:
        slip = "what is in seen was evaluated before and is not evaluated again"
    elif right in asked and set(asked) == {right}:
        slip = "keep the error; each evaluation is a training"
    elif any(arch in olds for arch in asked):
        slip = "the errors of the old members are known: they stand beside them"
    elif any(arch[:1] == (0,) for arch in asked if isinstance(arch, tuple)):
        slip = "two spellings of one network are one network: make the child canonical before anything else"
    else:
        slip = ""
    raise Wrong(what, case, slip)


@check("lets the oldest go, however good it is", needs=(tournament, frugal))
def ageing(work: Any, rng: Random) -> None:
    source = Random(rng.random())  # who is handed rng knows the inputs to come
    for oldest in ("best", "worst", "neither"):
        population = _population(rng, 4)
        order = sorted(error for _, error in population)
        first = {"best": order[0], "worst": order[-1], "neither": order[1]}[oldest]
        rest = [error for error in order if error != first]
        if oldest == "best":
            rest.reverse()  # the worst is not the youngest: it stands in second place
        population = [(arch, error) for (arch, _), error in zip(population, [first, *rest], strict=True)]
        child, error = (500, 1), rng.choice((0.01, 0.99))
        case = f"4 members, the oldest is the {oldest}, the child has the error {error}"
        case = case.replace("is the neither", "is neither best nor worst")
        space = Space([child])
        seen = _seen(space, population)
        got = _plain(work.generation(list(population), space, 2, _yes, lambda arch, e=error: e, seen, source), case)
        new, everyone = (child, error), [*population, (child, error)]
        worst = max(everyone, key=lambda member: member[1])
        parent = next((member for member in population if member[0] in space.asked), None)
        slips = {
            "the oldest stays for ever where nobody dies": everyone,
            "the worst has left instead of the oldest": [member for member in everyone if member != worst],
            "the worst of the parents has left instead of the oldest":
                [*(m for m in population if m != max(population, key=lambda member: member[1])), new],
            "the youngest has left instead of the oldest": [*population[:-1], new],
            "the parent has left instead of the oldest": [member for member in everyone if member != parent],
            "the child is missing": population[1:],
            "the population stands oldest first: the child goes to the end": [new, *population[1:]],
            "the population stands oldest first, not best first":
                sorted([*population[1:], new], key=lambda member: member[1]),
        }  # fmt: skip
        right = [*population[1:], new]
        if got != right:
            slip = next((slip for slip, wrong in slips.items() if got == wrong), "")
            raise Wrong(f"the errors of the next population are {[e for _, e in got]}, "
                        f"of this one {[e for _, e in population]}", case, slip)  # fmt: skip


@check("changes nothing but the memo", needs=(tournament, frugal), effects=True)
def untouched(work: Any, rng: Random) -> None:
    source = Random(rng.random())  # who is handed rng knows the inputs to come
    child, forbidden = (500, 1), (501, 1)
    for case, script in (("4 members", [child]), ("4 members, the first child is not allowed", [forbidden, child])):
        population = _population(rng, 4)
        handed, space = list(population), Space(script)
        seen = _seen(space, population)
        before = set(seen)
        _plain(work.generation(handed, space, 2, lambda arch: arch != forbidden, _low, seen, source), case)
        if handed != population:
            raise Wrong("the population that was handed in has changed", case,
                        "append, pop and the like change the caller's list; make a new one")  # fmt: skip
        if forbidden in seen:
            raise Wrong(f"seen has {len(seen)} architectures after one generation, before it {len(before)}", case,
                        "a refused child was not evaluated, and does not belong in seen")  # fmt: skip
        if seen - before != {child} or before - seen:
            raise Wrong(f"seen has {len(seen)} architectures after one generation, before it {len(before)}", case,
                        "the child, and only that, has to be remembered, or it will be evaluated again")  # fmt: skip


@check("takes all chance from rng", needs=(tournament, frugal))
def repeatable(work: Any, rng: Random) -> None:
    population, seed = _population(rng, 6), rng.random()
    courses = []
    for _ in range(2):
        own, course = Random(seed), []
        for _ in range(12):
            space = Space()
            _plain(work.generation(list(population), space, 2, _yes, _low, _seen(space, population), own), "6 members")
            course += [*space.asked, *space.draws]
        courses.append([repr(item) for item in course])
    if courses[0] != courses[1]:
        raise Wrong("the same seed gave two different courses", "12 generations, twice from Random(seed)",
                    "rng.choice, not random.choice: only then can a search be repeated")  # fmt: skip
    if not courses[0]:
        raise Wrong("space.mutate was not asked", "12 generations", "the child is a mutation of the parent")


EXERCISE = Exercise(
    id="09-evolution",
    title="One generation",
    lesson="09_evolution",
    defines=("generation",),
    minutes=25,
    difficulty=2,
    why="This short loop found networks as good as those of reinforcement learning, with less to tune.",
    hints=(
        "An evaluation costs hours, everything else microseconds. In which order do you ask the three questions about "
        "a child: is it new, is it allowed, how good is it?",
        "Draw `tournament` members with replacement; the one with the lowest error is the parent. Mutate it, make the "
        "child canonical, and mutate again until it is not in seen and is allowed. Remember it, evaluate it, and "
        "return a new list without the first member and with the child at the end.",
        "parent = min((rng.choice(population) for _ in range(tournament)), key=...)[0], then a loop around "
        "child = space.canonical(space.mutate(parent, rng)) that ends when child is new and allowed(child).",
    ),
    checks=(tournament, frugal, ageing, untouched, repeatable),
)
