# %% given
import random

# %% wrong: drawn without replacement
# says: may be drawn twice
def generation(population, space, tournament, allowed, evaluate, seen, rng):
    drawn = rng.sample(population, tournament)
    parent, _ = min(drawn, key=lambda member: member[1])
    child = space.canonical(space.mutate(parent, rng))
    while child in seen or not allowed(child):
        child = space.canonical(space.mutate(parent, rng))
    seen.add(child)
    return [*population[1:], (child, evaluate(child))]

# %% wrong: no tournament
# says: the best wins
def generation(population, space, tournament, allowed, evaluate, seen, rng):
    parent, _ = rng.choice(population)
    child = space.canonical(space.mutate(parent, rng))
    while child in seen or not allowed(child):
        child = space.canonical(space.mutate(parent, rng))
    seen.add(child)
    return [*population[1:], (child, evaluate(child))]

# %% wrong: only the first child is made canonical
# says: two spellings of one network
def generation(population, space, tournament, allowed, evaluate, seen, rng):
    drawn = [rng.choice(population) for _ in range(tournament)]
    parent, _ = min(drawn, key=lambda member: member[1])
    child = space.canonical(space.mutate(parent, rng))
    while child in seen or not allowed(child):
        child = space.mutate(parent, rng)
    seen.add(child)
    return [*population[1:], (child, evaluate(child))]

# %% wrong: always the best
# says: a tournament draws first
def generation(population, space, tournament, allowed, evaluate, seen, rng):
    parent, _ = min(population, key=lambda member: member[1])
    child = space.canonical(space.mutate(parent, rng))
    while child in seen or not allowed(child):
        child = space.canonical(space.mutate(parent, rng))
    seen.add(child)
    return [*population[1:], (child, evaluate(child))]

# %% wrong: the highest error wins
# says: a lower error is better
def generation(population, space, tournament, allowed, evaluate, seen, rng):
    drawn = [rng.choice(population) for _ in range(tournament)]
    parent, _ = max(drawn, key=lambda member: member[1])
    child = space.canonical(space.mutate(parent, rng))
    while child in seen or not allowed(child):
        child = space.canonical(space.mutate(parent, rng))
    seen.add(child)
    return [*population[1:], (child, evaluate(child))]

# %% wrong: one too many
# says: one member more
def generation(population, space, tournament, allowed, evaluate, seen, rng):
    drawn = [rng.choice(population) for _ in range(tournament + 1)]
    parent, _ = min(drawn, key=lambda member: member[1])
    child = space.canonical(space.mutate(parent, rng))
    while child in seen or not allowed(child):
        child = space.canonical(space.mutate(parent, rng))
    seen.add(child)
    return [*population[1:], (child, evaluate(child))]

# %% wrong: evaluates, then asks whether it is allowed
# says: was evaluated before and is not
def generation(population, space, tournament, allowed, evaluate, seen, rng):
    drawn = [rng.choice(population) for _ in range(tournament)]
    parent, _ = min(drawn, key=lambda member: member[1])
    child = space.canonical(space.mutate(parent, rng))
    error = evaluate(child)
    while child in seen or not allowed(child):
        child = space.canonical(space.mutate(parent, rng))
        error = evaluate(child)
    seen.add(child)
    return [*population[1:], (child, error)]

# %% wrong: ignores the limit
# says: asked before the evaluation
def generation(population, space, tournament, allowed, evaluate, seen, rng):
    drawn = [rng.choice(population) for _ in range(tournament)]
    parent, _ = min(drawn, key=lambda member: member[1])
    child = space.canonical(space.mutate(parent, rng))
    while child in seen:
        child = space.canonical(space.mutate(parent, rng))
    seen.add(child)
    return [*population[1:], (child, evaluate(child))]

# %% wrong: ignores the memo
# says: not evaluated again
def generation(population, space, tournament, allowed, evaluate, seen, rng):
    drawn = [rng.choice(population) for _ in range(tournament)]
    parent, _ = min(drawn, key=lambda member: member[1])
    child = space.canonical(space.mutate(parent, rng))
    while not allowed(child):
        child = space.canonical(space.mutate(parent, rng))
    seen.add(child)
    return [*population[1:], (child, evaluate(child))]

# %% wrong: memo by spelling
# says: two spellings
def generation(population, space, tournament, allowed, evaluate, seen, rng):
    drawn = [rng.choice(population) for _ in range(tournament)]
    parent, _ = min(drawn, key=lambda member: member[1])
    child = space.mutate(parent, rng)
    while child in seen or not allowed(child):
        child = space.mutate(parent, rng)
    seen.add(child)
    return [*population[1:], (child, evaluate(child))]

# %% wrong: evaluates twice
# says: keep the error
def generation(population, space, tournament, allowed, evaluate, seen, rng):
    drawn = [rng.choice(population) for _ in range(tournament)]
    parent, _ = min(drawn, key=lambda member: member[1])
    child = space.canonical(space.mutate(parent, rng))
    while child in seen or not allowed(child):
        child = space.canonical(space.mutate(parent, rng))
    seen.add(child)
    population = [*population, (child, evaluate(child))]
    return [*population[1:-1], (child, evaluate(child))]

# %% wrong: evaluates everyone anew
# says: known
def generation(population, space, tournament, allowed, evaluate, seen, rng):
    drawn = [rng.choice(population) for _ in range(tournament)]
    parent, _ = min(drawn, key=lambda member: member[1])
    child = space.canonical(space.mutate(parent, rng))
    while child in seen or not allowed(child):
        child = space.canonical(space.mutate(parent, rng))
    seen.add(child)
    return [(arch, evaluate(arch)) for arch in [arch for arch, _ in population[1:]] + [child]]

# %% wrong: the worst leaves
# says: the worst has left
def generation(population, space, tournament, allowed, evaluate, seen, rng):
    drawn = [rng.choice(population) for _ in range(tournament)]
    parent, _ = min(drawn, key=lambda member: member[1])
    child = space.canonical(space.mutate(parent, rng))
    while child in seen or not allowed(child):
        child = space.canonical(space.mutate(parent, rng))
    seen.add(child)
    everyone = [*population, (child, evaluate(child))]
    everyone.remove(max(everyone, key=lambda member: member[1]))
    return everyone

# %% wrong: nobody leaves
# says: nobody dies
def generation(population, space, tournament, allowed, evaluate, seen, rng):
    drawn = [rng.choice(population) for _ in range(tournament)]
    parent, _ = min(drawn, key=lambda member: member[1])
    child = space.canonical(space.mutate(parent, rng))
    while child in seen or not allowed(child):
        child = space.canonical(space.mutate(parent, rng))
    seen.add(child)
    return [*population, (child, evaluate(child))]

# %% wrong: the child in front
# says: goes to the end
def generation(population, space, tournament, allowed, evaluate, seen, rng):
    drawn = [rng.choice(population) for _ in range(tournament)]
    parent, _ = min(drawn, key=lambda member: member[1])
    child = space.canonical(space.mutate(parent, rng))
    while child in seen or not allowed(child):
        child = space.canonical(space.mutate(parent, rng))
    seen.add(child)
    return [(child, evaluate(child)), *population[1:]]

# %% wrong: the youngest leaves
# says: the youngest has left
def generation(population, space, tournament, allowed, evaluate, seen, rng):
    drawn = [rng.choice(population) for _ in range(tournament)]
    parent, _ = min(drawn, key=lambda member: member[1])
    child = space.canonical(space.mutate(parent, rng))
    while child in seen or not allowed(child):
        child = space.canonical(space.mutate(parent, rng))
    seen.add(child)
    return [*population[:-1], (child, evaluate(child))]

# %% wrong: changes the caller's list
# says: make a new one
def generation(population, space, tournament, allowed, evaluate, seen, rng):
    drawn = [rng.choice(population) for _ in range(tournament)]
    parent, _ = min(drawn, key=lambda member: member[1])
    child = space.canonical(space.mutate(parent, rng))
    while child in seen or not allowed(child):
        child = space.canonical(space.mutate(parent, rng))
    seen.add(child)
    population.append((child, evaluate(child)))
    population.pop(0)
    return population

# %% wrong: forgets to remember
# says: has to be remembered
def generation(population, space, tournament, allowed, evaluate, seen, rng):
    drawn = [rng.choice(population) for _ in range(tournament)]
    parent, _ = min(drawn, key=lambda member: member[1])
    child = space.canonical(space.mutate(parent, rng))
    while child in seen or not allowed(child):
        child = space.canonical(space.mutate(parent, rng))
    return [*population[1:], (child, evaluate(child))]

# %% wrong: chance from elsewhere
# says: rng.choice, not random.choice
def generation(population, space, tournament, allowed, evaluate, seen, rng):
    drawn = [random.choice(population) for _ in range(tournament)]
    parent, _ = min(drawn, key=lambda member: member[1])
    child = space.canonical(space.mutate(parent, rng))
    while child in seen or not allowed(child):
        child = space.canonical(space.mutate(parent, rng))
    seen.add(child)
    return [*population[1:], (child, evaluate(child))]

# %% wrong: mutates the whole member
# says: the first of it is mutated
def generation(population, space, tournament, allowed, evaluate, seen, rng):
    drawn = [rng.choice(population) for _ in range(tournament)]
    parent = min(drawn, key=lambda member: member[1])
    child = space.canonical(space.mutate(parent, rng))
    while child in seen or not allowed(child):
        child = space.canonical(space.mutate(parent, rng))
    seen.add(child)
    return [*population[1:], (child, evaluate(child))]

# %% wrong: returns the child alone
# says: a member is a pair
def generation(population, space, tournament, allowed, evaluate, seen, rng):
    drawn = [rng.choice(population) for _ in range(tournament)]
    parent, _ = min(drawn, key=lambda member: member[1])
    child = space.canonical(space.mutate(parent, rng))
    while child in seen or not allowed(child):
        child = space.canonical(space.mutate(parent, rng))
    seen.add(child)
    return (child, evaluate(child))

# %% wrong: mutates the child that did not count
# says: it is the parent that is mutated again
def generation(population, space, tournament, allowed, evaluate, seen, rng):
    child = min(rng.choices(population, k=tournament), key=lambda member: member[1])[0]
    while child in seen or not allowed(child):
        child = space.canonical(space.mutate(child, rng))
    seen.add(child)
    return [*population[1:], (child, evaluate(child))]

# %% wrong: asks once more, then takes what comes
# says: ask both questions again after each mutation
def generation(population, space, tournament, allowed, evaluate, seen, rng):
    drawn = [rng.choice(population) for _ in range(tournament)]
    parent, _ = min(drawn, key=lambda member: member[1])
    child = space.canonical(space.mutate(parent, rng))
    if child in seen or not allowed(child):
        child = space.canonical(space.mutate(parent, rng))
    seen.add(child)
    return [*population[1:], (child, evaluate(child))]

# %% wrong: asks again, but no second time
# says: ask both questions again after each mutation
def generation(population, space, tournament, allowed, evaluate, seen, rng):
    drawn = [rng.choice(population) for _ in range(tournament)]
    parent, _ = min(drawn, key=lambda member: member[1])
    child = space.canonical(space.mutate(parent, rng))
    for _ in range(2):
        if child in seen or not allowed(child):
            child = space.canonical(space.mutate(parent, rng))
    seen.add(child)
    return [*population[1:], (child, evaluate(child))]

# %% wrong: two loops, first new, then allowed
# says: ask both questions again after each mutation
def generation(population, space, tournament, allowed, evaluate, seen, rng):
    drawn = [rng.choice(population) for _ in range(tournament)]
    parent, _ = min(drawn, key=lambda member: member[1])
    child = space.canonical(space.mutate(parent, rng))
    while child in seen:
        child = space.canonical(space.mutate(parent, rng))
    while not allowed(child):
        child = space.canonical(space.mutate(parent, rng))
    seen.add(child)
    return [*population[1:], (child, evaluate(child))]

# %% wrong: two loops, first allowed, then new
# says: ask both questions again after each mutation
def generation(population, space, tournament, allowed, evaluate, seen, rng):
    drawn = [rng.choice(population) for _ in range(tournament)]
    parent, _ = min(drawn, key=lambda member: member[1])
    child = space.canonical(space.mutate(parent, rng))
    while not allowed(child):
        child = space.canonical(space.mutate(parent, rng))
    while child in seen:
        child = space.canonical(space.mutate(parent, rng))
    seen.add(child)
    return [*population[1:], (child, evaluate(child))]

# %% wrong: a new tournament after each refusal
# says: the tournament is held once
def generation(population, space, tournament, allowed, evaluate, seen, rng):
    while True:
        members = rng.choices(population, k=tournament)
        parent = sorted(members, key=lambda m: m[1])[0][0]
        child = space.canonical(space.mutate(parent, rng))
        if child not in seen and allowed(child):
            break
    seen.add(child)
    return [*population[1:], (child, evaluate(child))]

# %% wrong: refused children are remembered
# says: a refused child was not evaluated
def generation(population, space, tournament, allowed, evaluate, seen, rng):
    drawn = [rng.choice(population) for _ in range(tournament)]
    parent, _ = min(drawn, key=lambda member: member[1])
    while True:
        child = space.canonical(space.mutate(parent, rng))
        if child in seen:
            continue
        seen.add(child)
        if allowed(child):
            return [*population[1:], (child, evaluate(child))]

# %% wrong: pairs compared by their architecture
# says: it is the error that decides
def generation(population, space, tournament, allowed, evaluate, seen, rng):
    drawn = [rng.choice(population) for _ in range(tournament)]
    parent, _ = min(drawn)
    child = space.canonical(space.mutate(parent, rng))
    while child in seen or not allowed(child):
        child = space.canonical(space.mutate(parent, rng))
    seen.add(child)
    return [*population[1:], (child, evaluate(child))]

# %% wrong: the oldest of the drawn wins
# says: the oldest of the tournament wins
def generation(population, space, tournament, allowed, evaluate, seen, rng):
    parent, _ = population[min(rng.randrange(len(population)) for _ in range(tournament))]
    child = space.canonical(space.mutate(parent, rng))
    while child in seen or not allowed(child):
        child = space.canonical(space.mutate(parent, rng))
    seen.add(child)
    return [*population[1:], (child, evaluate(child))]

# %% wrong: the newest hold the tournament
# says: from one end of it, the newest
def generation(population, space, tournament, allowed, evaluate, seen, rng):
    drawn = population[-tournament:]
    parent, _ = min(drawn, key=lambda member: member[1])
    child = space.canonical(space.mutate(parent, rng))
    while child in seen or not allowed(child):
        child = space.canonical(space.mutate(parent, rng))
    seen.add(child)
    return [*population[1:], (child, evaluate(child))]

# %% wrong: the oldest hold the tournament
# says: from one end of it, the oldest
def generation(population, space, tournament, allowed, evaluate, seen, rng):
    drawn = population[:tournament]
    parent, _ = min(drawn, key=lambda member: member[1])
    child = space.canonical(space.mutate(parent, rng))
    while child in seen or not allowed(child):
        child = space.canonical(space.mutate(parent, rng))
    seen.add(child)
    return [*population[1:], (child, evaluate(child))]

# %% right: one tournament, an endless loop with a way out
def generation(population, space, tournament, allowed, evaluate, seen, rng):
    members = rng.choices(population, k=tournament)
    parent = sorted(members, key=lambda m: m[1])[0][0]
    while True:
        child = space.canonical(space.mutate(parent, rng))
        if child not in seen and allowed(child):
            break
    error = evaluate(child)
    seen |= {child}
    return population[1:] + [(child, error)]

# %% right: by places, a deque
from collections import deque
def generation(people, s, n, ok, cost, seen, rng):
    places = (int(rng.random() * len(people)) for _ in range(n))
    best = min(places, key=lambda place: people[place][1])
    new = None
    while new is None or new in seen or not ok(new):
        new = s.canonical(s.mutate(people[best][0], rng))
    seen.add(new)
    following = deque(people, maxlen=len(people))
    following.append((new, cost(new)))
    return following

# %% right: standing best first
def generation(population, space, tournament, allowed, evaluate, seen, rng):
    order = sorted(population, key=lambda member: member[1])
    lowest = len(order)
    for _ in range(tournament):
        lowest = min(lowest, rng.randrange(len(order)))
    child = space.mutate(order[lowest][0], rng)
    while space.canonical(child) in seen or not allowed(space.canonical(child)):
        child = space.mutate(order[lowest][0], rng)
    child = space.canonical(child)
    result = evaluate(child)
    seen.add(child)
    following = list(population)
    del following[0]
    following.append((child, result))
    return following
