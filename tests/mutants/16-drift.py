# %% given
import math
from statistics import mean, median

import numpy as np


def cusum(latencies, reference, allowance):
    total, sums = 0.0, []
    for ms in latencies:
        total = max(0.0, total + math.log(ms / reference) - allowance)
        sums.append(total)
    return sums


def drifts(latencies, reference, allowance, threshold, learn, slip=""):
    total, zero, found, at = 0.0, -1, [], 0
    while at < len(latencies):
        total = max(0.0, total + math.log(latencies[at] / reference) - allowance)
        if total == 0:
            zero = at
        if total > threshold:
            found.append((zero + 1, at))
            taught = latencies[at + 1 : at + 1 + learn]
            if len(taught) < learn:
                break
            reference, total, at = median(taught), 0.0, at + learn
            zero = at
        at += 1
    return found

# %% wrong: no allowance
# says: the allowance is not taken off
def cusum(latencies, reference, allowance):
    total, sums = 0.0, []
    for ms in latencies:
        total = max(0.0, total + math.log(ms / reference))
        sums.append(total)
    return sums

# %% wrong: allowance added
# says: the allowance is added
def cusum(latencies, reference, allowance):
    total, sums = 0.0, []
    for ms in latencies:
        total = max(0.0, total + math.log(ms / reference) + allowance)
        sums.append(total)
    return sums

# %% wrong: a plain sum
# says: good times are saved up
def cusum(latencies, reference, allowance):
    return np.cumsum([math.log(ms / reference) - allowance for ms in latencies])

# %% wrong: steps stopped at 0
# says: each step is stopped at 0, not the sum
def cusum(latencies, reference, allowance):
    return np.cumsum([max(0.0, math.log(ms / reference) - allowance) for ms in latencies])

# %% wrong: milliseconds
# says: the sum is of milliseconds above the reference
def cusum(latencies, reference, allowance):
    total, sums = 0.0, []
    for ms in latencies:
        total = max(0.0, total + ms - reference - allowance)
        sums.append(total)
    return sums

# %% wrong: relative change
# says: the score is the relative change
def cusum(latencies, reference, allowance):
    total, sums = 0.0, []
    for ms in latencies:
        total = max(0.0, total + ms / reference - 1 - allowance)
        sums.append(total)
    return sums

# %% wrong: log10
# says: this is log10
def cusum(latencies, reference, allowance):
    total, sums = 0.0, []
    for ms in latencies:
        total = max(0.0, total + math.log10(ms / reference) - allowance)
        sums.append(total)
    return sums

# %% wrong: log2
# says: this is log2
def cusum(latencies, reference, allowance):
    total, sums = 0.0, []
    for ms in latencies:
        total = max(0.0, total + math.log2(ms / reference) - allowance)
        sums.append(total)
    return sums

# %% wrong: faster instead of slower
# says: the sign is turned
def cusum(latencies, reference, allowance):
    total, sums = 0.0, []
    for ms in latencies:
        total = max(0.0, total + math.log(reference / ms) - allowance)
        sums.append(total)
    return sums

# %% wrong: both directions in one sum
# says: the size of each deviation counts
def cusum(latencies, reference, allowance):
    total, sums = 0.0, []
    for ms in latencies:
        total = max(0.0, total + abs(math.log(ms / reference)) - allowance)
        sums.append(total)
    return sums

# %% wrong: no sum at all
# says: these are the steps, not their sum
def cusum(latencies, reference, allowance):
    return [math.log(ms / reference) - allowance for ms in latencies]

# %% wrong: one sample late
# says: each sum is that of the sample before
def cusum(latencies, reference, allowance):
    total, sums = 0.0, []
    for ms in latencies:
        sums.append(total)
        total = max(0.0, total + math.log(ms / reference) - allowance)
    return sums

# %% wrong: against the sample before
# says: compared with the one before it
def cusum(latencies, reference, allowance):
    total, sums = 0.0, []
    for ms in latencies:
        total = max(0.0, total + math.log(ms / reference) - allowance)
        reference = ms
        sums.append(total)
    return sums

# %% wrong: allowance at the end
# says: taken off once, at the end
def cusum(latencies, reference, allowance):
    total, sums = 0.0, []
    for ms in latencies:
        total = max(0.0, total + math.log(ms / reference))
        sums.append(total - allowance)
    return sums

# %% wrong: positive instead of 0
# says: made positive; it is 0 then
def cusum(latencies, reference, allowance):
    total, sums = 0.0, []
    for ms in latencies:
        total = abs(total + math.log(ms / reference) - allowance)
        sums.append(total)
    return sums

# %% wrong: the last sum only
# says: has shape ()
def cusum(latencies, reference, allowance):
    total = 0.0
    for ms in latencies:
        total = max(0.0, total + math.log(ms / reference) - allowance)
    return total

# %% wrong: the alarm never ends
# says: the alarm never ends
def drifts(latencies, reference, allowance, threshold, learn):
    zero, found = -1, []
    for at, total in enumerate(cusum(latencies, reference, allowance)):
        if total == 0:
            zero = at
        if total > threshold:
            found.append((zero + 1, at))
    return found

# %% wrong: begins anew without learning
# says: but nothing is learnt
def drifts(latencies, reference, allowance, threshold, learn):
    total, zero, found = 0.0, -1, []
    for at, ms in enumerate(latencies):
        total = max(0.0, total + math.log(ms / reference) - allowance)
        if total == 0:
            zero = at
        if total > threshold:
            found.append((zero + 1, at))
            total, zero = 0.0, at
    return found

# %% wrong: rests, but keeps the old reference
# says: the reference stays the old one
def drifts(latencies, reference, allowance, threshold, learn):
    total, zero, found, rest = 0.0, -1, [], 0
    for at, ms in enumerate(latencies):
        if rest:
            rest -= 1
            total, zero = 0.0, at
            continue
        total = max(0.0, total + math.log(ms / reference) - allowance)
        if total == 0:
            zero = at
        if total > threshold:
            found.append((zero + 1, at))
            rest = learn
    return found

# %% wrong: the last zero itself
# says: the change begins with the one after it
right = drifts
def drifts(*a):
    return [(since - 1, found) for since, found in right(*a)]

# %% wrong: since is found
# says: since is where the alarm was raised
right = drifts
def drifts(*a):
    return [(found, found) for since, found in right(*a)]

# %% wrong: since always 0
# says: since is always 0
right = drifts
def drifts(*a):
    return [(0, found) for since, found in right(*a)]

# %% wrong: counted from 1
# says: samples are counted from 1
right = drifts
def drifts(*a):
    return [(since + 1, found + 1) for since, found in right(*a)]

# %% wrong: one after the alarm
# says: found is the sample after
right = drifts
def drifts(*a):
    return [(since, found + 1) for since, found in right(*a)]

# %% wrong: turned round
# says: the pairs are (found, since)
right = drifts
def drifts(*a):
    return [(found, since) for since, found in right(*a)]

# %% wrong: only one change
# says: the search ends with the first alarm
right = drifts
def drifts(*a):
    return right(*a)[:1]

# %% wrong: the mean teaches
# says: the new reference is a mean
median = mean

# %% wrong: the last one teaches
# says: one single latency
def median(some):
    return some[-1]

# %% wrong: the slowest teaches
# says: the slowest of those that teach
median = max

# %% wrong: the alarm teaches too
# says: the sample that raised the alarm teaches, too
def drifts(latencies, reference, allowance, threshold, learn):
    total, zero, found, at = 0.0, -1, [], 0
    while at < len(latencies):
        total = max(0.0, total + math.log(latencies[at] / reference) - allowance)
        if total == 0:
            zero = at
        if total > threshold:
            found.append((zero + 1, at))
            taught = latencies[at : at + learn]
            if len(taught) < learn:
                break
            reference, total, at = median(taught), 0.0, at + learn - 1
            zero = at
        at += 1
    return found

# %% wrong: what raised the alarm teaches
# says: the samples that raised the alarm teach
def drifts(latencies, reference, allowance, threshold, learn):
    total, zero, found = 0.0, -1, []
    for at, ms in enumerate(latencies):
        total = max(0.0, total + math.log(ms / reference) - allowance)
        if total == 0:
            zero = at
        if total > threshold:
            found.append((zero + 1, at))
            reference, total, zero = median(latencies[zero + 1 : at + 1]), 0.0, at
    return found

# %% wrong: watches while it learns
# says: the samples that teach are watched as well
def drifts(latencies, reference, allowance, threshold, learn):
    total, zero, found = 0.0, -1, []
    for at, ms in enumerate(latencies):
        total = max(0.0, total + math.log(ms / reference) - allowance)
        if total == 0:
            zero = at
        if total > threshold:
            found.append((zero + 1, at))
            taught = latencies[at + 1 : at + 1 + learn]
            if len(taught) < learn:
                break
            reference, total, zero = median(taught), 0.0, at
    return found

# %% wrong: the sum goes on
# says: after learning the sum goes on from where it stood
def drifts(latencies, reference, allowance, threshold, learn):
    total, zero, found, at = 0.0, -1, [], 0
    while at < len(latencies):
        total = max(0.0, total + math.log(latencies[at] / reference) - allowance)
        if total == 0:
            zero = at
        if total > threshold:
            found.append((zero + 1, at))
            taught = latencies[at + 1 : at + 1 + learn]
            if len(taught) < learn:
                break
            reference, at = median(taught), at + learn
            zero = at
        at += 1
    return found

# %% wrong: the old zero
# says: reaches back to before the learning
def drifts(latencies, reference, allowance, threshold, learn):
    total, zero, found, at = 0.0, -1, [], 0
    while at < len(latencies):
        total = max(0.0, total + math.log(latencies[at] / reference) - allowance)
        if total == 0:
            zero = at
        if total > threshold:
            found.append((zero + 1, at))
            taught = latencies[at + 1 : at + 1 + learn]
            if len(taught) < learn:
                break
            reference, total, at = median(taught), 0.0, at + learn
        at += 1
    return found

# %% wrong: counts from where it began anew
# says: count from the first of all
def drifts(latencies, reference, allowance, threshold, learn):
    begin, found = 0, []
    while begin < len(latencies):
        one = right_first(latencies[begin:], reference, allowance, threshold)
        if one is None:
            break
        found.append(one)
        taught = latencies[begin + one[1] + 1 : begin + one[1] + 1 + learn]
        if len(taught) < learn:
            break
        reference, begin = median(taught), begin + one[1] + 1 + learn
    return found
def right_first(latencies, reference, allowance, threshold):
    zero = -1
    for at, total in enumerate(cusum(latencies, reference, allowance)):
        if total == 0:
            zero = at
        if total > threshold:
            return zero + 1, at
    return None

# %% wrong: learns from what is not there
# says: StatisticsError
def drifts(latencies, reference, allowance, threshold, learn):
    total, zero, found, at = 0.0, -1, [], 0
    while at < len(latencies):
        total = max(0.0, total + math.log(latencies[at] / reference) - allowance)
        if total == 0:
            zero = at
        if total > threshold:
            found.append((zero + 1, at))
            reference, total, at = median(latencies[at + 1 : at + 1 + learn]), 0.0, at + learn
            zero = at
        at += 1
    return found

# %% right: NumPy, the sum less its least value so far
def cusum(latencies, reference, allowance):
    steps = np.log(np.asarray(latencies, dtype=float) / reference) - allowance
    sums = np.cumsum(steps)
    return sums - np.minimum(np.minimum.accumulate(sums), 0) if len(sums) else sums
def drifts(latencies, reference, allowance, threshold, learn):
    found, begin, latencies = [], 0, np.asarray(latencies, dtype=float)
    while begin < len(latencies):
        sums = cusum(latencies[begin:], reference, allowance)
        above = np.flatnonzero(sums > threshold)
        if not len(above):
            break
        zeros = np.flatnonzero(sums[: above[0]] == 0)
        found.append((begin + (zeros[-1] + 1 if len(zeros) else 0), begin + above[0]))
        begin += above[0] + 1 + learn
        if begin > len(latencies):
            break
        reference = np.median(latencies[begin - learn : begin])
    return np.array(found)

# %% right: a generator of states
def cusum(latencies, reference, allowance):
    from itertools import accumulate
    steps = (math.log(ms) - math.log(reference) - allowance for ms in latencies)
    return list(accumulate(steps, lambda s, y: s + y if s + y > 0 else 0.0, initial=0.0))[1:]
def drifts(latencies, reference, allowance, threshold, learn):
    pairs, S, since, lessons = [], 0.0, 0, None
    for n, ms in enumerate(latencies):
        if lessons is not None:
            lessons.append(ms)
            if len(lessons) == learn:
                reference, lessons, S, since = sorted(lessons)[learn // 2], None, 0.0, n + 1
                if learn % 2 == 0:
                    reference = median(latencies[n + 1 - learn : n + 1])
            continue
        S += math.log(ms / reference) - allowance
        if S <= 0:
            S, since = 0.0, n + 1
        if S > threshold:
            pairs.append([since, n])
            lessons = []
    return pairs

# %% right: recursion
def cusum(latencies, reference, allowance):
    out = [0.0]
    for ms in latencies:
        out += [max(out[-1] + math.log(ms / reference) - allowance, 0.0)]
    return tuple(out[1:])
def drifts(latencies, reference, allowance, threshold, learn, start=0):
    if not latencies:
        return []
    sums = cusum(latencies, reference, allowance)
    at = next((n for n, s in enumerate(sums) if s > threshold), None)
    if at is None:
        return []
    since = max((n + 1 for n in range(at) if sums[n] == 0), default=0)
    rest, next_start = latencies[at + 1 :], start + at + 1 + learn
    later = drifts(rest[learn:], median(rest[:learn]), allowance, threshold, learn, next_start) if len(rest) >= learn else []
    return [(start + since, start + at)] + later
