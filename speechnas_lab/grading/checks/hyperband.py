"""17-hyperband: successive halving that goes on from checkpoints, and the brackets of Hyperband."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, floor, log
from random import Random
from typing import Any

from ..exercise import Exercise, Wrong, check, difference, likely, number
from ..words import short

RUNS = ((4, 1, 4, 2), (10, 1, 9, 3), (9, 2, 8, 2), (34, 3, 81, 3), (20, 2, 32, 4))  # (configs, least, most, eta)
SMALL = ((1, 1, 1, 3), (5, 9, 9, 3), (2, 1, 9, 3), (3, 1, 8, 2))
MOSTS = ((1, 3), (4, 2), (9, 3), (81, 3), (64, 4), (10, 3), (100, 3), (243, 3), (729, 3), (1000, 10))  # (most, eta)
PATIENCE = 500  # calls of evaluate; the largest run needs 49
NAMES = [a + b for a in "bcdfghjklmnprstvwz" for b in "aeiou"]
Rungs = list[tuple[float, set[str]]]  # (budget, the configurations that were trained up to it)
Keep = Callable[[list[str], list[str], int], list[str]]  # (best first, in order, eta) -> who goes on


def _best(ranked: list[str], order: list[str], eta: int) -> list[str]:
    return ranked[: max(1, len(ranked) // eta)]


class Training:
    """Configurations with checkpoints, and successive halving of them. Errors are drawn: no curve is smooth, so that
    only the last error tells.

    alike: all configurations have the same errors.
    """

    def __init__(self, seed: float, count: int, least: int, most: int, eta: int, alike: bool = False) -> None:
        self.configs = Random(seed).sample(NAMES, count)
        self.seed, self.least, self.most, self.eta, self.alike = seed, least, most, eta, alike
        self.reached: dict[str, set[float]] = {config: {0.0} for config in self.configs}  # the checkpoints
        self.calls: list[tuple[str, float, float]] = []
        self.case = f"{count} configurations, least {least}, most {most}, eta {eta}"

    def error(self, config: str, budget: float) -> float:
        name = "any" if self.alike else config
        return round(Random(f"{self.seed} {name} {float(budget)}").uniform(0.1, 0.9), 6)

    def evaluate(self, config: Any, start: Any, end: Any) -> float:
        if not isinstance(config, str) or config not in self.reached:
            raise Wrong(f"evaluate was asked for {_short(config)}", self.case, "configs holds what can be evaluated")
        first, last = number(start), number(end)
        if first is None or last is None or not 0 <= first < last:
            slip = "end is the whole budget, counted from the beginning, not what is added; it is above start"
            what = f"evaluate was asked to train from {_short(start)} up to {_short(end)}"
            raise Wrong(what, self.case, slip)
        if first not in self.reached[config]:
            slip = "start where the last rung ended; before the first, that is 0"
            what = f"evaluate was asked to go on at {first:g}, but the checkpoint is at {max(self.reached[config]):g}"
            raise Wrong(what, self.case, slip)
        self.calls.append((config, first, last))
        if len(self.calls) > PATIENCE:
            raise Wrong(f"evaluate was asked {len(self.calls)} times", self.case, "the budget has to grow up to most")
        self.reached[config].add(last)
        return self.error(config, last)

    def ask(self, work: Any) -> Any:
        """What the learner returns."""
        return work.successive_halving(list(self.configs), self.evaluate, self.least, self.most, self.eta)

    def rungs(self) -> Rungs:
        """What was trained, by budget."""
        budgets = dict.fromkeys(end for _, _, end in self.calls)
        return [(budget, {config for config, _, end in self.calls if end == budget}) for budget in budgets]

    def halved(self, keep: Keep | None = None, grow: Callable[[float], float] | None = None,
               first: float | None = None, last: float | None = None) -> Rungs:  # fmt: skip
        """The right rungs, or those of another way to keep, to grow, to begin or to end."""
        left, budget, rungs = self.configs, first or self.least, []
        while budget <= (last or self.most) and left:
            rungs.append((float(budget), set(left)))
            ranked = sorted(left, key=lambda config: self.error(config, budget))  # noqa: B023
            kept = set((keep or _best)(ranked, left, self.eta))
            left = [config for config in left if config in kept]
            budget = grow(budget) if grow else budget * self.eta
        return rungs


def _short(value: Any) -> str:
    return short(value, 10**9)[:40].replace("\n", " ")


KEEPS: dict[str, Keep] = {
    "the worst go on; a lower error is better": lambda ranked, order, eta: _best(ranked[::-1], order, eta),
    "the first of the list go on, whatever their errors": lambda ranked, order, eta: _best(order, order, eta),
    "the last of the list go on, whatever their errors": lambda ranked, order, eta: _best(order[::-1], order, eta),
    "a fraction is rounded up; it is rounded down": lambda ranked, order, eta: ranked[: -(-len(ranked) // eta)],
    "one of eta leaves; one of eta stays": lambda ranked, order, eta: ranked[: len(ranked) - len(ranked) // eta],
    "half of them go on, whatever eta": lambda ranked, order, eta: _best(ranked, order, 2),
    "one too many goes on": lambda ranked, order, eta: ranked[: len(ranked) // eta + 1],
    "nobody is left out": lambda ranked, order, eta: ranked,
    "where less than one would go on, one does": lambda ranked, order, eta: ranked[: len(ranked) // eta],
}
RUNG_SLIPS: dict[str, Callable[[Training], Rungs]] = {
    **{slip: lambda t, keep=keep: t.halved(keep) for slip, keep in KEEPS.items()},
    "there is one rung too many: nothing is trained beyond most": lambda t: t.halved(last=t.most * t.eta),
    "the last rung, at most, is missing": lambda t: t.halved(last=t.most - 0.5),
    "the budget grows by least; it is multiplied by eta": lambda t: t.halved(grow=lambda budget: budget + t.least),
    "the budget doubles, whatever eta": lambda t: t.halved(grow=lambda budget: 2 * budget),
    "the first rung trains for least, not for more": lambda t: t.halved(first=t.least * t.eta),
    "the first rung trains for least, not for 1": lambda t: t.halved(first=1),
    "there is one rung only, at most": lambda t: t.halved(first=t.most),
}  # fmt: skip


def _rung_slip(work: Any) -> str:
    """The slip that explains whom this answer trains, over several runs."""

    def asked(*run: int) -> Rungs:
        training = Training(*run)
        training.ask(work)
        return training.rungs()

    slips = {slip: lambda *run, way=way: way(Training(*run)) for slip, way in RUNG_SLIPS.items()}
    return likely(asked, slips, [(seed, *run) for seed, run in enumerate((*RUNS, *SMALL))])


def _judge(work: Any, training: Training) -> Any:
    """Ask the learner, and judge who was trained for how long."""
    handed = list(training.configs)
    got = work.successive_halving(handed, training.evaluate, training.least, training.most, training.eta)
    if handed != training.configs:
        raise Wrong("the list of configurations has changed", training.case, "configs.sort() sorts the caller's list")
    right, rungs = training.halved(), training.rungs()
    if rungs == right:
        return got
    told, due = (", ".join(f"{len(who)} up to {budget:g}" for budget, who in table) for table in (rungs, right))
    if told != due:
        raise Wrong(f"trained were {told or 'none'}, expected {due}", training.case, _rung_slip(work))
    place = next(place for place, rung in enumerate(rungs) if rung != right[place])
    budget, who = rungs[place]
    what = f"{min(who - right[place][1])} was trained up to {budget:g}, and should have been left out"
    raise Wrong(what, training.case, _rung_slip(work))


@check("keeps the best of each rung, and gives them eta times the budget", points=3, effects=True)
def survivors(work: Any, rng: Random) -> None:
    for run in (*RUNS, *RUNS):
        _judge(work, Training(rng.random(), *run))


@check("is right about ties, few configurations and a single rung", needs=(survivors,), effects=True)
def ends(work: Any, rng: Random) -> None:
    for run in SMALL:
        _judge(work, Training(rng.random(), *run))
    for _ in range(3):
        training = Training(rng.random(), 6, 1, 4, 2, alike=True)
        try:
            _judge(work, training)
        except Wrong as wrong:
            slip = "of equal errors the one that stands first goes on; sorted keeps that order if it sees errors alone"
            raise Wrong(wrong.what, f"{training.case}, all with the same error", slip) from None


@check("pays nothing twice: training goes on from the checkpoint", points=2, needs=(survivors,), effects=True)
def cost(work: Any, rng: Random) -> None:
    for run in RUNS:
        training = Training(rng.random(), *run)
        _judge(work, training)
        right = training.halved()
        before = [0.0, *(budget for budget, _ in right)]
        due = sum((budget - old) * len(who) for (budget, who), old in zip(right, before, strict=False))
        asked, enough = len(training.calls), sum(len(who) for _, who in right)
        if asked > enough:
            slip = "keep the errors of a rung; evaluate is asked once for each configuration in it"
            raise Wrong(f"evaluate was asked {asked} times, {enough} are enough", training.case, slip)
        paid = sum(end - start for _, start, end in training.calls)
        if paid != due:
            slip = "a rung begins at 0 again; start where the last one ended"
            raise Wrong(f"{paid:g} units of training were paid for, {due:g} are enough", training.case, slip)


def _results(training: Training) -> tuple[tuple[str, float], dict[str, tuple[str, float]]]:
    """The right result, and what known slips give."""
    rungs = training.halved()
    _, last = rungs[-1]
    before = rungs[-2][0] if len(rungs) > 1 else training.least
    at = lambda budget: lambda config: training.error(config, budget)  # noqa: E731
    full, pair = at(training.most), lambda config: (config, training.error(config, training.most))  # noqa: E731
    every = [(training.error(config, budget), config) for budget, who in rungs for config in who]
    best = min(last, key=full)
    return pair(best), {
        "this is the lowest error of all rungs; only errors after the full budget can be compared": min(every)[::-1],
        "this is the worst of the last rung": pair(max(last, key=full)),
        "this was the best of the rung before; the last rung decides": pair(min(last, key=at(before))),
        "the error is that of the first rung": (best, training.error(best, training.least)),
        "the error is the lowest that it had in any rung":
            (best, min(error for error, config in every if config == best)),
    }  # fmt: skip


@check("returns the best of the last rung with its error", needs=(survivors,), effects=True)
def result(work: Any, rng: Random) -> None:
    def answer(*run: float) -> tuple[Any, float | None]:
        config, error = Training(*run).ask(work)
        return config, number(error)

    runs = [(rng.random(), *run) for run in ((6, 1, 1, 2), (9, 1, 4, 2), (12, 1, 4, 2), (14, 1, 4, 2), *RUNS)]
    for run in runs:
        training = Training(*run)
        got = _judge(work, training)
        if not isinstance(got, (tuple, list)) or len(got) != 2 or not isinstance(got[0], str):
            raise Wrong(f"the result is {_short(got)}", training.case, "a pair is asked for: configuration, error")
        (config, error), slips = _results(training)
        if got[0] == config and not difference(got[1], error, "", 1e-6):
            continue
        ways = {slip: lambda *run, slip=slip: _results(Training(*run))[1][slip] for slip in slips}
        raise Wrong(f"the result is {_short(tuple(got))}", training.case, likely(answer, ways, runs))


Table = list[list[tuple[float, float]]]


def _brackets(most: int, eta: int, n: Callable[[int, int], int] | None = None, deepest: int | None = None,
              rung: Callable[[int, int], int] = lambda n, parts: n // parts) -> Table:  # fmt: skip
    """Algorithm 1 of Li et al. 2018, or a way that is like it. n: (s_max, s) -> configurations of bracket s."""
    top = 0
    while eta ** (top + 1) <= most:
        top += 1
    top = top if deepest is None else deepest
    count = n or (lambda top, s: -(-((top + 1) * eta**s) // (s + 1)))
    return [
        [(rung(count(top, s), eta**i), most / eta ** (s - i)) for i in range(s + 1)] for s in reversed(range(top + 1))
    ]


def _each(change: Callable[[list, int], list]) -> Callable[[int, int], Table]:
    return lambda most, eta: [change(bracket, eta) for bracket in _brackets(most, eta)]


LOST = "the logarithm falls just below a whole number, so that a bracket is lost; count powers of eta instead"
BRACKET_SLIPS: dict[str, Callable[[int, int], Table]] = {
    LOST: lambda most, eta: _brackets(most, eta, deepest=floor(log(most) / log(eta))),
    "s_max is rounded up; it is the largest s for which eta^s is not above most":
        lambda most, eta: _brackets(most, eta, deepest=ceil(log(most) / log(eta) - 1e-9)),
    "the first n is rounded down; Algorithm 1 rounds it up":
        lambda most, eta: _brackets(most, eta, lambda top, s: (top + 1) * eta**s // (s + 1)),
    "(s_max + 1) / (s + 1) is rounded before it is multiplied, as some public code does; Algorithm 1 does not":
        lambda most, eta: _brackets(most, eta, lambda top, s: (top + 1) // (s + 1) * eta**s),
    "n is eta^s in all brackets; those that stop less early get more, to pay as much as the others":
        lambda most, eta: _brackets(most, eta, lambda top, s: eta**s),
    "all brackets begin with the same n": lambda most, eta: _brackets(most, eta, lambda top, s: eta**top),
    "there are s_max + 1 brackets, and n has s_max + 1 in it, not s_max":
        lambda most, eta: _brackets(most, eta, lambda top, s: -(-(top * eta**s) // (s + 1))),
    "n_i is rounded up; it is rounded down":
        lambda most, eta: _brackets(most, eta, rung=lambda n, parts: -(-n // parts)),
    "n_i is rounded to the nearest; it is rounded down":
        lambda most, eta: _brackets(most, eta, rung=lambda n, parts: round(n / parts)),
    "n * eta ** -i falls just below a whole number; divide by eta ** i":
        lambda most, eta: _brackets(most, eta, rung=lambda n, parts: floor(n * (1 / parts))),
    "the bracket s = 0, which stops nothing early, is missing": lambda most, eta: _brackets(most, eta)[:-1],
    "the bracket with s = s_max is missing": lambda most, eta: _brackets(most, eta)[1:],
    "the order is turned: the bracket that stops earliest comes first": lambda most, eta: _brackets(most, eta)[::-1],
    "the last rung of each bracket, at most, is missing": _each(lambda bracket, eta: bracket[:-1]),
    "each bracket has one rung too many": _each(lambda b, eta: [*b, (b[-1][0] // eta, b[-1][1] * eta)]),
    "only the first rung of each bracket is there": _each(lambda bracket, eta: bracket[:1]),
    "the budget does not grow from rung to rung": _each(lambda bracket, eta: [(n, bracket[0][1]) for n, _ in bracket]),
    "each bracket begins with the budget 1; it ends with most":
        lambda most, eta: [[(n, eta**i) for i, (n, _) in enumerate(row)] for row in _brackets(most, eta)],
    "budgets are rounded; they may be fractions": _each(lambda bracket, eta: [(n, int(r)) for n, r in bracket]),
    "a rung is (n, r), not (r, n)": _each(lambda bracket, eta: [(r, n) for n, r in bracket]),
}  # fmt: skip


def _rows(got: Any) -> list[list[Any]]:
    """A table as rows (bracket, n, r)."""
    return [[place, *map(number, rung)] for place, bracket in enumerate(got) for rung in bracket]


@check("lays out the brackets of Algorithm 1", points=3)
def layout(work: Any, rng: Random) -> None:
    for most, eta in MOSTS:
        case, got = f"most {most}, eta {eta}", work.brackets(most, eta)
        try:
            table = [list(bracket) for bracket in got]
            rows = _rows(table)
        except (TypeError, ValueError, RuntimeError):
            table, rows = [], [[None]]
        if any(len(row) != 3 or None in row for row in rows):
            slip = "a list of brackets, each a list of pairs (n, r)"
            raise Wrong(f"brackets({most}, {eta}) is {_short(got)}", case, slip)
        right = _brackets(most, eta)
        if not difference(rows, _rows(right), "", 1e-6):
            continue
        slips = {slip: lambda *case, way=way: _rows(way(*case)) for slip, way in BRACKET_SLIPS.items()}
        slip = likely(lambda *case: _rows(work.brackets(*case)), slips, MOSTS)
        if len(table) != len(right):
            lost = {LOST: lambda most, eta: floor(log(most) / log(eta)) + 1}  # it may not be the only slip
            slip = slip or likely(lambda *case: len(work.brackets(*case)), lost, MOSTS)
            raise Wrong(f"there are {len(table)} brackets, expected {len(right)}", case, slip)
        place = next((s for s in range(len(right)) if difference(_rows([table[s]]), _rows([right[s]]), "", 1e-6)), 0)
        shown = ", ".join(f"({n:g}, {r:g})" for _, n, r in _rows([table[place]]))
        raise Wrong(f"the bracket s = {len(right) - 1 - place} is {shown or 'empty'}", case, slip)


EXERCISE = Exercise(
    id="17-hyperband",
    title="Stop early, in brackets",
    lesson="17_all_strategies",
    defines=("successive_halving", "brackets"),
    minutes=30,
    difficulty=3,
    why="Most networks are bad, and show it early: what they would have cost goes to the good ones.",
    hints=(
        "After a rung, what do you know of each configuration, and what has been paid for it? And what would you lose "
        "if a good one learned slowly?",
        "successive_halving: while the budget is not above most, evaluate everyone left from the old budget to this "
        "one, sort by error, keep len // eta but at least one, multiply the budget. brackets: find s_max by "
        "multiplying, then two nested loops over s and i.",
        "sorted(left, key=errors.get) keeps the order of equals; errors is a dict of this rung alone. A whole number "
        "divided and rounded up is -(-a // b). The budget of rung i in bracket s is most / eta ** (s - i).",
    ),
    checks=(survivors, ends, cost, result, layout),
)
