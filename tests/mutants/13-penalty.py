# %% given
import torch

# %% wrong: latency of the likeliest network
# says: no slope is left
def expected_latency(alphas, table, fixed):
    return fixed + sum(alpha.new_tensor(row)[alpha.argmax()] for alpha, row in zip(alphas, table))
def penalty(latency, target, weight, one_sided=False):
    return weight * (latency - target).abs()

# %% wrong: no softmax
# says: without softmax
def expected_latency(alphas, table, fixed):
    return fixed + sum(alpha @ alpha.new_tensor(row) for alpha, row in zip(alphas, table))
def penalty(latency, target, weight, one_sided=False):
    return weight * (latency - target).abs()

# %% wrong: fixed part forgotten
# says: fixed part is forgotten
def expected_latency(alphas, table, fixed):
    return sum(alpha.softmax(0) @ alpha.new_tensor(row) for alpha, row in zip(alphas, table))
def penalty(latency, target, weight, one_sided=False):
    excess = latency - target
    return weight * (excess.clamp(min=0) if one_sided else excess.abs())

# %% wrong: fixed part in each slot
# says: once for each slot
def expected_latency(alphas, table, fixed):
    return sum(fixed + alpha.softmax(0) @ alpha.new_tensor(row) for alpha, row in zip(alphas, table))
def penalty(latency, target, weight, one_sided=False):
    excess = latency - target
    return weight * (excess.clamp(min=0) if one_sided else excess.abs())

# %% wrong: one softmax for all
# says: candidates of all slots together
def expected_latency(alphas, table, fixed):
    weights = torch.cat(list(alphas)).softmax(0)
    return fixed + weights @ weights.new_tensor([ms for row in table for ms in row])
def penalty(latency, target, weight, one_sided=False):
    excess = latency - target
    return weight * (excess.clamp(min=0) if one_sided else excess.abs())

# %% wrong: mean over slots
# says: one after the other
def expected_latency(alphas, table, fixed):
    times = [alpha.softmax(0) @ alpha.new_tensor(row) for alpha, row in zip(alphas, table)]
    return fixed + torch.stack(times).mean()
def penalty(latency, target, weight, one_sided=False):
    excess = latency - target
    return weight * (excess.clamp(min=0) if one_sided else excess.abs())

# %% wrong: exponentials overflow
# says: exp overflows
def expected_latency(alphas, table, fixed):
    total = fixed
    for alpha, row in zip(alphas, table):
        weights = alpha.exp() / alpha.exp().sum()
        total = total + (weights * alpha.new_tensor(row)).sum()
    return total
def penalty(latency, target, weight, one_sided=False):
    excess = latency - target
    return weight * (excess.clamp(min=0) if one_sided else excess.abs())

# %% wrong: a plain number
# says: left the graph
def expected_latency(alphas, table, fixed):
    return fixed + sum(float(alpha.softmax(0) @ alpha.new_tensor(row)) for alpha, row in zip(alphas, table))
def penalty(latency, target, weight, one_sided=False):
    return weight * abs(latency - target)

# %% wrong: square of the distance
# says: the square of the distance
def expected_latency(alphas, table, fixed):
    return fixed + sum(alpha.softmax(0) @ alpha.new_tensor(row) for alpha, row in zip(alphas, table))
def penalty(latency, target, weight, one_sided=False):
    excess = latency - target
    return weight * (excess.clamp(min=0) if one_sided else excess) ** 2

# %% wrong: sign turned
# says: too slow is rewarded
def expected_latency(alphas, table, fixed):
    return fixed + sum(alpha.softmax(0) @ alpha.new_tensor(row) for alpha, row in zip(alphas, table))
def penalty(latency, target, weight, one_sided=False):
    excess = target - latency
    return weight * (excess.clamp(max=0) if one_sided else excess)

# %% wrong: distance without its size
# says: rewarded without end
def expected_latency(alphas, table, fixed):
    return fixed + sum(alpha.softmax(0) @ alpha.new_tensor(row) for alpha, row in zip(alphas, table))
def penalty(latency, target, weight, one_sided=False):
    excess = latency - target
    return weight * (excess.clamp(min=0) if one_sided else excess)

# %% wrong: one side, the wrong one
# says: wrong way round
def expected_latency(alphas, table, fixed):
    return fixed + sum(alpha.softmax(0) @ alpha.new_tensor(row) for alpha, row in zip(alphas, table))
def penalty(latency, target, weight, one_sided=False):
    excess = latency - target
    return weight * (excess.clamp(max=0).abs() if one_sided else excess.abs())

# %% wrong: always two-sided
# says: one_sided is not looked at
def expected_latency(alphas, table, fixed):
    return fixed + sum(alpha.softmax(0) @ alpha.new_tensor(row) for alpha, row in zip(alphas, table))
def penalty(latency, target, weight, one_sided=False):
    return weight * (latency - target).abs()

# %% wrong: one-sided where nobody asked
# says: where it is left out, one_sided is False
def expected_latency(alphas, table, fixed):
    return fixed + sum(alpha.softmax(0) @ alpha.new_tensor(row) for alpha, row in zip(alphas, table))
def penalty(latency, target, weight, one_sided=True):
    excess = latency - target
    return weight * (excess.clamp(min=0) if one_sided else excess.abs())

# %% wrong: target in seconds
# says: target is turned into seconds
def expected_latency(alphas, table, fixed):
    return fixed + sum(alpha.softmax(0) @ alpha.new_tensor(row) for alpha, row in zip(alphas, table))
def penalty(latency, target, weight, one_sided=False):
    excess = latency - target / 1000
    return weight * (excess.clamp(min=0) if one_sided else excess.abs())

# %% wrong: relative distance
# says: divided by the target
def expected_latency(alphas, table, fixed):
    return fixed + sum(alpha.softmax(0) @ alpha.new_tensor(row) for alpha, row in zip(alphas, table))
def penalty(latency, target, weight, one_sided=False):
    excess = latency / target - 1
    return weight * (excess.clamp(min=0) if one_sided else excess.abs())

# %% wrong: Python's max ends the graph
# says: a plain 0 from Python's max
def expected_latency(alphas, table, fixed):
    return fixed + sum(alpha.softmax(0) @ alpha.new_tensor(row) for alpha, row in zip(alphas, table))
def penalty(latency, target, weight, one_sided=False):
    excess = latency - target
    return weight * (max(0.0, excess) if one_sided else abs(excess))

# %% wrong: slots stacked
# says: go slot by slot
def expected_latency(alphas, table, fixed):
    return fixed + (torch.stack(list(alphas)).softmax(1) * torch.tensor(table)).sum()
def penalty(latency, target, weight, one_sided=False):
    excess = latency - target
    return weight * (excess.clamp(min=0) if one_sided else excess.abs())

# %% right: loops
def expected_latency(alphas, table, fixed):
    total = torch.tensor(fixed, dtype=torch.float64)
    for alpha, row in zip(alphas, table):
        for w, ms in zip(torch.softmax(alpha, dim=-1), row):
            total = total + w * ms
    return total
def penalty(latency, target, weight, one_sided=False):
    if latency >= target:
        return weight * (latency - target)
    return 0 * latency if one_sided else weight * (target - latency)

# %% right: padded matrix
def expected_latency(alphas, table, fixed):
    pad = torch.nn.utils.rnn.pad_sequence
    scores = pad(list(alphas), True, float("-inf"))
    ms = pad([torch.tensor(row, dtype=scores.dtype) for row in table], True)
    return (scores.softmax(1) * ms).sum() + fixed
def penalty(latency, target, weight, one_sided=False):
    too_slow = torch.relu(latency - target)
    return weight * too_slow if one_sided else weight * (too_slow + torch.relu(target - latency))

# %% right: softmax by hand, single precision
def expected_latency(alphas, times, base):
    total = base
    for a, row in zip(alphas, times):
        e = torch.exp(a.float() - a.float().max().detach())
        total = total + torch.dot(e / e.sum(), torch.tensor(row, dtype=torch.float32))
    return total
def penalty(ms, goal, strength, one_sided=False):
    distance = ms - goal
    return strength * torch.where(distance > 0, distance, 0 * distance if one_sided else -distance)

# %% right: a plain tensor of the row
def expected_latency(alphas, table, fixed):
    return fixed + sum(alpha.softmax(0) @ torch.tensor(row) for alpha, row in zip(alphas, table))
def penalty(latency, target, weight, one_sided=False):
    excess = latency - target
    return weight * (excess.clamp(min=0) if one_sided else excess.abs())
