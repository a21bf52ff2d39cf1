"""17-reinforce: draw an architecture from a policy, and move the policy up the expected reward."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations, product
from math import sqrt
from random import Random
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ..exercise import Exercise, Wrong, check, overflows, same

SIZES = ((1, 2), (2, 2), (2, 3), (3, 4))  # (genes, options), the smallest first
DRAWS = 2000
SIGMAS = 5.0  # how far a share may be from the expected one: a right answer fails once in a million times
STEPS, LAST = 300, 50  # of the learning check; at the end the better choice is drawn more often than ...
SHARE = 0.8


def _logits(rng: Random, genes: int, options: int) -> Tensor:
    """(genes, options), float64."""
    return torch.tensor([[round(rng.gauss(0, 1), 2) for _ in range(options)] for _ in range(genes)]).double()


def _choices(got: Any, logits: Tensor, case: str) -> list[int]:
    """`got` as one option for each gene."""
    genes, options = logits.shape
    if got is None:
        raise Wrong("draw(logits, rng) is None; does the function return it?", case)
    try:
        found = [operator.index(item) for item in got]
    except (TypeError, ValueError, RuntimeError):
        what = f"draw(logits, rng) is {repr(got)[:60].splitlines()[0]}"
        raise Wrong(what, case, f"a list of {genes} whole numbers is expected, one for each gene") from None
    if len(found) != genes:
        slip = "one option for each gene: a gene is a row of the logits"
        raise Wrong(f"draw(logits, rng) holds {len(found)} numbers, expected {genes}", case, slip)
    if not all(0 <= choice < options for choice in found):
        slip = "options are counted from 0" if max(found) == options else ""
        raise Wrong(f"draw(logits, rng) is {found}; options are 0 to {options - 1}", case, slip)
    return found


def _moved(got: Any, case: str) -> tuple[Any, Any]:
    """What `update` returned: the new logits and the new baseline."""
    if got is None:
        raise Wrong("update(...) is None; does the function return it?", case)
    if not isinstance(got, (tuple, list)) or len(got) != 2:
        raise Wrong(f"update(...) is a {type(got).__name__}, not a pair", case, "return new logits and new baseline")
    return got[0], got[1]


def _shares(logits: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """How often each option (genes, options) is drawn, and what known slips give."""
    genes, options = logits.shape
    by_row = lambda weights: weights / weights.sum(1, keepdim=True)  # noqa: E731
    return logits.softmax(1), {
        "all options are drawn alike; the logits do not count": torch.full_like(logits, 1 / options),
        "the softmax runs over the genes; it has to run over the options of one gene": by_row(logits.softmax(0)),
        "the logits have their sign turned": (-logits).softmax(1),
        "the softmax is taken twice": logits.softmax(1).softmax(1),
        "the weights are sigmoids; a policy is a softmax": by_row(logits.sigmoid()),
    }


def _telling(rng: Random) -> Tensor:
    """Logits of three genes with three options, for which no two slips look alike."""
    while True:
        logits = _logits(rng, 3, 3) * 1.5
        right, slips = _shares(logits)
        if all(float((a - b).abs().max()) > 0.15 for a, b in combinations([right, *slips.values()], 2)):
            return logits


def _near(shares: Tensor, expected: Tensor) -> bool:
    spread = (expected * (1 - expected) / DRAWS).sqrt()
    return bool(((shares - expected).abs() <= SIGMAS * spread + 1e-9).all())


@check("draws each option with its softmax probability, each gene for itself", points=2)
def draws(work: Any, rng: Random) -> None:
    logits, source = _telling(rng), Random(rng.random())
    case = f"logits {_rounded(logits)}, {DRAWS} draws"
    found = [_choices(got, logits, case) for got in work.draw.often(DRAWS, logits, source)]
    shares = torch.stack([one_hot(torch.tensor(gene), 3).double().mean(0) for gene in zip(*found, strict=True)])
    right, slips = _shares(logits)
    if not _near(shares, right):
        slip = next((slip for slip, expected in slips.items() if _near(shares, expected)), "")
        if len(set(map(tuple, found))) == 1:
            slip = "every draw is the same: is the largest logit always taken, or is rng made anew each time?"
        raise Wrong(f"the shares of the options are {_rounded(shares)}", case, slip)
    for one, two in combinations(range(3), 2):
        pairs = Counter((row[one], row[two]) for row in found)
        for a, b in product(range(3), repeat=2):
            due = DRAWS * float(right[one, a] * right[two, b])
            if abs(pairs[a, b] - due) > 6 * sqrt(due) + 6:
                what = f"option {a} of gene {one} came with option {b} of gene {two} {pairs[a, b]} times"
                slip = "the genes hang together; each needs a draw of its own"
                raise Wrong(f"{what}, due are {due:.0f}", case, slip)


def _rounded(values: Tensor) -> list:
    return [[round(value, 2) for value in row] for row in values.tolist()]


def _moves(logits: Tensor, choices: Sequence[int], reward: float, baseline: float, decay: float,
           ) -> tuple[Tensor, dict[str, Tensor]]:  # fmt: skip
    """Which way the logits go, at rate 1, and what known slips give. The right way is autograd's."""
    genes, options = logits.shape
    leaf = logits.clone().requires_grad_()
    (slope,) = torch.autograd.grad(sum(leaf.log_softmax(1)[g, c] for g, c in enumerate(choices)), leaf)
    chosen, p, ahead = one_hot(torch.tensor(choices), options).double(), logits.softmax(1), reward - baseline
    picked = (p * chosen).sum(1, keepdim=True)  # (genes, 1)
    return ahead * slope, {
        "the size of reward minus baseline counts, and its sign is lost": abs(ahead) * slope,
        "the sign is turned: a high reward makes its choices rarer": -ahead * slope,
        "the baseline is not subtracted": reward * slope,
        "the baseline is moved first and used afterwards; what is subtracted must not know this reward":
            decay * ahead * slope,
        "the baseline is added; it is subtracted": (reward + baseline) * slope,
        "this is the gradient of p, not of log p; a likely choice then counts for more": ahead * picked * slope,
        "this is the gradient of the whole p, not of log p": ahead * picked.prod() * slope,
        "the softmax runs over the genes; it has to run over the options of one gene":
            ahead * (chosen - logits.softmax(0)),
        "one softmax runs over the options of all genes together":
            ahead * (chosen - logits.flatten().softmax(0).view_as(p)),
        "what was chosen rises, but nothing else sinks: the gradient of log p is one-hot minus p": ahead * chosen,
        "only the logit of the chosen option moves": ahead * chosen * slope,
        "log p itself is taken, not its gradient": ahead * p.log(),
        "this is the mean over the genes; their gradients are not divided": ahead * slope / genes,
    }  # fmt: skip


@check("moves the logits by (reward - baseline) times the slope of log p", points=3, effects=True)
def steps(work: Any, rng: Random) -> None:
    for turn, (genes, options) in enumerate(SIZES):
        logits, choices = _logits(rng, genes, options), [rng.randrange(options) for _ in range(genes)]
        baseline, rate, decay = (round(rng.uniform(*ends), 2) for ends in ((0.2, 0.8), (0.2, 0.7), (0.6, 0.9)))
        reward = round(baseline + (-1) ** turn * rng.uniform(0.3, 0.9), 2)
        case = f"logits {_rounded(logits)}, choices {choices}, reward {reward}, baseline {baseline}, rate {rate}"
        right, slips = _moves(logits, choices, reward, baseline, decay)
        told = {slip: logits + rate * move for slip, move in slips.items()}
        told["the rate is forgotten"] = logits + right
        told["this is the step alone; the logits after it are asked for"] = rate * right
        handed = logits.clone()
        got, _ = _moved(work.update(handed, list(choices), reward, baseline, rate, decay), case)
        same(got, logits + rate * right, case, "the new logits", told)
        if not torch.equal(handed.detach(), logits):
            slip = "+= changes the caller's tensor; make a new one"
            raise Wrong("the logits that were handed in have changed", case, slip)


@check("moves the baseline by a decaying average of the rewards", points=2)
def baselines(work: Any, rng: Random) -> None:
    for _ in range(3):
        logits, choices = _logits(rng, 2, 3), [rng.randrange(3) for _ in range(2)]
        between = ((0.5, 0.9), (0.1, 0.4), (0.2, 0.7), (0.6, 0.9))
        old, reward, rate, decay = (round(rng.uniform(*ends), 2) for ends in between)
        case = f"reward {reward}, baseline {old}, decay {decay}"
        slips = {
            "the baseline stays where it is, and the policy never learns what is usual": old,
            "decay and 1 - decay have changed places": (1 - decay) * old + decay * reward,
            "the average is one of rewards, not of rewards less the baseline":
                decay * old + (1 - decay) * (reward - old),
            "the new baseline is the last reward alone": reward,
            "the reward is added with its full weight, so that the baseline grows": decay * old + reward,
            "the plain mean of both is taken, whatever the decay": (old + reward) / 2,
        }  # fmt: skip
        _, new = _moved(work.update(logits.clone(), list(choices), reward, old, rate, decay), case)
        same(new, decay * old + (1 - decay) * reward, case, "the new baseline", slips)
        case = f"reward {reward}, baseline None, decay {decay}, logits {_rounded(logits)}"
        got, new = _moved(work.update(logits.clone(), list(choices), reward, None, rate, decay), case)
        right, _ = _moves(logits, choices, reward, 0.0, decay)
        zero = "at the first step the reward is the baseline; with 0 in its place whatever comes first is praised"
        same(got, logits, case, "the new logits", {zero: logits + rate * right})
        same(new, reward, case, "the new baseline", {zero: (1 - decay) * reward})


@check("climbs the expected reward on average", needs=(steps,))
def climbs(work: Any, rng: Random) -> None:
    """The oracle is the gradient of sum p(a) r(a), and knows nothing of log p."""
    for genes, options in SIZES[:3]:
        logits = _logits(rng, genes, options).requires_grad_()
        every = list(product(range(options), repeat=genes))
        rewards = {choices: round(rng.random(), 2) for choices in every}
        likely = lambda at, choices: torch.stack([at.softmax(1)[g, c] for g, c in enumerate(choices)]).prod()  # noqa: E731
        (right,) = torch.autograd.grad(sum(likely(logits, a) * r for a, r in rewards.items()), logits)
        start, mean = logits.detach(), torch.zeros_like(right)
        case = f"logits {_rounded(start)}, rewards {list(rewards.values())} of all {len(every)} architectures"
        for choices, reward in rewards.items():
            got, _ = _moved(work.update(start.clone(), list(choices), reward, 0.4, 0.5, 0.9), case)
            mean += likely(start, choices) * (_tensor(got, start, case) - start) / 0.5
        same(mean, right, case, "the mean of (new logits - logits) / rate", tolerance=1e-5)


def _tensor(got: Any, old: Tensor, case: str) -> Tensor:
    """`got` as new logits in the place of the old ones."""
    try:
        found = torch.as_tensor(got).detach().to_dense().double()
    except (TypeError, ValueError, RuntimeError):
        raise Wrong("the new logits are no numbers", case) from None
    if found.shape != old.shape:
        raise Wrong(f"the new logits have shape {tuple(found.shape)}, expected {tuple(old.shape)}", case)
    return found


@check("stays finite where logits and rewards are large", needs=(draws, steps))
def steady(work: Any, rng: Random) -> None:
    slip = "exp overflows, or nothing is left to divide by; torch has a softmax that is steady"
    for size in (900.0, -900.0, 1e6):
        likely = [rng.randrange(3) for _ in range(2)]
        logits = _logits(rng, 2, 3) + size
        for gene, option in enumerate(likely):
            logits[gene, option] += 60.0  # the others have a probability of e^-60
        case = f"logits of about {size:.0f}, those of the options {likely} 60 higher"
        choices = _choices(work.draw(logits.clone(), Random(rng.random())), logits, case)
        if choices != likely:
            raise Wrong(f"{choices} was drawn", case, slip)
        other = [(option + 1) % 3 for option in likely]
        got, _ = _moved(work.update(logits.clone(), list(other), 1e6, -1e6, 0.5, 0.9), case)
        if overflows(got):
            raise Wrong("the new logits are not finite", f"{case}, reward 1e6", slip)
        right, _ = _moves(logits, other, 1e6, -1e6, 0.9)
        same(got, logits + 0.5 * right, f"{case}, reward 1e6, baseline -1e6", "the new logits")


def _course(work: Any, reward_of: Callable[[int], float], source: Random, case: str) -> tuple[list[int], Tensor]:
    """The options drawn, step by step, and the logits at the end."""
    logits, baseline, drawn = torch.zeros(1, 2, dtype=torch.float64), None, []
    for _ in range(STEPS):
        (choice,) = _choices(work.draw(logits, source), logits, case)
        drawn.append(choice)
        got, baseline = _moved(work.update(logits, [choice], reward_of(choice), baseline, 0.3, 0.9), case)
        logits = _tensor(got, logits, case)
    return drawn, logits


@check("learns which option is rewarded, and nothing where all are alike", needs=(draws, steps, baselines))
def learns(work: Any, rng: Random) -> None:
    for better in (0, 1):
        case = f"{STEPS} steps, reward 1 for option {better}, else 0"
        drawn, _ = _course(work, lambda choice, better=better: float(choice == better), Random(rng.random()), case)
        share = drawn[-LAST:].count(better) / LAST
        if not share > SHARE:
            raise Wrong(f"option {better} is {share:.0%} of the last {LAST} draws", case, "the policy does not learn")
    reward = round(rng.uniform(0.5, 0.9), 2)
    case = f"{STEPS} steps, the reward is always {reward}"
    _, logits = _course(work, lambda choice: reward, Random(rng.random()), case)
    same(logits, torch.zeros(1, 2), case, "the logits at the end", tolerance=1e-3)


@check("takes all chance from rng", needs=(draws,))
def repeatable(work: Any, rng: Random) -> None:
    logits, seed = torch.zeros(6, 4, dtype=torch.float64), rng.random()
    case = "6 genes with 4 options alike, twice from Random(seed)"
    courses = []
    for _ in range(2):
        source = Random(seed)
        courses.append([_choices(work.draw(logits, source), logits, case) for _ in range(4)])
    if courses[0] != courses[1]:
        slip = "neither random.choices nor torch.multinomial knows rng: only with rng can a search be repeated"
        raise Wrong("the same seed gave two different courses", case, slip)


EXERCISE = Exercise(
    id="17-reinforce",
    title="A policy that learns from rewards",
    lesson="17_all_strategies",
    defines=("draw", "update"),
    minutes=25,
    difficulty=3,
    why="It climbs the mean of a reward that has no gradient: a word error rate, a latency, a price.",
    hints=(
        "The reward has no slope. Which other factor of the sum of p(a) r(a) over all architectures has one? And how "
        "does p times something else become the slope of p?",
        "draw: softmax along the options, then one draw from rng for each gene. update: the slope of log softmax is "
        "one-hot minus softmax; times reward minus the old baseline, times the rate, added to the logits. Then move "
        "the baseline.",
        "chosen = one_hot(torch.tensor(choices), logits.shape[1]) and p = logits.softmax(1). rng.choices takes "
        "weights. The new baseline is decay * baseline + (1 - decay) * reward.",
    ),
    checks=(draws, steps, baselines, climbs, steady, learns, repeatable),
)
