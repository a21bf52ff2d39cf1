# %% given
import random

import numpy as np

# %% wrong: the last operation left out
# says: the last operation is never drawn
def uniform_path(options, rng):
    return [rng.randrange(max(1, count - 1)) for count in options]

def fair_round(slots, operations, rng):
    return [list(path) for path in zip(*(rng.sample(range(operations), operations) for _ in range(slots)))]

# %% wrong: counted from one
# says: counted from 0
def uniform_path(options, rng):
    return [rng.randint(1, count) for count in options]

def fair_round(slots, operations, rng):
    return [list(path) for path in zip(*(rng.sample(range(operations), operations) for _ in range(slots)))]

# %% wrong: randint includes its end
# says: includes its end
def uniform_path(options, rng):
    return [rng.randint(0, count) for count in options]

def fair_round(slots, operations, rng):
    return [list(path) for path in zip(*(rng.sample(range(operations), operations) for _ in range(slots)))]

# %% wrong: one draw for all slots
# says: the slots depend on each other
def uniform_path(options, rng):
    u = rng.random()
    return [int(u * count) for count in options]

def fair_round(slots, operations, rng):
    return [list(path) for path in zip(*(rng.sample(range(operations), operations) for _ in range(slots)))]

# %% wrong: rounded, so that the ends are rare
# says: lean to some
def uniform_path(options, rng):
    return [round(rng.random() * (count - 1)) for count in options]

def fair_round(slots, operations, rng):
    return [list(path) for path in zip(*(rng.sample(range(operations), operations) for _ in range(slots)))]

# %% wrong: a seed inside
# says: the same path each time
def uniform_path(options, rng):
    rng = random.Random(0)
    return [rng.randrange(count) for count in options]

def fair_round(slots, operations, rng):
    return [list(path) for path in zip(*(rng.sample(range(operations), operations) for _ in range(slots)))]

# %% wrong: the program's own source
# says: moves the program's own source
def uniform_path(options, rng):
    return [random.randrange(count) for count in options]

def fair_round(slots, operations, rng):
    return [list(path) for path in zip(*(rng.sample(range(operations), operations) for _ in range(slots)))]

# %% wrong: numpy's source
# says: two sources with the same seed
def uniform_path(options, rng):
    return [int(np.random.randint(count)) for count in options]

def fair_round(slots, operations, rng):
    return [list(path) for path in zip(*(rng.sample(range(operations), operations) for _ in range(slots)))]

# %% wrong: fair on average only
# says: with replacement
def uniform_path(options, rng):
    return [rng.randrange(count) for count in options]

def fair_round(slots, operations, rng):
    return [uniform_path([operations] * slots, rng) for _ in range(operations)]

# %% wrong: nothing mixed
# says: nothing is mixed
def uniform_path(options, rng):
    return [rng.randrange(count) for count in options]

def fair_round(slots, operations, rng):
    return [[number] * slots for number in range(operations)]

# %% wrong: one order for all slots
# says: the slots depend on each other
def uniform_path(options, rng):
    return [rng.randrange(count) for count in options]

def fair_round(slots, operations, rng):
    order = rng.sample(range(operations), operations)
    return [[number] * slots for number in order]

# %% wrong: the third slot follows the first
# says: the slots depend on each other
def uniform_path(options, rng):
    return [rng.randrange(count) for count in options]

def fair_round(slots, operations, rng):
    orders = [rng.sample(range(operations), operations) for _ in range(2)]
    return list(zip(*[orders[slot % 2] for slot in range(slots)]))

# %% wrong: rows and columns swapped
# says: rows and columns
def uniform_path(options, rng):
    return [rng.randrange(count) for count in options]

def fair_round(slots, operations, rng):
    return [rng.sample(range(operations), operations) for _ in range(slots)]

# %% wrong: one path is no round
# says: are a round
def uniform_path(options, rng):
    return [rng.randrange(count) for count in options]

def fair_round(slots, operations, rng):
    return [rng.sample(range(operations), operations)[:slots]]

# %% wrong: prints in place of return
# says: does the function return it
def uniform_path(options, rng):
    path = [rng.randrange(count) for count in options]

def fair_round(slots, operations, rng):
    return [list(path) for path in zip(*(rng.sample(range(operations), operations) for _ in range(slots)))]

# %% wrong: one path
# says: holds 1 path;
def uniform_path(options, rng):
    return [rng.randrange(count) for count in options]

def fair_round(slots, operations, rng):
    return [rng.sample(range(operations), operations)[:slots] * slots][:1]

# %% wrong: numbers without end
# says: a number of more than 4,300 digits
def uniform_path(options, rng):
    return [10**5000 for _ in options]

def fair_round(slots, operations, rng):
    return [list(path) for path in zip(*(rng.sample(range(operations), operations) for _ in range(slots)))]

# %% right: loops and tuples
def uniform_path(options, rng):
    path = ()
    for count in options:
        path += (rng.choice(range(count)),)
    return path

def fair_round(slots, operations, rng):
    paths = [[] for _ in range(operations)]
    for _ in range(slots):
        order = list(range(operations))
        rng.shuffle(order)
        for path, choice in zip(paths, order):
            path.append(choice)
    return tuple(paths)

# %% right: numpy array, seeded by rng
def uniform_path(options, rng):
    generator = np.random.default_rng(rng.getrandbits(64))
    return generator.integers(np.array(options)).tolist()

def fair_round(slots, operations, rng):
    generator = np.random.default_rng(rng.getrandbits(64))
    return np.stack([generator.permutation(operations) for _ in range(slots)], axis=1)

# %% right: cyclic shifts of a random start in each slot
def uniform_path(options, rng):
    return list(map(rng.randrange, options))

def fair_round(slots, operations, rng):
    starts = [rng.randrange(operations) for _ in range(slots)]
    return [[(start + number) % operations for start in starts] for number in range(operations)]
