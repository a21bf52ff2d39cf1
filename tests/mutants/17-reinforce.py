# %% given
import bisect
import itertools
import math
import random

import numpy as np
import torch
from torch.nn.functional import one_hot


def good_draw(logits, rng):
    return [rng.choices(range(len(row)), weights=row)[0] for row in logits.softmax(1).tolist()]


def slope_of(logits, choices):
    return one_hot(torch.tensor(choices), logits.shape[1]) - logits.softmax(1)


def good_update(logits, choices, reward, baseline, rate, decay):
    if baseline is None:
        baseline = reward
    return logits + rate * (reward - baseline) * slope_of(logits, choices), decay * baseline + (1 - decay) * reward


def moved(step):
    """An update that goes by `step(logits, choices, ahead)`."""
    def update(logits, choices, reward, baseline, rate, decay):
        _, new = good_update(logits, choices, reward, baseline, rate, decay)
        ahead = 0 if baseline is None else reward - baseline
        return logits + rate * step(logits, choices, ahead), new
    return update


def chosen(logits, choices):
    return one_hot(torch.tensor(choices), logits.shape[1]).double()


draw, update = good_draw, good_update

# %% wrong: uniform draws
# says: drawn alike
def draw(logits, rng):
    return [rng.randrange(logits.shape[1]) for _ in logits]

# %% wrong: greedy
# says: is the largest logit always taken
def draw(logits, rng):
    return logits.argmax(1).tolist()

# %% wrong: draws by the softmax of the genes
# says: runs over the genes
def draw(logits, rng):
    return [rng.choices(range(len(row)), weights=row)[0] for row in logits.softmax(0).tolist()]

# %% wrong: draws by minus the logits
# says: sign turned
def draw(logits, rng):
    return good_draw(-logits, rng)

# %% wrong: softmax twice
# says: taken twice
def draw(logits, rng):
    return good_draw(logits.softmax(1), rng)

# %% wrong: sigmoid weights
# says: sigmoids
def draw(logits, rng):
    return [rng.choices(range(len(row)), weights=row)[0] for row in logits.sigmoid().tolist()]

# %% wrong: one number of chance for all genes
# says: hang together
def draw(logits, rng):
    u = rng.random()
    sums = logits.softmax(1).cumsum(1).tolist()
    return [min(bisect.bisect(row, u), len(row) - 1) for row in sums]

# %% wrong: seeded anew each time
# says: is rng made anew
def draw(logits, rng):
    return good_draw(logits, random.Random(0))

# %% wrong: torch's own chance
# says: torch.multinomial
def draw(logits, rng):
    return torch.multinomial(logits.softmax(1), 1)[:, 0].tolist()

# %% wrong: counted from 1
# says: counted from 0
def draw(logits, rng):
    return [choice + 1 for choice in good_draw(logits, rng)]

# %% wrong: one-hot rows
# says: whole numbers
def draw(logits, rng):
    return chosen(logits, good_draw(logits, rng))

# %% wrong: exponentials by hand
# says: exp overflows
def draw(logits, rng):
    weights = logits.exp()
    return [rng.choices(range(len(row)), weights=row)[0] for row in (weights / weights.sum(1, keepdim=True)).nan_to_num(1).tolist()]

# %% wrong: descends
# says: makes its choices rarer
update = moved(lambda logits, choices, ahead: -ahead * slope_of(logits, choices))

# %% wrong: no baseline
# says: baseline is not subtracted
def update(logits, choices, reward, baseline, rate, decay):
    _, new = good_update(logits, choices, reward, baseline, rate, decay)
    return logits + rate * reward * slope_of(logits, choices), new

# %% wrong: the baseline first
# says: moved first
def update(logits, choices, reward, baseline, rate, decay):
    baseline = reward if baseline is None else decay * baseline + (1 - decay) * reward
    return logits + rate * (reward - baseline) * slope_of(logits, choices), baseline

# %% wrong: baseline added
# says: baseline is added
def update(logits, choices, reward, baseline, rate, decay):
    _, new = good_update(logits, choices, reward, baseline, rate, decay)
    return logits + rate * (reward + (baseline or 0)) * slope_of(logits, choices), new

# %% wrong: gradient of p
# says: gradient of p, not of log p
def _step(logits, choices, ahead):
    leaf = logits.clone().requires_grad_()
    p = leaf.softmax(1)
    return ahead * torch.autograd.grad((p * chosen(logits, choices)).sum(), leaf)[0]
update = moved(_step)

# %% wrong: gradient of the product of all p
# says: not of log p
def _step(logits, choices, ahead):
    leaf = logits.clone().requires_grad_()
    p = leaf.softmax(1)
    return ahead * torch.autograd.grad((p * chosen(logits, choices)).sum(1).prod(), leaf)[0]
update = moved(_step)

# %% wrong: softmax over the genes
# says: runs over the genes
update = moved(lambda logits, choices, ahead: ahead * (chosen(logits, choices) - logits.softmax(0)))

# %% wrong: one softmax over all
# says: all genes together
update = moved(lambda logits, choices, ahead: ahead * (chosen(logits, choices) - logits.flatten().softmax(0).view_as(logits)))

# %% wrong: only raises
# says: nothing else sinks
update = moved(lambda logits, choices, ahead: ahead * chosen(logits, choices))

# %% wrong: only the chosen logit
# says: only the logit of the chosen
update = moved(lambda logits, choices, ahead: ahead * chosen(logits, choices) * slope_of(logits, choices))

# %% wrong: log p, not its slope
# says: not its gradient
update = moved(lambda logits, choices, ahead: ahead * logits.log_softmax(1))

# %% wrong: mean over the genes
# says: mean over the genes
update = moved(lambda logits, choices, ahead: ahead * slope_of(logits, choices) / len(logits))

# %% wrong: size without sign
# says: its sign is lost
update = moved(lambda logits, choices, ahead: abs(ahead) * slope_of(logits, choices))

# %% wrong: no rate
# says: the rate is forgotten
def update(logits, choices, reward, baseline, rate, decay):
    return good_update(logits, choices, reward, baseline, 1.0, decay)

# %% wrong: the step alone
# says: the step alone
def update(logits, choices, reward, baseline, rate, decay):
    new, base = good_update(logits, choices, reward, baseline, rate, decay)
    return new - logits, base

# %% wrong: writes into the logits
# says: the caller's tensor
def update(logits, choices, reward, baseline, rate, decay):
    new, base = good_update(logits, choices, reward, baseline, rate, decay)
    return logits.copy_(new), base

# %% wrong: the baseline never moves
# says: stays where it is
def update(logits, choices, reward, baseline, rate, decay):
    new, _ = good_update(logits, choices, reward, baseline, rate, decay)
    return new, reward if baseline is None else baseline

# %% wrong: decay the other way round
# says: changed places
def update(logits, choices, reward, baseline, rate, decay):
    return good_update(logits, choices, reward, baseline, rate, 1 - decay)

# %% wrong: an average of the advantages
# says: less the baseline
def update(logits, choices, reward, baseline, rate, decay):
    new, _ = good_update(logits, choices, reward, baseline, rate, decay)
    baseline = reward if baseline is None else baseline
    return new, decay * baseline + (1 - decay) * (reward - baseline)

# %% wrong: the last reward
# says: last reward alone
def update(logits, choices, reward, baseline, rate, decay):
    return good_update(logits, choices, reward, baseline, rate, decay)[0], reward

# %% wrong: rewards pile up
# says: baseline grows
def update(logits, choices, reward, baseline, rate, decay):
    new, _ = good_update(logits, choices, reward, baseline, rate, decay)
    return new, reward if baseline is None else decay * baseline + reward

# %% wrong: the plain mean
# says: the plain mean
def update(logits, choices, reward, baseline, rate, decay):
    return good_update(logits, choices, reward, baseline, rate, decay)[0], reward if baseline is None else (baseline + reward) / 2

# %% wrong: starts from 0
# says: whatever comes first is praised
def update(logits, choices, reward, baseline, rate, decay):
    return good_update(logits, choices, reward, baseline or 0.0, rate, decay)

# %% wrong: the first baseline is too small
# says: whatever comes first is praised
def update(logits, choices, reward, baseline, rate, decay):
    new, base = good_update(logits, choices, reward, baseline, rate, decay)
    return new, (1 - decay) * reward if baseline is None else base

# %% wrong: logits alone
# says: not a pair
def update(logits, choices, reward, baseline, rate, decay):
    return good_update(logits, choices, reward, baseline, rate, decay)[0]

# %% wrong: softmax by hand overflows
# says: steady
def _step(logits, choices, ahead):
    p = logits.exp() / logits.exp().sum(1, keepdim=True)
    return ahead * (chosen(logits, choices) - p)
update = moved(_step)

# %% right: autograd, sums by hand
def draw(logits, rng):
    found = []
    for row in torch.softmax(logits, dim=-1).tolist():
        u, choice = rng.random(), 0
        while choice < len(row) - 1 and u >= row[choice]:
            u -= row[choice]
            choice += 1
        found.append(choice)
    return found

def update(logits, choices, reward, baseline, rate, decay):
    if baseline is None:
        return logits.clone(), reward
    theta = logits.detach().clone().requires_grad_(True)
    logp = torch.distributions.Categorical(logits=theta).log_prob(torch.tensor(choices)).sum()
    loss = -(reward - baseline) * logp
    loss.backward()
    return (theta - rate * theta.grad).detach(), baseline + (1 - decay) * (reward - baseline)

# %% right: Gumbel, loops and lists
def draw(logits, rng):
    noisy = [[a - math.log(-math.log(rng.random() or 1e-300)) for a in row] for row in logits.tolist()]
    return tuple(row.index(max(row)) for row in noisy)

def update(logits, choices, reward, baseline, rate, decay):
    above = 0.0 if baseline is None else reward - baseline
    rows = []
    for row, choice in zip(logits.tolist(), choices):
        top = max(row)
        total = sum(math.exp(a - top) for a in row)
        rows.append([a + rate * above * ((i == choice) - math.exp(a - top) / total) for i, a in enumerate(row)])
    return rows, reward if baseline is None else decay * baseline + (1 - decay) * reward

# %% right: torch seeded from rng, an optimiser
def draw(logits, rng):
    chance = torch.Generator().manual_seed(rng.getrandbits(40))
    return torch.multinomial(logits.softmax(1), 1, generator=chance).squeeze(1)

def update(logits, choices, reward, baseline, rate, decay):
    b = reward if baseline is None else baseline
    w = torch.nn.Parameter(logits.clone())
    sgd = torch.optim.SGD([w], lr=rate, maximize=True)
    picked = w.log_softmax(1).gather(1, torch.tensor(choices)[:, None])
    ((reward - b) * picked.sum()).backward()
    sgd.step()
    return w.data, torch.tensor(decay * b + (1 - decay) * reward, dtype=torch.float64)

# %% right: NumPy
def draw(logits, rng):
    z = np.asarray(logits)
    p = np.exp(z - z.max(1, keepdims=True))
    sums = np.cumsum(p / p.sum(1, keepdims=True), axis=1)
    return [int(np.searchsorted(row[:-1], rng.random(), side="right")) for row in sums]

def update(logits, choices, reward, baseline, rate, decay):
    z = np.array(logits, dtype=float)
    if baseline is None:
        baseline = reward
    p = np.exp(z - z.max(1, keepdims=True))
    step = -p / p.sum(1, keepdims=True)
    step[np.arange(len(choices)), choices] += 1
    return [z + rate * (reward - baseline) * step, baseline * decay + reward * (1 - decay)]
