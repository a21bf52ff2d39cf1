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

# %% right: the library's evolution
def find(space, score, latency_ms, int8_bytes, max_ms, max_bytes, budget, seed):
    strategy = search.RegularizedEvolution(population=4, children=2, tournament=2, lifetime=None)
    allowed = lambda arch: latency_ms(arch) <= max_ms and int8_bytes(arch) <= max_bytes
    return search.search(space, strategy, lambda trial: score(trial.arch), budget, allowed, seed=seed).best.arch

# %% right: crossover and mutation, smallest memory
def find(space, score, ms, size, max_ms, max_bytes, budget, seed):
    dice, ranked, seen = random.Random(seed), [], set()
    while len(ranked) < budget:
        kind = dice.randrange(3) if len(ranked) > 4 else 0
        parents = [arch for _, _, arch in sorted(ranked)[:3]]
        if kind == 0:
            child = space.sample(dice)
        elif kind == 1:
            child = space.mutate(dice.choice(parents), dice)
        else:
            child = space.mutate(space.crossover(*dice.sample(parents, 2), dice), dice)
        child = space.canonical(child)
        if child in seen or ms(child) > max_ms or size(child) > max_bytes:
            continue
        seen.add(child)
        ranked.append((score(child), len(ranked), child))
    return min(ranked)[2]

# %% right: draws first, then goes from the best to its neighbours
def find(space, score, latency_ms, int8_bytes, max_ms, max_bytes, budget, seed):
    rng, known = random.Random(seed), {}
    fits = lambda arch: arch not in known and latency_ms(arch) <= max_ms and int8_bytes(arch) <= max_bytes
    while len(known) < budget:
        best = min(known, key=known.get) if len(known) >= 7 else None
        near = [space.canonical(space.mutate(best, rng)) for _ in range(20)] if best else []
        arch = next(filter(fits, near), None) or space.canonical(space.sample(rng))
        if fits(arch):
            known[arch] = score(arch)
    return min(known.items(), key=lambda pair: pair[1])[0]
