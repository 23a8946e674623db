"""Estimates with confidence intervals, and their differences and means.

Samples of all runs come from the same noises, so the errors of their estimates are correlated. Every estimate therefore
keeps its values without each of GROUPS groups of noises (a delete-a-group jackknife, Kott 2001), from which the
interval of a difference of two runs, or a mean over several, accounts for the correlation.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from steadyflow.ground.artifacts import UserError
from steadyflow.ground.constants import LEAST_SAMPLES

GROUPS = LEAST_SAMPLES // 2
_NORMAL = 1.959964


@dataclass(frozen=True)
class Estimate:
    """`value` and its 95% interval [`ci_low`, `ci_high`]; which uncertainty it covers is stated where it is computed.

    replicates: the values without each group of noises, () if not computed
    degrees: of freedom of the Student's t that the interval is of; infinite for a normal, or if not known
    """

    value: float
    ci_low: float
    ci_high: float
    replicates: tuple[float, ...] = ()
    degrees: float = math.inf


def groups_of(indices: np.ndarray, num_classes: int = 1, groups: int = GROUPS) -> np.ndarray:
    """The group 0..groups-1 of each item, int64 [n], a function of the index of its noise, `indices` int64 [n].

    Sample i of a conditional run has label i modulo `num_classes`. Indices modulo `groups` would be groups of classes
    where the two numbers have a common divisor, so they move on by one after each common multiple: as many samples of a
    class in a row as there are groups are in all of them, and the sizes of groups differ by 1 at most. To leave out a
    group then leaves the shares of classes as they are, and differences between classes, which another draw of noises
    would not change, do not enter the interval. With fewer samples a class than groups they do in part, and the
    interval is too wide.
    """
    indices, multiple = np.asarray(indices), math.lcm(num_classes, groups)
    return (indices + indices // multiple % math.gcd(num_classes, groups)) % groups


def on_scale(scale: Callable[[float], float], estimate: Estimate) -> Estimate:
    """`scale` of an estimate and of its replicates, with the jackknife interval on that scale.

    For comparisons on a scale on which the spread does not depend on the level, such as the logarithm.
    """
    return jackknifed(scale(estimate.value), [scale(replicate) for replicate in estimate.replicates])


def jackknifed(value: float, replicates: Sequence[float]) -> Estimate:
    """`value` with the jackknife interval of its `replicates`, one per group: Student's t with GROUPS - 1 degrees of
    freedom."""
    return contrast([Estimate(value, value, value, tuple(map(float, replicates)))])


@dataclass(frozen=True)
class BetweenRuns:
    """The variance of a measure between runs that differ only in their seeds.

    variance: of one run about the mean of its arm, with `degrees` of freedom
    of_noises: the part of it that is due to the noises
    """

    variance: float
    of_noises: float
    degrees: int


def between_runs(arms: Sequence[Sequence[Estimate]]) -> BetweenRuns | None:
    """The variance between runs, pooled over all `arms` with several runs; None if there are none."""
    repeated = [arm for arm in arms if len(arm) > 1]
    degrees = sum(len(arm) - 1 for arm in repeated)
    if not degrees:
        return None
    squares = sum(float(np.var([e.value for e in arm])) * len(arm) for arm in repeated)
    tables = [_replicates(arm) for arm in repeated]
    of_noises = sum(_jackknife_variance(row - table.mean(axis=0)) for table in tables for row in table)
    return BetweenRuns(squares / degrees, of_noises / degrees, degrees)


def contrast(plus: Sequence[Estimate], minus: Sequence[Estimate] = (), between: BetweenRuns | None = None) -> Estimate:
    """The mean of the estimates `plus` minus that of `minus`, each an arm of runs that differ only in their seeds.

    The variance of an arm of R runs with shared noises is that due to the noises (jackknife of the mean over runs) plus
    that between runs, without the part due to the noises, over R (a two-way jackknife; Owen, 2007). The quantile is
    Student's t with Satterthwaite's degrees of freedom. `between` is estimated from these arms by default; if it is not
    given and each arm has one run, the interval covers the sampling of noises only, and not the training.

    Raises UserError if an estimate has no replicates.
    """
    arms = [(1, plus), (-1, minus)] if minus else [(1, plus)]
    replicates = np.sum([sign * _replicates(arm).mean(axis=0) for sign, arm in arms], axis=0)
    value = sum(sign * float(np.mean([estimate.value for estimate in arm])) for sign, arm in arms)
    variance = of_noises = _jackknife_variance(replicates)
    spread = of_noises**2 / (GROUPS - 1)
    if between := between or between_runs([plus, minus]):
        share = sum(1 / len(arm) for _, arm in arms)
        variance += max(between.variance - between.of_noises, 0.0) * share
        spread += (between.variance * share) ** 2 / between.degrees
    degrees = float(variance**2 / spread) if spread else math.inf
    margin = float(stats.t.ppf(0.975, degrees) * np.sqrt(variance))
    return Estimate(value, value - margin, value + margin, tuple(replicates.tolist()), degrees)


def mean_over_runs(runs: Sequence[Estimate]) -> Estimate:
    """The mean over runs of several seeds; the interval covers trainings and noises."""
    return contrast(runs)


def difference(a: Estimate, b: Estimate) -> Estimate:
    """`a` minus `b`, for two runs whose samples share their noises."""
    return contrast([a], [b])


def at_least(lowest: float, estimate: Estimate) -> Estimate:
    """`estimate` with its interval cut at `lowest`, the lower limit of the measure."""
    return replace(estimate, ci_low=max(estimate.ci_low, lowest), ci_high=max(estimate.ci_high, lowest))


def mean_with_interval(values: np.ndarray, groups: np.ndarray | None = None) -> Estimate:
    """The mean of `values` [n], n >= 2, with its interval.

    `groups` int64 [n] are those of the samples' noises (`groups_of`); the interval is the jackknife's over them if each
    has items and n >= 2 GROUPS. Otherwise, and of items without noises (None), it is Student's of independent items; of
    these the replicates are by index modulo GROUPS.
    """
    n, mean = len(values), float(values.mean())
    margin = float(stats.t.ppf(0.975, n - 1) * values.std(ddof=1) / n**0.5)
    by_index = groups_of(np.arange(n)) if groups is None else groups
    counts = _group_sizes(by_index)
    if not counts.all() or n < 2 * GROUPS:
        return Estimate(mean, mean - margin, mean + margin, degrees=n - 1)
    without = tuple(((values.sum() - np.bincount(by_index, values, minlength=GROUPS)) / (n - counts)).tolist())
    if groups is None:
        return Estimate(mean, mean - margin, mean + margin, without, n - 1)
    return jackknifed(mean, without)


def proportion_with_interval(hits: int, n: int) -> Estimate:
    """The proportion `hits` / `n` of independent items, with Wilson's interval."""
    return Estimate(hits / n, *wilson_interval(hits / n, n))


def wilson_interval(share: float, n: float, quantile: float = _NORMAL) -> tuple[float, float]:
    """Wilson's interval (1927) of a proportion `share` of n independent items, for a `quantile` of the normal."""
    square = quantile**2
    centre = (share + square / (2 * n)) / (1 + square / n)
    margin = quantile / (1 + square / n) * (share * (1 - share) / n + square / (4 * n**2)) ** 0.5
    # Without rounding errors the interval includes `share` and lies in [0, 1].
    return max(min(centre - margin, share), 0.0), min(max(centre + margin, share), 1.0)


def generator(seed: int) -> np.random.Generator:
    """The random generator for resampling."""
    return np.random.Generator(np.random.Philox(key=seed))


def resampling_weights(rng: np.random.Generator, n: int, repeats: int) -> np.ndarray:
    """Multiplicities of n items in bootstrap resamples, float64 [repeats, n]; every row sums to n."""
    return rng.multinomial(n, np.full(n, 1 / n), size=repeats).astype(np.float64)


def percentile_interval(draws: np.ndarray) -> tuple[float, float]:
    """The central 95% of bootstrap `draws` [repeats]."""
    low, high = np.quantile(draws, (0.025, 0.975))
    return float(low), float(high)


def _group_sizes(groups: np.ndarray) -> np.ndarray:
    """int64 [GROUPS]"""
    counts = np.bincount(groups, minlength=GROUPS)
    if len(counts) > GROUPS:
        raise ValueError(f"groups are 0..{GROUPS - 1}, not up to {len(counts) - 1}: give groups_of(indices)")
    return counts


def _replicates(arm: Sequence[Estimate]) -> np.ndarray:
    """[runs, GROUPS]"""
    if any(len(estimate.replicates) != GROUPS for estimate in arm):
        raise UserError(
            f"estimates without their values for {GROUPS} groups of noises cannot be compared; measure them again"
        )
    return np.array([estimate.replicates for estimate in arm])


def _jackknife_variance(replicates: np.ndarray) -> float:
    return float((GROUPS - 1) / GROUPS * np.square(replicates - replicates.mean()).sum())
