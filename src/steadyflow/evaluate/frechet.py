"""Frechet distance between Gaussians fitted to features (Heusel et al., 2017)."""

from dataclasses import dataclass

import numpy as np

from steadyflow.evaluate.estimate import GROUPS, Estimate, at_least, jackknifed
from steadyflow.evaluate.rows import Rows, finite_rows, noise_groups
from steadyflow.ground.artifacts import UserError


@dataclass(frozen=True)
class FeatureStatistics:
    """The number `n` of samples, their `mean` float64 [d] and unbiased covariance `cov` float64 [d, d]."""

    n: int
    mean: np.ndarray
    cov: np.ndarray


def feature_statistics(features: Rows, chunk: int = 4096) -> FeatureStatistics:
    """Mean and covariance of `features` [n, d] in float64, read `chunk` rows at a time.

    Raises UserError if n < 2 or a feature is not finite.
    """
    if len(features) < 2:
        raise UserError(f"a covariance needs at least 2 samples, got {len(features)}")
    dimension = features.shape[1]
    statistics = FeatureStatistics(0, np.zeros(dimension), np.zeros((dimension, dimension)))
    for start in range(0, len(features), chunk):
        statistics = merge_statistics(statistics, _chunk_statistics(features[start : start + chunk]))
    return statistics


def merge_statistics(a: FeatureStatistics, b: FeatureStatistics) -> FeatureStatistics:
    """The statistics of the union of two sets (Chan et al., 1979). Raises UserError if their dimensions differ."""
    _check_dimensions(a.mean, b.mean)
    n, shift = a.n + b.n, b.mean - a.mean
    scatter = _scatter(a) + _scatter(b) + np.outer(shift, shift * (a.n * b.n / n))
    return FeatureStatistics(n, a.mean + shift * (b.n / n), scatter / max(n - 1, 1))


def frechet_distance(mean1: np.ndarray, cov1: np.ndarray, mean2: np.ndarray, cov2: np.ndarray) -> float:
    """|mean1 - mean2|^2 + tr(cov1 + cov2 - 2 (cov1 cov2)^(1/2)), at least 0.

    With cov1 = R R', the trace of the root is the sum of the square roots of the eigenvalues of the symmetric matrix
    R' cov2 R, which is real, stable for singular covariances, and faster than a general matrix square root.
    Means are [d], covariances [d, d]. Raises UserError if shapes differ or a number is not finite.
    """
    for given in (mean1, cov1, mean2, cov2):
        finite_rows("Frechet statistics", given)
    _check_dimensions(mean1, mean2)
    _check_dimensions(cov1, cov2)
    return _distance(mean1, cov1, _root(cov1), mean2, cov2)


def frechet_with_interval(features: Rows, reference: FeatureStatistics) -> Estimate:
    """The Frechet distance of `features` [n, d] to `reference`, with a delete-a-group jackknife interval, cut at 0.

    It covers the sampling of the generated set only: neither that of training or reference, nor the bias at finite n
    (about (d + d(d+1)/4)/n for equal Gaussians), because of which distances at different n must not be compared.
    Raises UserError if n < 2 GROUPS, dimensions differ, or a feature is not finite.
    """
    return at_least(0.0, jackknifed(*_with_replicates(features, reference)))


def frechet_infinity(distance: Estimate, n: int, dimensions: int) -> Estimate:
    """The Frechet distance extrapolated to infinitely many samples, from the estimate at `n` with its replicates.

    The bias at finite n is linear in 1/n. Chong and Forsyth (2020) extrapolate by a regression on the distances of
    random subsets; here the line is through n and the mean of the replicates at n (1 - 1/GROUPS), the jackknife's bias
    correction, which has less bias and variance (see its tests) at no cost. The bias of the finite reference remains.
    Cut at 0; the interval is NaN below `samples_per_dimension_for_infinity`.
    """
    moved = (GROUPS - 1) * (distance.value - float(np.mean(distance.replicates)))
    if n < dimensions * samples_per_dimension_for_infinity(dimensions):
        return Estimate(max(distance.value + moved, 0.0), np.nan, np.nan)
    return at_least(0.0, Estimate(distance.value + moved, distance.ci_low + moved, distance.ci_high + moved))


def samples_per_dimension_for_infinity(dimensions: int) -> float:
    """How many times as many samples as dimensions d the interval of `frechet_infinity` takes: max(4, (d/8)^(3/4)).

    The extrapolation leaves a bias of order d (d/n)^2, which in units of the interval's width grows as d (d/n)^(4/3):
    so not at a ratio n/d, but at one that grows as d^(3/4), is it small enough. The factor is from simulations of
    isotropic Gaussians, d = 8 to 512, in which 93% of the intervals or more cover the truth from there on; at n = 2d it
    is 66% for d = 64 and 8% for d = 128. Features whose variance lies in few directions would do with less.
    """
    return max(4.0, (dimensions / 8) ** 0.75)


def relative_bias(dimensions: int, *counts: int) -> float:
    """The bias of the Frechet distance of sets of these `counts`, over the variance tr(C) of their features.

    Of equal Gaussians with C = I, to first order: (d + d(d+1)/4) sum 1/n / d. An upper bound if the variance lies in
    few directions.
    """
    return (1 + (dimensions + 1) / 4) * sum(1 / n for n in counts)


def _with_replicates(features: Rows, reference: FeatureStatistics) -> tuple[float, list[float]]:
    groups = noise_groups(features)
    if len(features) < 2 * GROUPS or len(np.unique(groups)) < GROUPS:
        raise UserError(
            f"a jackknife over {GROUPS} groups needs at least {2 * GROUPS} samples, some in each, got {len(features)}"
        )
    whole = feature_statistics(features)
    _check_dimensions(whole.mean, reference.mean)
    root = _root(reference.cov)

    def to_reference(statistics: FeatureStatistics) -> float:
        return _distance(reference.mean, reference.cov, root, statistics.mean, statistics.cov)

    parts = (feature_statistics(features[np.flatnonzero(groups == group)]) for group in range(GROUPS))
    return to_reference(whole), [to_reference(_removed(whole, part)) for part in parts]


def _chunk_statistics(features: np.ndarray) -> FeatureStatistics:
    rows = finite_rows("features", features)
    mean = rows.mean(axis=0)
    centred = rows - mean
    return FeatureStatistics(len(rows), mean, centred.T @ centred / max(len(rows) - 1, 1))


def _removed(whole: FeatureStatistics, part: FeatureStatistics) -> FeatureStatistics:
    """The inverse of `merge_statistics`: the statistics of `whole` without `part`."""
    n = whole.n - part.n
    mean = whole.mean + (whole.mean - part.mean) * (part.n / n)
    shift = part.mean - mean
    scatter = _scatter(whole) - _scatter(part) - np.outer(shift, shift * (n * part.n / whole.n))
    return FeatureStatistics(n, mean, scatter / (n - 1))


def _scatter(statistics: FeatureStatistics) -> np.ndarray:
    return statistics.cov * max(statistics.n - 1, 0)


def _root(cov: np.ndarray) -> np.ndarray:
    """A matrix R with R R' = cov [d, d]: the Cholesky factor, or V D^(1/2) if cov is singular."""
    try:
        return np.linalg.cholesky(cov)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(cov)
    return vectors * np.sqrt(np.clip(values, 0, None))


def _distance(mean1: np.ndarray, cov1: np.ndarray, root1: np.ndarray, mean2: np.ndarray, cov2: np.ndarray) -> float:
    # Rounding may make eigenvalues, and the distance of equal sets, slightly negative.
    between = np.linalg.eigvalsh(root1.T @ cov2 @ root1)
    spread = np.trace(cov1) + np.trace(cov2) - 2 * np.sqrt(np.clip(between, 0, None)).sum()
    return max(float(np.square(mean1 - mean2).sum() + spread), 0.0)


def _check_dimensions(a: np.ndarray, b: np.ndarray) -> None:
    if a.shape != b.shape:
        raise UserError(f"features of {a.shape[-1]} and {b.shape[-1]} dimensions cannot be compared; use one encoder")
