# %% given
from fractions import Fraction
from heapq import nsmallest
from math import ceil, floor, log

import numpy as np


def halving(keep=lambda ranked, configs, eta: ranked[: max(1, len(ranked) // eta)], grow=lambda end, least, eta: end * eta,
            begin=lambda least, eta: least, stop=lambda most, eta: most, fresh=False, result=None):
    """Successive halving in which one thing may be another."""
    def successive_halving(configs, evaluate, least, most, eta):
        left, start, end, rungs = list(configs), 0, begin(least, eta), []
        while end <= stop(most, eta) and left:
            errors = {config: evaluate(config, 0 if fresh else start, end) for config in left}
            rungs.append(errors)
            ranked = sorted(left, key=errors.get)
            left = keep(ranked, [config for config in configs if config in errors], eta)
            start, end = end, grow(end, least, eta)
        return result(rungs) if result else min(rungs[-1].items(), key=lambda item: item[1])
    return successive_halving


def table(n=lambda top, eta, s: ceil((top + 1) * eta**s / (s + 1)), rung=lambda n, eta, i: n // eta**i,
          budget=lambda most, eta, s, i: most / eta ** (s - i), top=None):
    """Brackets in which one thing may be another."""
    def brackets(most, eta):
        s_max = 0
        while eta ** (s_max + 1) <= most:
            s_max += 1
        s_max = top(most, eta) if top else s_max
        return [[(rung(n(s_max, eta, s), eta, i), budget(most, eta, s, i)) for i in range(s + 1)]
                for s in range(s_max, -1, -1)]
    return brackets


successive_halving, brackets = halving(), table()

# %% wrong: keeps the worst
# says: the worst go on
successive_halving = halving(lambda ranked, configs, eta: ranked[-max(1, len(ranked) // eta):])

# %% wrong: keeps the first
# says: the first of the list
successive_halving = halving(lambda ranked, configs, eta: configs[: max(1, len(ranked) // eta)])

# %% wrong: keeps the last
# says: the last of the list
successive_halving = halving(lambda ranked, configs, eta: configs[-max(1, len(ranked) // eta):])

# %% wrong: rounds up
# says: rounded up
successive_halving = halving(lambda ranked, configs, eta: ranked[: ceil(len(ranked) / eta)])

# %% wrong: leaves out one of eta
# says: one of eta leaves
successive_halving = halving(lambda ranked, configs, eta: ranked[: len(ranked) - len(ranked) // eta])

# %% wrong: always halves
# says: whatever eta
successive_halving = halving(lambda ranked, configs, eta: ranked[: max(1, len(ranked) // 2)])

# %% wrong: one too many
# says: one too many goes on
successive_halving = halving(lambda ranked, configs, eta: ranked[: len(ranked) // eta + 1])

# %% wrong: keeps all
# says: nobody is left out
successive_halving = halving(lambda ranked, configs, eta: ranked)

# %% wrong: keeps nobody where there are few
# says: less than one
successive_halving = halving(lambda ranked, configs, eta: ranked[: len(ranked) // eta])

# %% wrong: one rung too many
# says: nothing is trained beyond most
successive_halving = halving(stop=lambda most, eta: most * eta)

# %% wrong: stops before most
# says: the last rung, at most, is missing
successive_halving = halving(stop=lambda most, eta: most - 1)

# %% wrong: grows by least
# says: multiplied by eta
successive_halving = halving(grow=lambda end, least, eta: end + least)

# %% wrong: doubles
# says: the budget doubles
successive_halving = halving(grow=lambda end, least, eta: 2 * end)

# %% wrong: the budget stays
# says: from 1 up to 1
def successive_halving(configs, evaluate, least, most, eta):
    left, done = list(configs), 0
    while True:
        errors = {config: evaluate(config, done, least) for config in left}
        done, left = least, sorted(left, key=errors.get)
        if len(left) == 1:
            return left[0], errors[left[0]]
        left = left[: max(1, len(left) // eta)]

# %% wrong: begins at eta times least
# says: trains for least, not for more
successive_halving = halving(begin=lambda least, eta: least * eta)

# %% wrong: end is what is added
# says: not what is added
def successive_halving(configs, evaluate, least, most, eta):
    left, start, end = list(configs), 0, least
    while end <= most:
        errors = {config: evaluate(config, start, end - start) for config in left}
        ranked = sorted(left, key=errors.get)
        left, start, end = ranked[: max(1, len(left) // eta)], end, end * eta
    return ranked[0], errors[ranked[0]]

# %% wrong: begins at a checkpoint that is not there
# says: start where the last rung ended
def successive_halving(configs, evaluate, least, most, eta):
    left, end = list(configs), least
    while end <= most:
        errors = {config: evaluate(config, end // eta, end) for config in left}
        ranked = sorted(left, key=errors.get)
        left, end = ranked[: max(1, len(left) // eta)], end * eta
    return ranked[0], errors[ranked[0]]

# %% wrong: trains from scratch
# says: begins at 0 again
successive_halving = halving(fresh=True)

# %% wrong: evaluates while it sorts
# says: keep the errors of a rung
def successive_halving(configs, evaluate, least, most, eta):
    left, start, end = list(configs), 0, least
    while end <= most:
        errors = {config: evaluate(config, start, end) for config in left}
        ranked = sorted(left, key=lambda config: evaluate(config, start, end))
        left, start, end = ranked[: max(1, len(left) // eta)], end, end * eta
    return ranked[0], errors[ranked[0]]

# %% wrong: sorts the caller's list
# says: the caller's list
def successive_halving(configs, evaluate, least, most, eta):
    left, start, end = configs, 0, least
    while end <= most:
        errors = {config: evaluate(config, start, end) for config in left}
        left.sort(key=errors.get)
        best = left[0]
        left, start, end = left[: max(1, len(left) // eta)], end, end * eta
    return best, errors[best]

# %% wrong: equals by name
# says: of equal errors
def successive_halving(configs, evaluate, least, most, eta):
    left, start, end = list(configs), 0, least
    while end <= most:
        ranked = sorted((evaluate(config, start, end), config) for config in left)
        left, start, end = [config for _, config in ranked[: max(1, len(left) // eta)]], end, end * eta
    return ranked[0][::-1]

# %% wrong: the later of equals
# says: of equal errors
def successive_halving(configs, evaluate, least, most, eta):
    left, start, end = list(configs), 0, least
    while end <= most:
        errors = {config: evaluate(config, start, end) for config in left}
        ranked = sorted(left, key=errors.get, reverse=True)[::-1]
        ranked = sorted(reversed(left), key=errors.get)
        left, start, end = ranked[: max(1, len(left) // eta)], end, end * eta
    return ranked[0], errors[ranked[0]]

# %% wrong: the lowest error of all rungs
# says: only errors after the full budget
successive_halving = halving(result=lambda rungs: min((item for rung in rungs for item in rung.items()), key=lambda item: item[1]))

# %% wrong: the worst of the last rung
# says: worst of the last rung
successive_halving = halving(result=lambda rungs: max(rungs[-1].items(), key=lambda item: item[1]))

# %% wrong: the best of the rung before
# says: the last rung decides
def successive_halving(configs, evaluate, least, most, eta):
    left, start, end = list(configs), 0, least
    while end <= most:
        errors = {config: evaluate(config, start, end) for config in left}
        first = left[0]
        if start == 0:
            first = min(errors, key=errors.get)
        left, start, end = sorted(left, key=errors.get)[: max(1, len(left) // eta)], end, end * eta
    return first, errors[first]

# %% wrong: the error of the first rung
# says: that of the first rung
def _result(rungs):
    best = min(rungs[-1], key=rungs[-1].get)
    return best, rungs[0][best]
successive_halving = halving(result=_result)

# %% wrong: the lowest error that it had
# says: had in any rung
def _result(rungs):
    best = min(rungs[-1], key=rungs[-1].get)
    return best, min(rung[best] for rung in rungs if best in rung)
successive_halving = halving(result=_result)

# %% wrong: the configuration alone
# says: a pair is asked for
successive_halving = halving(result=lambda rungs: min(rungs[-1], key=rungs[-1].get))

# %% wrong: the error first
# says: a pair is asked for
successive_halving = halving(result=lambda rungs: min((error, config) for config, error in rungs[-1].items()))

# %% wrong: a logarithm
# says: count powers of eta
brackets = table(top=lambda most, eta: floor(log(most) / log(eta)))

# %% wrong: the logarithm of two arguments
# says: count powers of eta
brackets = table(top=lambda most, eta: int(log(most, eta)))

# %% wrong: a logarithm and a negative power
# says: count powers of eta
brackets = table(rung=lambda n, eta, i: floor(n * eta**-i), top=lambda most, eta: floor(log(most) / log(eta)))

# %% wrong: s_max rounded up
# says: s_max is rounded up
brackets = table(top=lambda most, eta: ceil(log(most) / log(eta) - 1e-9))

# %% wrong: n rounded down
# says: n is rounded down
brackets = table(lambda top, eta, s: (top + 1) * eta**s // (s + 1))

# %% wrong: rounds too early
# says: as some public code does
brackets = table(lambda top, eta, s: (top + 1) // (s + 1) * eta**s)

# %% wrong: powers of eta
# says: n is eta^s in all brackets
brackets = table(lambda top, eta, s: eta**s)

# %% wrong: the same n everywhere
# says: begin with the same n
brackets = table(lambda top, eta, s: eta**top)

# %% wrong: s_max in place of s_max + 1
# says: not s_max
brackets = table(lambda top, eta, s: ceil(top * eta**s / (s + 1)))

# %% wrong: rungs rounded up
# says: n_i is rounded up
brackets = table(rung=lambda n, eta, i: ceil(n / eta**i))

# %% wrong: rungs rounded to the nearest
# says: to the nearest
brackets = table(rung=lambda n, eta, i: round(n / eta**i))

# %% wrong: a negative power
# says: falls just below a whole number
brackets = table(rung=lambda n, eta, i: floor(n * eta**-i))

# %% wrong: no last bracket
# says: s = 0
def brackets(most, eta):
    return table()(most, eta)[:-1]

# %% wrong: no first bracket
# says: with s = s_max
def brackets(most, eta):
    return table()(most, eta)[1:]

# %% wrong: from the other end
# says: the order is turned
def brackets(most, eta):
    return table()(most, eta)[::-1]

# %% wrong: no rung at most
# says: the last rung of each bracket
def brackets(most, eta):
    return [rungs[:-1] for rungs in table()(most, eta)]

# %% wrong: a rung beyond most
# says: one rung too many
def brackets(most, eta):
    return [[*rungs, (rungs[-1][0] // eta, most * eta)] for rungs in table()(most, eta)]

# %% wrong: first rungs only
# says: only the first rung
def brackets(most, eta):
    return [rungs[:1] for rungs in table()(most, eta)]

# %% wrong: pairs without their list
# says: each a list of pairs
def brackets(most, eta):
    return [rungs[0] for rungs in table()(most, eta)]

# %% wrong: the same budget in all rungs
# says: does not grow
brackets = table(budget=lambda most, eta, s, i: most / eta**s)

# %% wrong: from 1 in all brackets
# says: begins with the budget 1
brackets = table(budget=lambda most, eta, s, i: eta**i)

# %% wrong: whole budgets
# says: they may be fractions
brackets = table(budget=lambda most, eta, s, i: most // eta ** (s - i))

# %% wrong: budget first
# says: not (r, n)
def brackets(most, eta):
    return [[(r, n) for n, r in rungs] for rungs in table()(most, eta)]

# %% right: recursion, fractions
def successive_halving(configs, evaluate, least, most, eta, start=0):
    errors = [evaluate(config, start, least) for config in configs]
    order = sorted(range(len(configs)), key=lambda i: errors[i])
    if least * eta > most:
        return [configs[order[0]], errors[order[0]]]
    survivors = [configs[i] for i in sorted(order[: max(len(configs) // eta, 1)])]
    return successive_halving(survivors, evaluate, least * eta, most, eta, least)

def brackets(most, eta):
    budgets = [Fraction(most)]
    while budgets[-1] >= eta:
        budgets.append(budgets[-1] / eta)
    found = []
    for s in reversed(range(len(budgets))):
        n = -(-len(budgets) * eta**s // (s + 1))
        rungs = []
        for r in reversed(budgets[: s + 1]):
            rungs.append([n, float(r)])
            n //= eta
        found.append(tuple(rungs))
    return tuple(found)

# %% right: NumPy
def successive_halving(configs, evaluate, least, most, eta):
    names, done, budget = np.array(configs, dtype=object), 0, float(least)
    for rung in range(int(np.round(np.log(most / least) / np.log(eta))) + 1):
        errors = np.array([evaluate(name, done, budget) for name in names])
        order = np.argsort(errors, kind="stable")
        best = names[order[0]], errors[order[0]]
        names, done, budget = names[order[: max(1, len(names) // eta)]], budget, budget * eta
    return best

def brackets(most, eta):
    top = max(s for s in range(64) if eta**s <= most)
    s = np.arange(top, -1, -1)
    n = np.ceil((top + 1) * eta ** s.astype(float) / (s + 1) - 1e-9)
    return [[(int(n[k]) // eta**i, most * float(eta) ** (i - deep)) for i in range(deep + 1)] for k, deep in enumerate(s)]

# %% right: heap and checkpoints by name
def successive_halving(configs, evaluate, least, most, eta):
    checkpoints, alive, budget = dict.fromkeys(configs, 0), configs, least
    while True:
        error = {}
        for c in alive:
            error[c] = evaluate(c, checkpoints[c], budget)
            checkpoints[c] = budget
        if budget == most:
            winner = min(alive, key=error.__getitem__)
            return winner, error[winner]
        alive = nsmallest(max(1, int(len(alive) / eta)), alive, key=error.__getitem__)
        budget *= eta

def brackets(most, eta):
    s_max = int(log(most, eta) + 1e-9)
    out = []
    for s in range(s_max, -1, -1):
        n, r = ceil(Fraction(s_max + 1, s + 1) * eta**s), most / eta**s
        out.append([(floor(Fraction(n, eta**i)), r * eta**i) for i in range(s + 1)])
    return out
