"""A number with its interval, and the bootstrap that makes one."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Estimate:
    """`value` and its 95% interval [`ci_low`, `ci_high`]; the function that returns it says which uncertainty."""

    value: float
    ci_low: float
    ci_high: float


def mean_with_interval(values: np.ndarray) -> Estimate:
    """The mean of `values` [n], n >= 2, of independent items; the interval is the normal one of their sampling."""
    mean, margin = float(values.mean()), 1.959964 * float(values.std(ddof=1)) / len(values) ** 0.5
    return Estimate(mean, mean - margin, mean + margin)


def share_with_interval(hits: np.ndarray) -> Estimate:
    """The share of `hits` bool [n] of independent items; the interval is Wilson's of their sampling."""
    share = float(hits.mean())
    return Estimate(share, *wilson_interval(share, len(hits)))


def wilson_interval(share: float, n: float, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's score interval (1927) of a `share` of n independent items, `z` standard errors to each side."""
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    margin = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    return max(min(centre - margin, share), 0.0), min(max(centre + margin, share), 1.0)


def generator(seed: int) -> np.random.Generator:
    """The generator behind every bootstrap."""
    return np.random.Generator(np.random.Philox(key=seed))


def resampling_weights(rng: np.random.Generator, n: int, repeats: int) -> np.ndarray:
    """How often each of n items enters each resample, float64 [repeats, n]; every row sums to n."""
    return rng.multinomial(n, np.full(n, 1 / n), size=repeats).astype(np.float64)


def percentile_interval(draws: np.ndarray) -> tuple[float, float]:
    """The central 95% of bootstrap `draws` [repeats]."""
    low, high = np.quantile(draws, (0.025, 0.975))
    return float(low), float(high)
