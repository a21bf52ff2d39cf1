# %% given
import random
from speechnas_lab import search

# %% wrong: forgets the bytes
# says: that of the bytes is not
def find(space, score, latency_ms, int8_bytes, max_ms, max_bytes, budget, seed):
    rng, known = random.Random(seed), {}
    while len(known) < budget:
        arch = space.canonical(space.sample(rng))
        if arch not in known and latency_ms(arch) <= max_ms:
            known[arch] = score(arch)
    return min(known, key=known.get)

# %% wrong: forgets the latency
# says: that of the latency is not
def find(space, score, latency_ms, int8_bytes, max_ms, max_bytes, budget, seed):
    rng, known = random.Random(seed), {}
    while len(known) < budget:
        arch = space.canonical(space.sample(rng))
        if arch not in known and int8_bytes(arch) <= max_bytes:
            known[arch] = score(arch)
    return min(known, key=known.get)

# %% wrong: latency in seconds
# says: that of the latency is not
def find(space, score, latency_ms, int8_bytes, max_ms, max_bytes, budget, seed):
    rng, known = random.Random(seed), {}
    while len(known) < budget:
        arch = space.canonical(space.sample(rng))
        if arch not in known and latency_ms(arch) / 1000 <= max_ms and int8_bytes(arch) <= max_bytes:
            known[arch] = score(arch)
    return min(known, key=known.get)

# %% wrong: one limit is enough
# says: only one of them must be kept
def find(space, score, latency_ms, int8_bytes, max_ms, max_bytes, budget, seed):
    rng, known = random.Random(seed), {}
    while len(known) < budget:
        arch = space.canonical(space.sample(rng))
        if arch not in known and (latency_ms(arch) <= max_ms or int8_bytes(arch) <= max_bytes):
            known[arch] = score(arch)
    return min(known, key=known.get)

# %% wrong: asks the limits afterwards
# says: ask them before the score
def find(space, score, latency_ms, int8_bytes, max_ms, max_bytes, budget, seed):
    rng, known, asked = random.Random(seed), {}, set()
    while len(asked) < budget or not known:
        arch = space.canonical(space.sample(rng))
        if arch not in asked:
            asked.add(arch)
            value = score(arch)
            if latency_ms(arch) <= max_ms and int8_bytes(arch) <= max_bytes:
                known[arch] = value
    return min(known, key=known.get)

# %% wrong: spends without counting
# says: scores were asked
def find(space, score, latency_ms, int8_bytes, max_ms, max_bytes, budget, seed):
    rng, known = random.Random(seed), {}
    for _ in range(150):
        arch = space.canonical(space.sample(rng))
        if arch not in known and latency_ms(arch) <= max_ms and int8_bytes(arch) <= max_bytes:
            known[arch] = score(arch)
    return min(known, key=known.get)

# %% wrong: asks again to compare
# says: each question to score counts
def find(space, score, latency_ms, int8_bytes, max_ms, max_bytes, budget, seed):
    rng, known = random.Random(seed), set()
    while len(known) < budget:
        arch = space.canonical(space.sample(rng))
        if latency_ms(arch) <= max_ms and int8_bytes(arch) <= max_bytes:
            known.add(arch)
    return min(sorted(known, key=score), key=score)

# %% wrong: remembers nothing
# says: canonical
def find(space, score, latency_ms, int8_bytes, max_ms, max_bytes, budget, seed):
    rng, known = random.Random(seed), []
    while len(known) < budget:
        arch = space.sample(rng)
        if latency_ms(arch) <= max_ms and int8_bytes(arch) <= max_bytes:
            known.append((score(arch), arch.id, arch))
    return min(known)[2]

# %% wrong: the highest score
# says: better when it is lower
def find(space, score, latency_ms, int8_bytes, max_ms, max_bytes, budget, seed):
    rng, known = random.Random(seed), {}
    while len(known) < budget:
        arch = space.canonical(space.sample(rng))
        if arch not in known and latency_ms(arch) <= max_ms and int8_bytes(arch) <= max_bytes:
            known[arch] = score(arch)
    return max(known, key=known.get)

# %% wrong: the last one
# says: the last one is taken
def find(space, score, latency_ms, int8_bytes, max_ms, max_bytes, budget, seed):
    rng, known = random.Random(seed), {}
    while len(known) < budget:
        arch = space.canonical(space.sample(rng))
        if arch not in known and latency_ms(arch) <= max_ms and int8_bytes(arch) <= max_bytes:
            known[arch] = score(arch)
    return arch if arch in known else list(known)[-1]

# %% wrong: chance without the seed
# says: shared generator
def find(space, score, latency_ms, int8_bytes, max_ms, max_bytes, budget, seed):
    known = {}
    while len(known) < budget:
        arch = space.canonical(space.sample(random))
        if arch not in known and latency_ms(arch) <= max_ms and int8_bytes(arch) <= max_bytes:
            known[arch] = score(arch)
    return min(known, key=known.get)

# %% wrong: the largest that fits, unscored
# says: a budget is there to be used
def find(space, score, latency_ms, int8_bytes, max_ms, max_bytes, budget, seed):
    rng = random.Random(seed)
    drawn = [space.canonical(space.sample(rng)) for _ in range(200)]
    return max((a for a in drawn if latency_ms(a) <= max_ms and int8_bytes(a) <= max_bytes), key=int8_bytes)

# %% wrong: the fastest, unscored
# says: a budget is there to be used
def find(space, score, latency_ms, int8_bytes, max_ms, max_bytes, budget, seed):
    rng = random.Random(seed)
    return min((space.sample(rng) for _ in range(300)), key=lambda arch: latency_ms(arch) * int8_bytes(arch))

# %% wrong: the score in place of the architecture
# says: return the architecture, not its score
def find(space, score, latency_ms, int8_bytes, max_ms, max_bytes, budget, seed):
    rng, known = random.Random(seed), {}
    while len(known) < budget:
        arch = space.canonical(space.sample(rng))
        if arch not in known and latency_ms(arch) <= max_ms and int8_bytes(arch) <= max_bytes:
            known[arch] = score(arch)
    return min(known.values())

# %% wrong: pure chance within the limits
# says: what is free to ask foretells
def find(space, score, latency_ms, int8_bytes, max_ms, max_bytes, budget, seed):
    rng, known = random.Random(seed), {}
    while len(known) < budget:
        arch = space.canonical(space.sample(rng))
        if arch not in known and latency_ms(arch) <= max_ms and int8_bytes(arch) <= max_bytes:
            known[arch] = score(arch)
    return min(known, key=known.get)

# %% wrong: evolution that has no time to begin
# says: never gets past its first generation
def find(space, score, latency_ms, int8_bytes, max_ms, max_bytes, budget, seed):
    strategy = search.RegularizedEvolution(population=4, children=2, tournament=2, lifetime=None)
    allowed = lambda arch: latency_ms(arch) <= max_ms and int8_bytes(arch) <= max_bytes
    return search.search(space, strategy, lambda trial: score(trial.arch), budget, allowed, seed=seed).best.arch

# %% wrong: the smallest first
# says: what is free to ask foretells
def find(space, score, latency_ms, int8_bytes, max_ms, max_bytes, budget, seed):
    rng = random.Random(seed)
    drawn = {space.canonical(space.sample(rng)) for _ in range(250)}
    fits = [arch for arch in drawn if latency_ms(arch) <= max_ms and int8_bytes(arch) <= max_bytes]
    return min(sorted(fits, key=lambda arch: (int8_bytes(arch), arch.id))[:budget], key=score)

# %% wrong: strictly below the latency limit
# says: exactly at a limit is allowed
def find(space, score, latency_ms, int8_bytes, max_ms, max_bytes, budget, seed):
    rng, known = random.Random(seed), {}
    while len(known) < budget:
        arch = space.canonical(space.sample(rng))
        if arch not in known and latency_ms(arch) < max_ms and int8_bytes(arch) <= max_bytes:
            known[arch] = score(arch)
    return min(known, key=known.get)

# %% wrong: strictly below the limit of the bytes, the largest first
# says: exactly at a limit is allowed
def find(space, score, latency_ms, int8_bytes, max_ms, max_bytes, budget, seed):
    rng = random.Random(seed)
    drawn = {space.canonical(space.sample(rng)) for _ in range(250)}
    fits = [arch for arch in drawn if latency_ms(arch) <= max_ms and int8_bytes(arch) < max_bytes]
    return min(sorted(fits, key=lambda arch: (-int8_bytes(arch), arch.id))[:budget], key=score)

# %% wrong: scores first, filters afterwards
# says: ask them before the score
def find(space, score, latency_ms, int8_bytes, max_ms, max_bytes, budget, seed):
    rng, known = random.Random(seed), {}
    while len(known) < budget:
        arch = space.canonical(space.sample(rng))
        if arch not in known:
            known[arch] = score(arch)
    fits = [arch for arch in known if latency_ms(arch) <= max_ms and int8_bytes(arch) <= max_bytes]
    return min(fits, key=known.get)

# %% right: heap of the largest
def find(space, score, latency_ms, int8_bytes, max_ms, max_bytes, budget, seed):
    import heapq

    dice, fits = random.Random(seed), {}
    for _ in range(250):
        arch = space.canonical(space.sample(dice))
        if latency_ms(arch) <= max_ms and int8_bytes(arch) <= max_bytes:
            fits[arch.id] = arch
    best = heapq.nlargest(budget, fits, key=lambda id: (int8_bytes(fits[id]), id))
    values = [score(fits[id]) for id in best]
    return fits[best[values.index(min(values))]]

# %% right: every member of the space, by parameters
def find(space, score, ms, size, max_ms, max_bytes, budget, seed):
    from speechnas_lab.space import counts

    tree = search.ArchitectureTree(space, lambda arch: 0.0)
    known = {}
    members = dict.fromkeys(map(space.canonical, search.within(tree, 0.0)))
    for arch in sorted(members, key=lambda a: (-counts(a).parameters, a.id)):
        if len(known) < budget and ms(arch) <= max_ms and size(arch) <= max_bytes:
            known[arch] = score(arch)
    return min(known.items(), key=lambda pair: pair[1])[0]

# %% right: the largest first, then the neighbours of the best
def find(space, score, latency_ms, int8_bytes, max_ms, max_bytes, budget, seed):
    rng, known = random.Random(seed), {}
    fits = lambda arch: arch not in known and latency_ms(arch) <= max_ms and int8_bytes(arch) <= max_bytes
    drawn = sorted({space.canonical(space.sample(rng)) for _ in range(250)}, key=lambda a: (-int8_bytes(a), a.id))
    for arch in filter(fits, drawn):
        if len(known) < budget - 1:
            known[arch] = score(arch)
    best = min(known, key=known.get)
    near = filter(fits, (space.canonical(space.mutate(best, rng)) for _ in range(300)))
    last = max(near, key=lambda a: (int8_bytes(a), a.id), default=None) or next(filter(fits, drawn))
    known[last] = score(last)
    return min(known, key=known.get)
