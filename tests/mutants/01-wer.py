# %% given

# %% wrong: letters instead of words
# says: edits of letters
def wer(reference, hypothesis):
    row = list(range(len(hypothesis) + 1))
    for i, a in enumerate(reference, 1):
        above, row = row, [i]
        for j, b in enumerate(hypothesis, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (a != b)))
    return row[-1] / max(1, len(reference))

# %% wrong: divided by the words heard
# says: divided by the words that were heard
def wer(reference, hypothesis):
    said, heard = reference.split(), hypothesis.split()
    row = list(range(len(heard) + 1))
    for i, a in enumerate(said, 1):
        above, row = row, [i]
        for j, b in enumerate(heard, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (a != b)))
    return row[-1] / max(1, len(heard))

# %% wrong: not divided
# says: not divided
def wer(reference, hypothesis):
    said, heard = reference.split(), hypothesis.split()
    row = list(range(len(heard) + 1))
    for i, a in enumerate(said, 1):
        above, row = row, [i]
        for j, b in enumerate(heard, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (a != b)))
    return row[-1]

# %% wrong: place by place
# says: place by place
def wer(reference, hypothesis):
    said, heard = reference.split(), hypothesis.split()
    errors = sum(a != b for a, b in zip(said, heard)) + abs(len(said) - len(heard))
    return errors / max(1, len(said))

# %% wrong: as far as the shorter one
# says: only as far as the shorter one
def wer(reference, hypothesis):
    said, heard = reference.split(), hypothesis.split()
    return sum(a != b for a, b in zip(said, heard)) / max(1, len(said))

# %% wrong: no substitution
# says: a substitution is counted as two
def wer(reference, hypothesis):
    said, heard = reference.split(), hypothesis.split()
    row = list(range(len(heard) + 1))
    for i, a in enumerate(said, 1):
        above, row = row, [i]
        for j, b in enumerate(heard, 1):
            row.append(above[j - 1] if a == b else min(above[j] + 1, row[-1] + 1))
    return row[-1] / max(1, len(said))

# %% wrong: free insertions
# says: insertions cost nothing
def wer(reference, hypothesis):
    said, heard = reference.split(), hypothesis.split()
    row = [0] * (len(heard) + 1)
    for i, a in enumerate(said, 1):
        above, row = row, [i]
        for j, b in enumerate(heard, 1):
            row.append(min(above[j] + 1, row[-1], above[j - 1] + (a != b)))
    return row[-1] / max(1, len(said))

# %% wrong: sets of words
# says: compared as sets
def wer(reference, hypothesis):
    said, heard = set(reference.split()), set(hypothesis.split())
    return len(said ^ heard) / max(1, len(reference.split()))

# %% wrong: only what is missing
# says: only words that are missing
def wer(reference, hypothesis):
    said, heard = set(reference.split()), set(hypothesis.split())
    return len(said - heard) / max(1, len(reference.split()))

# %% wrong: clipped
# says: clipped at 1
def wer(reference, hypothesis):
    said, heard = reference.split(), hypothesis.split()
    row = list(range(len(heard) + 1))
    for i, a in enumerate(said, 1):
        above, row = row, [i]
        for j, b in enumerate(heard, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (a != b)))
    return min(1.0, row[-1] / max(1, len(said)))

# %% wrong: divides by nothing said
# says: divides by zero
def wer(reference, hypothesis):
    said, heard = reference.split(), hypothesis.split()
    row = list(range(len(heard) + 1))
    for i, a in enumerate(said, 1):
        above, row = row, [i]
        for j, b in enumerate(heard, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (a != b)))
    return row[-1] / len(said)

# %% wrong: zero where nothing was said
# says: the rate is the number of words heard
def wer(reference, hypothesis):
    said, heard = reference.split(), hypothesis.split()
    if not said:
        return 0.0
    row = list(range(len(heard) + 1))
    for i, a in enumerate(said, 1):
        above, row = row, [i]
        for j, b in enumerate(heard, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (a != b)))
    return row[-1] / len(said)

# %% wrong: one where nothing was said
# says: 2 for two words
def wer(reference, hypothesis):
    said, heard = reference.split(), hypothesis.split()
    if not said:
        return float(bool(heard))
    row = list(range(len(heard) + 1))
    for i, a in enumerate(said, 1):
        above, row = row, [i]
        for j, b in enumerate(heard, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (a != b)))
    return row[-1] / len(said)

# %% wrong: cut at single spaces
# says: cut at every single space
def wer(reference, hypothesis):
    said, heard = [part.split(" ") if part.strip() else [] for part in (reference, hypothesis)]
    row = list(range(len(heard) + 1))
    for i, a in enumerate(said, 1):
        above, row = row, [i]
        for j, b in enumerate(heard, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (a != b)))
    return row[-1] / max(1, len(said))

# %% wrong: tries every way
# says: solved again and again
def wer(reference, hypothesis):
    def edits(a, b):
        if not a or not b:
            return len(a) + len(b)
        if a[-1] == b[-1]:
            return edits(a[:-1], b[:-1])
        return 1 + min(edits(a[:-1], b), edits(a, b[:-1]), edits(a[:-1], b[:-1]))
    said = reference.split()
    return edits(said, hypothesis.split()) / max(1, len(said))

# %% wrong: in percent
# says: in percent
def wer(reference, hypothesis):
    a, b = reference.split(), hypothesis.split()
    table = [[i + j for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            change = table[i - 1][j - 1] + (a[i - 1] != b[j - 1])
            table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, change)
    return 100 * table[-1][-1] / max(1, len(a))

# %% wrong: swapped neighbours are one edit
# says: changed places
def wer(reference, hypothesis):
    a, b = reference.split(), hypothesis.split()
    table = [[i + j for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            change = table[i - 1][j - 1] + (a[i - 1] != b[j - 1])
            table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, change)
            if i > 1 < j and a[i - 2 : i] == b[j - 2 : j][::-1]:
                table[i][j] = min(table[i][j], table[i - 2][j - 2] + 1)
    return table[-1][-1] / max(1, len(a))

# %% wrong: rounded to two places
# says: off by
# not: fewer edits
def wer(reference, hypothesis):
    a, b = reference.split(), hypothesis.split()
    table = [[i + j for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            change = table[i - 1][j - 1] + (a[i - 1] != b[j - 1])
            table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, change)
    return round(table[-1][-1] / max(1, len(a)), 2)

# %% wrong: greedy
# says: a way with fewer edits
def wer(reference, hypothesis):
    said, heard, errors = reference.split(), hypothesis.split(), 0
    words = max(1, len(said))
    while said and heard:
        if said[0] == heard[0]:
            said, heard = said[1:], heard[1:]
        elif heard[0] in said:
            said, errors = said[1:], errors + 1
        else:
            said, heard, errors = said[1:], heard[1:], errors + 1
    return (errors + len(said) + len(heard)) / words

# %% right: whole table
def wer(reference, hypothesis):
    a, b = reference.split(), hypothesis.split()
    table = [[i + j if i * j == 0 else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            cost = 0 if a[i - 1] == b[j - 1] else 1
            table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + cost)
    return table[-1][-1] / len(a) if a else float(len(b))

# %% right: remembered recursion
from functools import lru_cache

def wer(reference, hypothesis):
    a, b = tuple(reference.split()), tuple(hypothesis.split())
    @lru_cache(None)
    def edits(i, j):
        if i == 0 or j == 0:
            return i + j
        if a[i - 1] == b[j - 1]:
            return edits(i - 1, j - 1)
        return 1 + min(edits(i - 1, j), edits(i, j - 1), edits(i - 1, j - 1))
    return edits(len(a), len(b)) / (len(a) or 1)

# %% right: numpy, backwards
import numpy as np

def wer(said, heard):
    a, b = said.split()[::-1], heard.split()[::-1]
    d = np.zeros((len(a) + 1, len(b) + 1))
    d[:, 0], d[0] = np.arange(len(a) + 1), np.arange(len(b) + 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            d[i + 1, j + 1] = min(d[i, j] + float(x != y), d[i, j + 1] + 1, d[i + 1, j] + 1)
    return d[-1, -1] / max(len(a), 1)

# %% right: shortest way through the grid
from heapq import heappop, heappush

def wer(reference, hypothesis):
    a, b = reference.split(), hypothesis.split()
    seen, queue = set(), [(0, 0, 0)]
    while queue:
        cost, i, j = heappop(queue)
        if (i, j) == (len(a), len(b)):
            return cost / max(1, len(a))
        if (i, j) in seen:
            continue
        seen.add((i, j))
        if i < len(a):
            heappush(queue, (cost + 1, i + 1, j))
        if j < len(b):
            heappush(queue, (cost + 1, i, j + 1))
        if i < len(a) and j < len(b):
            heappush(queue, (cost + (a[i] != b[j]), i + 1, j + 1))

# %% right: a fraction
from fractions import Fraction

def wer(reference, hypothesis):
    a, b = reference.split(), hypothesis.split()
    table = [[i + j for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            change = table[i - 1][j - 1] + (a[i - 1] != b[j - 1])
            table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, change)
    return Fraction(table[-1][-1], max(1, len(a)))
