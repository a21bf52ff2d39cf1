"""Tell a shift of latency from noise: Page's cumulative sum of clipped log latencies.

The chart is CUSUM (E. S. Page, *Continuous Inspection Schemes*, Biometrika 1954), two-sided. Each latency gives a score
y = log(latency / reference), clipped so that no call counts for more than one of twice or half the usual time (P.
Huber, *A Robust Version of the Probability Ratio Test*, 1965: clipping is the best answer to unknown tails), less its
mean over the baseline. Upwards

    S_t = max(0, S_(t-1) + y_t - k),    an alarm where S_t > h;

downwards the same with -y. S stays near 0 as long as nothing changes, and begins to climb where something did: the last
time that it was 0 tells since when.

k, the allowance, is half the smallest change that counts: what stays below is never added up. h, the threshold, comes
from the baseline. Let r be the root of mean(exp(r (y - k))) = 1 (Lundberg's exponent). Then r (y - k) is the logarithm
of a likelihood ratio, and on average at least exp(r h) samples pass before a false alarm (G. Lorden, *Procedures for
Reacting to a Change in Distribution*, Annals of Mathematical Statistics 1971). Three things are put on top: r is
divided by how much neighbouring calls move together (the integrated autocorrelation), k is taken smaller by one
standard error of the baseline's mean, and h is so large that a lone burst of `BURST` slow calls stays below it.

Scores are whole numbers of 2^-20, so that sums are exact: any way of cutting the samples into pieces gives the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ...errors import BadInput

SMALLEST = 0.10  # relative change of latency that must be found
CLIP = math.log(2.0)
BURST = 6  # calls in a row that take twice as long or more, without an alarm
AIM = 3e5  # samples between false alarms on one side, by the bound; two sides then stay under one in 100,000
LAGS = 20  # neighbours looked at for autocorrelation
UNIT = 2.0**-20
FEWEST = 100  # timings from which a reference can be made


def cusum(steps: np.ndarray, start: float = 0) -> np.ndarray:
    """S_t = max(0, S_(t-1) + steps_t) of all steps (n,), without a loop; `start` is S before the first."""
    sums = start + np.cumsum(steps)
    return sums - np.minimum(np.minimum.accumulate(sums), 0)


def lundberg(steps: np.ndarray) -> float:
    """The root r > 0 of mean(exp(r * steps)) = 1; infinite where no step is above 0. Their mean must be below 0."""
    from scipy.optimize import brentq
    from scipy.special import logsumexp

    if not steps.mean() < 0:
        raise BadInput("the steps' mean must be below 0, else their sum climbs by itself")
    if steps.max() <= 0:
        return math.inf
    log_mean = lambda r: logsumexp(r * steps) - math.log(len(steps))  # noqa: E731  convex, 0 and falling at r = 0
    high = 1.0 / steps.max()
    while log_mean(high) <= 0:
        high *= 2
    low = high / 2
    while log_mean(low) >= 0:
        low /= 2
    return float(brentq(log_mean, low, high))


def togetherness(scores: np.ndarray) -> float:
    """The integrated autocorrelation, 1 for independent scores: how much wider their mean strays than it would alone.

    Bartlett's weights over `LAGS` neighbours; never below 1.
    """
    y = scores - scores.mean()
    power = float(y @ y)
    if power == 0:
        return 1.0
    lags = range(1, min(LAGS, len(y) - 1) + 1)
    return max(1.0, 1 + 2 * sum((1 - lag / (LAGS + 1)) * float(y[:-lag] @ y[lag:]) / power for lag in lags))


def median_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """An interval of at least `level` for the median of what gave `values` (n,), whatever its distribution.

    Order statistics by the binomial law (W. Conover, *Practical Nonparametric Statistics*, 3.2). With fewer than 6
    values, from the least to the largest, which is less than 95%.
    """
    from scipy.stats import binom

    ordered = np.sort(values)
    place = max(int(binom.ppf((1 - level) / 2, len(ordered), 0.5)), 1)
    return float(ordered[place - 1]), float(ordered[-place])


@dataclass(frozen=True)
class Reference:
    """What latencies are compared with. All but `median_ms` and `count` in units of 2^-20 of log latency.

    margin: the standard error of `centre`, which the threshold allows for. low_ms, high_ms: 95% interval of the median.
    """

    median_ms: float
    count: int
    centre: int
    allowance: int
    threshold: int
    margin: int
    low_ms: float
    high_ms: float

    @classmethod
    def of(cls, latencies_ms: np.ndarray, smallest: float = SMALLEST) -> Reference:
        """From a baseline (n,). `smallest`: the relative change that must be found, such as 0.1.

        Raises BadInput for fewer than `FEWEST` timings.
        """
        latencies_ms = np.asarray(latencies_ms, dtype=float)
        if len(latencies_ms) < FEWEST:
            raise BadInput(f"{len(latencies_ms)} timings are too few to compare with: take {FEWEST} or more, best 500")
        if not 0.01 <= smallest <= 0.5:
            raise BadInput(f"the smallest change that counts is {smallest:.1%}: give 1% to 50%")
        median, half = float(np.median(latencies_ms)), math.log1p(smallest) / 2
        raw = np.clip(np.log(latencies_ms / median), -CLIP, CLIP)
        together = togetherness(raw)
        margin = float(raw.std()) * math.sqrt(together / len(raw))
        steps = raw - raw.mean()
        safe = max(half - margin, half / 4)  # below half / 4 `noisy` says so
        rate = min(lundberg(steps - safe), lundberg(-steps - safe)) / together
        threshold = max(math.log(AIM) / rate, BURST * (CLIP + abs(raw.mean()) - half))
        whole = (round(value / UNIT) for value in (raw.mean(), half, threshold, margin))
        return cls(median, len(raw), *whole, *median_interval(latencies_ms))

    @property
    def noisy(self) -> bool:
        """Whether the baseline strays so much that its own error is near the smallest change."""
        return 2 * self.margin > self.allowance

    @property
    def half(self) -> float:
        """The allowance as a relative change: a level that moved by less is the same level."""
        return math.expm1(self.allowance * UNIT)

    @property
    def delay(self) -> float:
        """Samples until a lasting change of the smallest size is found, on average, estimated: h / k."""
        return self.threshold / self.allowance

    def scores(self, latencies_ms: np.ndarray) -> np.ndarray:
        """Clipped log latencies (n,) less their mean over the baseline, whole numbers of 2^-20."""
        clipped = np.clip(np.log(latencies_ms / self.median_ms), -CLIP, CLIP)
        return np.rint(clipped / UNIT).astype(np.int64) - self.centre
