# %% given
from itertools import product

# %% wrong: strictly below the limit
# says: <=, not <
def fitting(options, added, least, limit):
    def descend(partial, spent):
        if len(partial) == len(options):
            return [partial]
        found = []
        for option in options[len(partial)]:
            child = (*partial, option)
            cost = spent + added(child)
            if cost + sum(least[len(child):]) < limit:
                found += descend(child, cost)
        return found

    return descend((), 0)

# %% wrong: bound only at the leaves
# says: only where the tree ends
def fitting(options, added, least, limit):
    def descend(partial, spent):
        if len(partial) == len(options):
            return [partial] if spent <= limit else []
        found = []
        for option in options[len(partial)]:
            child = (*partial, option)
            found += descend(child, spent + added(child))
        return found

    return descend((), 0)

# %% wrong: brute force
# says: asked twice
def fitting(options, added, least, limit):
    cost = lambda whole: sum(added(whole[:n]) for n in range(1, len(whole) + 1))
    return [whole for whole in product(*options) if cost(whole) <= limit]

# %% wrong: the parent's bound, also at the leaves
# says: bound of the parent
def fitting(options, added, least, limit):
    def descend(partial, spent):
        if len(partial) == len(options):
            return [partial]
        found = []
        for option in options[len(partial)]:
            child = (*partial, option)
            cost = spent + added(child)
            if spent + sum(least[len(partial):]) <= limit:
                found += descend(child, cost)
        return found

    return descend((), 0)

# %% wrong: the parent's bound, mended at the leaves
# says: bound of the parent
def fitting(options, added, least, limit):
    def descend(partial, spent):
        if len(partial) == len(options):
            return [partial] if spent <= limit else []
        found = []
        for option in options[len(partial)]:
            child = (*partial, option)
            cost = spent + added(child)
            if len(child) == len(options) or spent + sum(least[len(partial):]) <= limit:
                found += descend(child, cost)
        return found

    return descend((), 0)

# %% wrong: spent so far only
# says: without the least that the open levels must add
def fitting(options, added, least, limit):
    def descend(partial, spent):
        if len(partial) == len(options):
            return [partial]
        found = []
        for option in options[len(partial)]:
            child = (*partial, option)
            cost = spent + added(child)
            if cost <= limit:
                found += descend(child, cost)
        return found

    return descend((), 0)

# %% wrong: own level counted twice
# says: counted twice
def fitting(options, added, least, limit):
    def descend(partial, spent):
        if len(partial) == len(options):
            return [partial]
        found = []
        for option in options[len(partial)]:
            child = (*partial, option)
            cost = spent + added(child)
            if cost + sum(least[len(partial):]) <= limit:
                found += descend(child, cost)
        return found

    return descend((), 0)

# %% wrong: an inadmissible bound
# says: too high loses solutions
def fitting(options, added, least, limit):
    def descend(partial, spent):
        if len(partial) == len(options):
            return [partial]
        found = []
        for option in options[len(partial)]:
            child = (*partial, option)
            cost = spent + added(child)
            if cost + sum(least) <= limit:
                found += descend(child, cost)
        return found

    return descend((), 0)

# %% wrong: leaves the loop
# says: neighbours
def fitting(options, added, least, limit):
    def descend(partial, spent):
        if len(partial) == len(options):
            return [partial]
        found = []
        for option in options[len(partial)]:
            child = (*partial, option)
            cost = spent + added(child)
            if cost + sum(least[len(child):]) > limit:
                break
            found += descend(child, cost)
        return found

    return descend((), 0)

# %% wrong: forgets what was spent
# says: not all of them together
def fitting(options, added, least, limit):
    def descend(partial):
        if len(partial) == len(options):
            return [partial]
        found = []
        for option in options[len(partial)]:
            child = (*partial, option)
            if added(child) + sum(least[len(child):]) <= limit:
                found += descend(child)
        return found

    return descend(())

# %% wrong: the first solution only
# says: only the first solution
def fitting(options, added, least, limit):
    def descend(partial, spent):
        if len(partial) == len(options):
            return [partial]
        for option in options[len(partial)]:
            child = (*partial, option)
            cost = spent + added(child)
            if cost + sum(least[len(child):]) <= limit:
                found = descend(child, cost)
                if found:
                    return found
        return []

    return descend((), 0)

# %% wrong: asks for the option alone
# says: as one tuple
def fitting(options, added, least, limit):
    def descend(partial, spent):
        if len(partial) == len(options):
            return [partial]
        found = []
        for option in options[len(partial)]:
            cost = spent + added(option)
            if cost + sum(least[len(partial) + 1:]) <= limit:
                found += descend((*partial, option), cost)
        return found

    return descend((), 0)

# %% wrong: adds up again on every level
# says: asked twice
def fitting(options, added, least, limit):
    def descend(partial):
        if len(partial) == len(options):
            return [partial]
        found = []
        for option in options[len(partial)]:
            child = (*partial, option)
            cost = sum(added(child[:n]) for n in range(1, len(child) + 1))
            if cost + sum(least[len(child):]) <= limit:
                found += descend(child)
        return found

    return descend(())

# %% wrong: keeps its results between calls
# says: between two calls
kept = []
def fitting(options, added, least, limit):
    def descend(partial, spent):
        if len(partial) == len(options):
            kept.append(partial)
            return
        for option in options[len(partial)]:
            child = (*partial, option)
            cost = spent + added(child)
            if cost + sum(least[len(child):]) <= limit:
                descend(child, cost)

    if not kept or len(kept[0]) != len(options):
        kept.clear()
    descend((), 0)
    return kept

# %% wrong: the least of the next level only
# says: only the least of the next level is added
def fitting(options, added, least, limit):
    def descend(partial, spent):
        if len(partial) == len(options):
            return [partial]
        found = []
        for option in options[len(partial)]:
            child = (*partial, option)
            cost = spent + added(child)
            if cost + sum(least[len(child):len(child) + 1]) <= limit:
                found += descend(child, cost)
        return found

    return descend((), 0)

# %% wrong: what an option cost stays spent
# says: also charged to the next
def fitting(options, added, least, limit):
    def descend(partial, spent):
        if len(partial) == len(options):
            return [partial]
        found = []
        for option in options[len(partial)]:
            child = (*partial, option)
            spent += added(child)
            if spent + sum(least[len(child):]) <= limit:
                found += descend(child, spent)
        return found

    return descend((), 0)

# %% wrong: a number without end among the results
# says: a number of more than 4,300 digits
def fitting(options, added, least, limit):
    return [tuple(10**5000 for _ in options)]

# %% right: a generator
def fitting(options, added, least, limit, partial=(), spent=0):
    if len(partial) == len(options):
        yield partial
        return
    for option in options[len(partial)]:
        cost = spent + added(partial + (option,))
        if cost + sum(least[len(partial) + 1:]) <= limit:
            yield from fitting(options, added, least, limit, partial + (option,), cost)

# %% right: level by level
def fitting(options, added, least, limit):
    row = [((), 0)]
    for level, choices in enumerate(options):
        rest = sum(least[level + 1:])
        grown = [((*p, o), s + added((*p, o))) for p, s in row for o in choices]
        row = [(p, s) for p, s in grown if s + rest <= limit]
    return [p for p, _ in row]

# %% right: a stack, with what is left of the limit
def fitting(options, added, least, limit):
    rest = [0]
    for smallest in reversed(least):
        rest.insert(0, rest[0] + smallest)
    stack, found = [[[], limit]], set()
    while stack:
        partial, left = stack.pop()
        if len(partial) == len(options):
            found.add(tuple(partial))
            continue
        for option in options[len(partial)]:
            remaining = left - added(partial + [option])
            if remaining >= rest[len(partial) + 1]:
                stack.append([partial + [option], remaining])
    return found

# %% right: by a table of NumPy's numbers
import numpy as np

def fitting(options, added, least, limit):
    rest = [*np.cumsum(least[::-1])[::-1], 0]
    alive = [((), 0)]
    for level, row in enumerate(options):
        tried = [((*partial, option), spent) for partial, spent in alive for option in np.array(row)]
        alive = [(child, spent + added(child)) for child, spent in tried]
        alive = [(child, spent) for child, spent in alive if spent + rest[level + 1] <= limit]
    return [child for child, _ in alive]
