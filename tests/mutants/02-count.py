# %% given
from math import comb

from speechnas_lab.space import PRESETS

# %% wrong: a skip for each expansion
# says: skip is counted once for each expansion
def count_architectures(choices):
    skips = int(0 in choices.kernels and 0 in choices.heads) * len(choices.expansions)
    solid = len(choices.kernels) * len(choices.heads) * len(choices.expansions) - skips
    slots, stages = sum(choices.slots), len(choices.slots)
    depths = range(choices.min_depth, choices.max_depth + 1)
    filled = sum(comb(slots, d) * solid**d * skips ** (slots - d) for d in depths)
    ways = len(choices.reductions) - 1
    timed = sum(comb(stages, n) * ways**n for most in choices.rates().values() for n in range(most + 1))
    words = len(choices.activations) * len(choices.norms) * len(choices.macarons)
    return filled * timed * len(choices.widths) ** stages * words

# %% wrong: a skip where none is allowed
# says: needs 0 among the kernels and 0 among the heads
def count_architectures(choices):
    skips = 1
    solid = sum(1 for k in choices.kernels for h in choices.heads if k or h) * len(choices.expansions)
    slots, stages = sum(choices.slots), len(choices.slots)
    filled = (solid + skips) ** slots
    ways = len(choices.reductions) - 1
    timed = sum(comb(stages, n) * ways**n for most in choices.rates().values() for n in range(most + 1))
    words = len(choices.activations) * len(choices.norms) * len(choices.macarons)
    return filled * timed * len(choices.widths) ** stages * words

# %% wrong: no skip at all
# says: skip is left out
def count_architectures(choices):
    solid = sum(1 for k in choices.kernels for h in choices.heads if k or h) * len(choices.expansions)
    slots, stages = sum(choices.slots), len(choices.slots)
    ways = len(choices.reductions) - 1
    timed = sum(comb(stages, n) * ways**n for most in choices.rates().values() for n in range(most + 1))
    words = len(choices.activations) * len(choices.norms) * len(choices.macarons)
    return solid**slots * timed * len(choices.widths) ** stages * words

# %% wrong: kernels and heads added
# says: added; every kernel goes with
def count_architectures(choices):
    skips = int(0 in choices.kernels and 0 in choices.heads)
    solid = (len(choices.kernels) + len(choices.heads) - skips) * len(choices.expansions)
    slots, stages = sum(choices.slots), len(choices.slots)
    depths = range(choices.min_depth, choices.max_depth + 1)
    filled = sum(comb(slots, d) * solid**d * skips ** (slots - d) for d in depths)
    ways = len(choices.reductions) - 1
    timed = sum(comb(stages, n) * ways**n for most in choices.rates().values() for n in range(most + 1))
    words = len(choices.activations) * len(choices.norms) * len(choices.macarons)
    return filled * timed * len(choices.widths) ** stages * words

# %% wrong: depth ignored
# says: limits of depth are ignored
def count_architectures(choices):
    skips = int(0 in choices.kernels and 0 in choices.heads)
    solid = (len(choices.kernels) * len(choices.heads) - skips) * len(choices.expansions)
    slots, stages = sum(choices.slots), len(choices.slots)
    ways = len(choices.reductions) - 1
    timed = sum(comb(stages, n) * ways**n for most in choices.rates().values() for n in range(most + 1))
    words = len(choices.activations) * len(choices.norms) * len(choices.macarons)
    return (solid + skips) ** slots * timed * len(choices.widths) ** stages * words

# %% wrong: only max_depth
# says: min_depth is ignored
def count_architectures(choices):
    skips = int(0 in choices.kernels and 0 in choices.heads)
    solid = (len(choices.kernels) * len(choices.heads) - skips) * len(choices.expansions)
    slots, stages = sum(choices.slots), len(choices.slots)
    filled = sum(comb(slots, d) * solid**d * skips ** (slots - d) for d in range(choices.max_depth + 1))
    ways = len(choices.reductions) - 1
    timed = sum(comb(stages, n) * ways**n for most in choices.rates().values() for n in range(most + 1))
    words = len(choices.activations) * len(choices.norms) * len(choices.macarons)
    return filled * timed * len(choices.widths) ** stages * words

# %% wrong: a range that ends too early
# says: a range ends before its end
def count_architectures(choices):
    skips = int(0 in choices.kernels and 0 in choices.heads)
    solid = (len(choices.kernels) * len(choices.heads) - skips) * len(choices.expansions)
    slots, stages = sum(choices.slots), len(choices.slots)
    depths = range(choices.min_depth, choices.max_depth)
    filled = sum(comb(slots, d) * solid**d * skips ** (slots - d) for d in depths)
    ways = len(choices.reductions) - 1
    timed = sum(comb(stages, n) * ways**n for most in choices.rates().values() for n in range(most + 1))
    words = len(choices.activations) * len(choices.norms) * len(choices.macarons)
    return filled * timed * len(choices.widths) ** stages * words

# %% wrong: places of the blocks forgotten
# says: may stand in different slots
def count_architectures(choices):
    skips = int(0 in choices.kernels and 0 in choices.heads)
    solid = (len(choices.kernels) * len(choices.heads) - skips) * len(choices.expansions)
    slots, stages = sum(choices.slots), len(choices.slots)
    depths = range(choices.min_depth, choices.max_depth + 1)
    filled = sum(solid**d * skips ** (slots - d) for d in depths)
    ways = len(choices.reductions) - 1
    timed = sum(comb(stages, n) * ways**n for most in choices.rates().values() for n in range(most + 1))
    words = len(choices.activations) * len(choices.norms) * len(choices.macarons)
    return filled * timed * len(choices.widths) ** stages * words

# %% wrong: every stage may reduce
# says: whatever the output's frame length
def count_architectures(choices):
    skips = int(0 in choices.kernels and 0 in choices.heads)
    solid = (len(choices.kernels) * len(choices.heads) - skips) * len(choices.expansions)
    slots, stages = sum(choices.slots), len(choices.slots)
    depths = range(choices.min_depth, choices.max_depth + 1)
    filled = sum(comb(slots, d) * solid**d * skips ** (slots - d) for d in depths)
    timed = len(choices.rates()) * len(choices.reductions) ** stages
    words = len(choices.activations) * len(choices.norms) * len(choices.macarons)
    return filled * timed * len(choices.widths) ** stages * words

# %% wrong: the reducing stage is not chosen
# says: any stage may be the one that reduces
def count_architectures(choices):
    skips = int(0 in choices.kernels and 0 in choices.heads)
    solid = (len(choices.kernels) * len(choices.heads) - skips) * len(choices.expansions)
    slots, stages = sum(choices.slots), len(choices.slots)
    depths = range(choices.min_depth, choices.max_depth + 1)
    filled = sum(comb(slots, d) * solid**d * skips ** (slots - d) for d in depths)
    ways = len(choices.reductions) - 1
    timed = sum(ways**n for most in choices.rates().values() for n in range(min(most, stages) + 1))
    words = len(choices.activations) * len(choices.norms) * len(choices.macarons)
    return filled * timed * len(choices.widths) ** stages * words

# %% wrong: one width for all
# says: one width is chosen for all stages
def count_architectures(choices):
    skips = int(0 in choices.kernels and 0 in choices.heads)
    solid = (len(choices.kernels) * len(choices.heads) - skips) * len(choices.expansions)
    slots, stages = sum(choices.slots), len(choices.slots)
    depths = range(choices.min_depth, choices.max_depth + 1)
    filled = sum(comb(slots, d) * solid**d * skips ** (slots - d) for d in depths)
    ways = len(choices.reductions) - 1
    timed = sum(comb(stages, n) * ways**n for most in choices.rates().values() for n in range(most + 1))
    words = len(choices.activations) * len(choices.norms) * len(choices.macarons)
    return filled * timed * len(choices.widths) * words

# %% wrong: words chosen in each block
# says: chosen for each block
def count_architectures(choices):
    skips = int(0 in choices.kernels and 0 in choices.heads)
    solid = (len(choices.kernels) * len(choices.heads) - skips) * len(choices.expansions)
    slots, stages = sum(choices.slots), len(choices.slots)
    depths = range(choices.min_depth, choices.max_depth + 1)
    filled = sum(comb(slots, d) * solid**d * skips ** (slots - d) for d in depths)
    ways = len(choices.reductions) - 1
    timed = sum(comb(stages, n) * ways**n for most in choices.rates().values() for n in range(most + 1))
    words = len(choices.activations) * len(choices.norms) * len(choices.macarons)
    return filled * timed * len(choices.widths) ** stages * words**slots

# %% wrong: floats
# says: float keeps some 16 digits
def count_architectures(choices):
    skips = float(0 in choices.kernels and 0 in choices.heads)
    solid = (len(choices.kernels) * len(choices.heads) - skips) * len(choices.expansions)
    slots, stages = sum(choices.slots), len(choices.slots)
    depths = range(choices.min_depth, choices.max_depth + 1)
    filled = sum(comb(slots, d) * solid**d * skips ** (slots - d) for d in depths)
    ways = len(choices.reductions) - 1
    timed = sum(comb(stages, n) * ways**n for most in choices.rates().values() for n in range(most + 1))
    words = len(choices.activations) * len(choices.norms) * len(choices.macarons)
    return filled * timed * len(choices.widths) ** stages * words

# %% wrong: walks through all fillings
# says: work grows like the space
def count_architectures(choices):
    from itertools import product
    blocks = [(k, h, e) for k in choices.kernels for h in choices.heads
              for e in (choices.expansions if k or h else (0.0,))]
    filled = 0
    for row in product(blocks, repeat=sum(choices.slots)):
        depth = sum(1 for k, h, e in row if k or h)
        filled += choices.min_depth <= depth <= choices.max_depth
    timed = 0
    for most in choices.rates().values():
        for row in product(choices.reductions, repeat=len(choices.slots)):
            timed += sum(r != "none" for r in row) <= most
    words = len(choices.activations) * len(choices.norms) * len(choices.macarons)
    return filled * timed * len(choices.widths) ** len(choices.slots) * words

# %% wrong: recursion that forgets
# says: no group twice
def count_architectures(choices):
    skips = int(0 in choices.kernels and 0 in choices.heads)
    solid = (len(choices.kernels) * len(choices.heads) - skips) * len(choices.expansions)
    def fill(slots, depth):
        if slots == 0:
            return int(choices.min_depth <= depth <= choices.max_depth)
        return skips * fill(slots - 1, depth) + solid * fill(slots - 1, depth + 1)
    stages, ways = len(choices.slots), len(choices.reductions) - 1
    timed = sum(comb(stages, n) * ways**n for most in choices.rates().values() for n in range(most + 1))
    words = len(choices.activations) * len(choices.norms) * len(choices.macarons)
    return fill(sum(choices.slots), 0) * timed * len(choices.widths) ** stages * words

# %% wrong: prints and returns nothing
# says: does the function return it
def count_architectures(choices):
    total = len(choices.kernels) * len(choices.heads) * len(choices.expansions)

# %% wrong: a number too long to be written
# says: fewer than there are
def count_architectures(choices):
    return 2 ** (len(choices.kernels) ** sum(choices.slots)) - 10**9

# %% wrong: one skip of many is taken out
# says: the skip is counted once for each expansion
def count_architectures(choices):
    skips = int(0 in choices.kernels and 0 in choices.heads)
    solid = len(choices.kernels) * len(choices.heads) * len(choices.expansions) - skips
    slots, stages = sum(choices.slots), len(choices.slots)
    depths = range(choices.min_depth, choices.max_depth + 1)
    filled = sum(comb(slots, d) * solid**d * skips ** (slots - d) for d in depths)
    ways = len(choices.reductions) - 1
    timed = sum(comb(stages, n) * ways**n for most in choices.rates().values() for n in range(most + 1))
    words = len(choices.activations) * len(choices.norms) * len(choices.macarons)
    return filled * timed * len(choices.widths) ** stages * words

# %% wrong: the largest rate for all pairs
# says: the maximum of the rates is taken for all pairs
def count_architectures(choices):
    skips = int(0 in choices.kernels and 0 in choices.heads)
    solid = (len(choices.kernels) * len(choices.heads) - skips) * len(choices.expansions)
    slots, stages = sum(choices.slots), len(choices.slots)
    depths = range(choices.min_depth, choices.max_depth + 1)
    filled = sum(comb(slots, d) * solid**d * skips ** (slots - d) for d in depths)
    ways, most = len(choices.reductions) - 1, max(choices.rates().values())
    timed = len(choices.rates()) * sum(comb(stages, n) * ways**n for n in range(most + 1))
    words = len(choices.activations) * len(choices.norms) * len(choices.macarons)
    return filled * timed * len(choices.widths) ** stages * words

# %% right: a table filled slot by slot
def count_architectures(choices):
    blocks = [(k, h) for k in choices.kernels for h in choices.heads if k or h]
    solid = len(blocks) * len(choices.expansions)
    skips = 1 if 0 in choices.kernels and 0 in choices.heads else 0
    ways = {0: 1}
    for _ in range(sum(choices.slots)):
        table = {}
        for depth, number in ways.items():
            table[depth] = table.get(depth, 0) + number * skips
            table[depth + 1] = table.get(depth + 1, 0) + number * solid
        ways = table
    total = sum(n for d, n in ways.items() if choices.min_depth <= d <= choices.max_depth)
    rates = 0
    for most in choices.rates().values():
        counts = {0: 1}
        for _ in choices.slots:
            table = {}
            for halved, number in counts.items():
                for reduction in choices.reductions:
                    place = halved + (reduction != "none")
                    table[place] = table.get(place, 0) + number
            counts = table
        rates += sum(n for halved, n in counts.items() if halved <= most)
    for _ in choices.slots:
        total *= len(choices.widths)
    return total * rates * len(choices.activations) * len(choices.norms) * len(choices.macarons)

# %% right: recursion that remembers
from functools import cache

def count_architectures(c):
    skips = (0 in c.kernels) * (0 in c.heads)
    solid = (len(c.kernels) * len(c.heads) - skips) * len(c.expansions)

    @cache
    def ways(places, low, high, no, yes):
        if high < 0:
            return 0
        if places == 0:
            return int(low <= 0)
        return no * ways(places - 1, low, high, no, yes) + yes * ways(places - 1, low - 1, high - 1, no, yes)

    blocks = ways(sum(c.slots), c.min_depth, c.max_depth, skips, solid)
    halvings = sum(ways(len(c.slots), 0, most, 1, len(c.reductions) - 1) for most in c.rates().values())
    return blocks * halvings * len(c.widths) ** len(c.slots) * len(c.activations) * len(c.norms) * len(c.macarons)

# %% right: a polynomial, and legal pairs by hand
import numpy as np

def count_architectures(choices):
    skips = int(0 in choices.kernels and 0 in choices.heads)
    solid = (len(choices.kernels) * len(choices.heads) - skips) * len(choices.expansions)
    def power(poly, n):
        result = np.array([1], dtype=object)
        for _ in range(n):
            result = np.convolve(result, np.array(poly, dtype=object))
        return result
    filled = power([skips, solid], sum(choices.slots))[choices.min_depth:choices.max_depth + 1].sum()
    by_number = power([1, len(choices.reductions) - 1], len(choices.slots))
    timed = sum(by_number[n] for s in choices.stems for o in choices.output_reductions
                for n in range(len(by_number)) if o % (s * 2**n) == 0)
    words = len(choices.activations) * len(choices.norms) * len(choices.macarons)
    return int(filled) * int(timed) * len(choices.widths) ** len(choices.slots) * words
