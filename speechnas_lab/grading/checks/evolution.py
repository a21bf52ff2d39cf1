"""09-evolution: one generation of ageing evolution: tournament, mutation, a child that is new and allowed, ageing."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from math import sqrt
from random import Random
from typing import Any

from ..exercise import Exercise, Wrong, check

MEMBERS, DRAWN, TURNS = 4, 2, 2000  # population, tournament and repetitions of the statistical check
LOW = 0.05  # the error of a child: lower than those of the population
SIGMAS = 5.0  # how far a share may be from the expected one: a right answer fails once in 400,000 times


class Space:
    """Architectures are pairs of numbers. The second does nothing where the first is 0: `canonical` makes it 0.

    script: the children that `mutate` gives, one after the other; without one, it counts up.
    """

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


class Counting:
    """A function that keeps what it was asked."""

    def __init__(self, function: Callable) -> None:
        self.function, self.asked = function, []

    def __call__(self, arch: Any) -> Any:
        self.asked.append(arch)
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
        good = isinstance(member, tuple) and len(member) == 2 and isinstance(member[0], tuple)
        if not good:
            raise Wrong(f"the result holds {str(member)[:60]}", case, "a member is a pair (architecture, error)")
    return list(got)


# Shares of the members, best first, as parents. rank r of P wins S draws with replacement: ((P-r)^S - (P-r-1)^S) / P^S.
_SHARES = {
    "": [((MEMBERS - r) ** DRAWN - (MEMBERS - r - 1) ** DRAWN) / MEMBERS**DRAWN for r in range(MEMBERS)],
    "the same member may be drawn twice, so that even the worst has a small chance: rng.choice, not rng.sample":
        [1 / 2, 1 / 3, 1 / 6, 0],
    "the parent was drawn from all alike; a tournament draws several, and the best wins": [1 / MEMBERS] * MEMBERS,
    "the best of the whole population is always the parent; a tournament draws first": [1, 0, 0, 0],
    "the worst of the tournament wins; a lower error is better": [1 / 16, 3 / 16, 5 / 16, 7 / 16],
    "the tournament has one member more than asked for": [37 / 64, 19 / 64, 7 / 64, 1 / 64],
}  # fmt: skip


@check("chooses the parent by a tournament", points=2)
def tournament(work: Any, rng: Random) -> None:
    population = _population(rng, MEMBERS)
    best_first = sorted(population, key=lambda member: member[1])
    won: Counter = Counter()
    for _ in range(TURNS):
        space = Space()
        work.generation(list(population), space, DRAWN, _yes, _low, _seen(space, population), rng)
        if not space.asked:
            raise Wrong("space.mutate was not asked", "one generation", "the child is a mutation of the parent")
        won[space.asked[0]] += 1
    shares = [won[arch] / TURNS for arch, _ in best_first]
    if sum(won[arch] for arch, _ in best_first) < TURNS:
        raise Wrong("what was mutated is no member of the population", f"{MEMBERS} members", "")
    if not _near(shares, _SHARES[""]):
        case = f"{MEMBERS} members, tournaments of {DRAWN}, {TURNS} generations"
        text = ", ".join(f"{share:.0%}" for share in shares)
        raise Wrong(f"the members, best first, were the parent in {text} of the cases", case,
                    next((slip for slip, expected in _SHARES.items() if _near(shares, expected)), ""))  # fmt: skip


def _near(shares: list[float], expected: list[float]) -> bool:
    return all(abs(s - p) <= SIGMAS * sqrt(p * (1 - p) / TURNS) for s, p in zip(shares, expected, strict=True))


def _yes(arch: Any) -> bool:
    return True


def _low(arch: Any) -> float:
    return LOW


@check("evaluates one child, new and allowed", points=2)
def frugal(work: Any, rng: Random) -> None:
    odd = 2 * rng.randint(50, 90) + 1
    good, forbidden, empty = (odd + 1, 1), (odd, 1), (0, 0)
    scripts = (  # what mutate gives: the last is to be taken
        ("a child that is new and allowed", [good], ()),
        ("first a child that was evaluated before, then a new one", ["repeated", good], ()),
        ("first a child that is not allowed, then one that is", [forbidden, good], ()),
        ("first another spelling of one that was evaluated before", [(0, rng.randint(1, 9)), good], (empty,)),
        ("a new child in a spelling that is not canonical", [(0, rng.randint(1, 9))], ()),
        ("first one that was evaluated before, then such a spelling", ["repeated", (0, rng.randint(1, 9))], ()),
    )  # fmt: skip
    for case, script, more in scripts:
        population = _population(rng, 4)
        repeated = population[2][0]
        children = [repeated if child == "repeated" else child for child in script]
        space, allowed, evaluate = Space(children), Counting(lambda arch: arch[0] % 2 == 0), Counting(_low)
        if repeated[0] % 2:  # what was evaluated before was allowed, too
            allowed = Counting(lambda arch, first=repeated[0]: arch[0] % 2 == 0 or arch[0] == first)
        seen = _seen(space, population) | set(more)
        got = work.generation(list(population), space, 2, allowed, evaluate, seen, rng)
        if any(arch not in {member for member, _ in population} for arch in space.asked):
            slip = "a child that does not count is left; it is the parent that is mutated again"
            raise Wrong(f"what was mutated is no member of the population: {space.asked}", case, slip)
        right = space.canonical(children[-1])
        _judge_evaluations(evaluate.asked, right, children, repeated, forbidden, population, case)
        newest = _plain(got, case)[-1:]
        if (right, LOW) not in _plain(got, case):
            raise Wrong(f"the child {right} with its error {LOW} is not in the next population", case)
        if newest != [(right, LOW)]:
            raise Wrong(f"the newest member is {newest[0] if newest else 'missing'}, not the child {right}", case,
                        "the population stands oldest first: the child goes to the end")  # fmt: skip


def _judge_evaluations(asked: list, right: tuple, children: list, repeated: tuple, forbidden: tuple,
                       population: list[tuple], case: str) -> None:  # fmt: skip
    if asked == [right]:
        return
    what = f"evaluate was asked {len(asked)} times" if len(asked) != 1 else f"evaluate was asked for {asked[0]}"
    olds = [arch for arch, _ in population]
    if not asked:
        slip = "the child's error has to be measured, once"
    elif forbidden in asked:
        slip = "allowed is asked before the evaluation, not after it: that is where the time is saved"
    elif repeated in children and repeated in asked:
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


@check("lets the oldest go, however good it is")
def ageing(work: Any, rng: Random) -> None:
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
        got = _plain(work.generation(list(population), space, 2, _yes, lambda arch, e=error: e, seen, rng), case)
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


@check("changes nothing but the memo")
def untouched(work: Any, rng: Random) -> None:
    population = _population(rng, 4)
    handed, space = list(population), Space([(500, 1)])
    seen = _seen(space, population)
    before = set(seen)
    _plain(work.generation(handed, space, 2, _yes, _low, seen, rng), "4 members")
    if handed != population:
        raise Wrong("the population that was handed in has changed", "4 members",
                    "append, pop and the like change the caller's list; make a new one")  # fmt: skip
    if seen - before != {(500, 1)} or before - seen:
        raise Wrong(f"seen has {len(seen)} architectures after one generation, before it {len(before)}", "4 members",
                    "the child, and only that, has to be remembered, or it will be evaluated again")  # fmt: skip


@check("takes all chance from rng")
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
