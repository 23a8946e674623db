"""Frechet distance between Gaussians fitted to features (Heusel et al., 2017)."""

from dataclasses import dataclass

import numpy as np

from steadyflow.evaluate.estimate import GROUPS, Estimate, at_least, groups_of, jackknifed
from steadyflow.evaluate.rows import Rows, finite_rows, noise_indices
from steadyflow.ground.artifacts import UserError


@dataclass(frozen=True)
class FeatureStatistics:
    """`n` samples, their `mean` float64 [d] and unbiased covariance `cov` float64 [d, d]."""

    n: int
    mean: np.ndarray
    cov: np.ndarray


def feature_statistics(features: Rows, chunk: int = 4096) -> FeatureStatistics:
    """Mean and covariance of `features` [n, d] in float64, reading `chunk` rows at a time (of a memory map, say).

    Raises UserError when n < 2 or a feature is not finite.
    """
    if len(features) < 2:
        raise UserError(f"a covariance needs at least 2 samples, got {len(features)}")
    dimension = features.shape[1]
    statistics = FeatureStatistics(0, np.zeros(dimension), np.zeros((dimension, dimension)))
    for start in range(0, len(features), chunk):
        statistics = merge_statistics(statistics, _chunk_statistics(features[start : start + chunk]))
    return statistics


def merge_statistics(a: FeatureStatistics, b: FeatureStatistics) -> FeatureStatistics:
    """The statistics of both sets together (Chan et al., 1979), for chunks and for ranks.

    Raises UserError when their dimensions differ.
    """
    _check_dimensions(a.mean, b.mean)
    n, shift = a.n + b.n, b.mean - a.mean
    scatter = _scatter(a) + _scatter(b) + np.outer(shift, shift * (a.n * b.n / n))
    return FeatureStatistics(n, a.mean + shift * (b.n / n), scatter / max(n - 1, 1))


def frechet_distance(mean1: np.ndarray, cov1: np.ndarray, mean2: np.ndarray, cov2: np.ndarray) -> float:
    """|mean1 - mean2|^2 + tr(cov1 + cov2 - 2 (cov1 cov2)^(1/2)), at least 0.

    With cov1 = V D V', the trace of the root is the sum of the roots of the eigenvalues of the symmetric matrix
    D^(1/2) V' cov2 V D^(1/2): real, stable for singular covariances, and faster than a general matrix root.
    Means are [d], covariances [d, d]. Raises UserError when shapes differ or a number is not finite.
    """
    for given in (mean1, cov1, mean2, cov2):
        finite_rows("Frechet statistics", given)
    _check_dimensions(mean1, mean2)
    _check_dimensions(cov1, cov2)
    return _distance(mean1, cov1, _root(cov1), mean2, cov2)


def frechet_with_interval(features: Rows, reference: FeatureStatistics) -> Estimate:
    """The Frechet distance of `features` [n, d] to `reference`, with a delete-a-group jackknife interval, cut at 0.

    It shows the sampling error of the generated set alone: neither that of training nor of the reference, nor the bias
    at finite n (about (d + d(d+1)/4)/n for equal Gaussians), for which distances at different n must never be compared.
    Raises UserError when n < 2 GROUPS or dimensions differ, or a feature is not finite.
    """
    return at_least(0.0, jackknifed(*_with_replicates(features, reference)))


def frechet_infinity(distance: Estimate) -> Estimate:
    """The Frechet distance at infinitely many samples, from that of n with its interval and replicates.

    The bias at finite n is linear in 1/n (Chong and Forsyth, 2020). They extrapolate along a regression on the
    distances of random parts; here the line goes through n and n (1 - 1/GROUPS), the mean over all groups (the
    jackknife's own bias correction), which has less bias and less variance (`tests/unit/test_evaluate_frechet.py`), and
    costs nothing. The bias of the finite reference stays. Cut at 0.
    """
    moved = (GROUPS - 1) * (distance.value - float(np.mean(distance.replicates)))
    return at_least(0.0, Estimate(distance.value + moved, distance.ci_low + moved, distance.ci_high + moved))


def _with_replicates(features: Rows, reference: FeatureStatistics) -> tuple[float, list[float]]:
    groups = groups_of(noise_indices(features))
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
    """`merge_statistics` backwards: what is left of `whole` without `part`."""
    n = whole.n - part.n
    mean = whole.mean + (whole.mean - part.mean) * (part.n / n)
    shift = part.mean - mean
    scatter = _scatter(whole) - _scatter(part) - np.outer(shift, shift * (n * part.n / whole.n))
    return FeatureStatistics(n, mean, scatter / (n - 1))


def _scatter(statistics: FeatureStatistics) -> np.ndarray:
    return statistics.cov * max(statistics.n - 1, 0)


def _root(cov: np.ndarray) -> np.ndarray:
    """A matrix R with R R' = cov [d, d]: Cholesky's, or of a singular covariance V D^(1/2)."""
    try:
        return np.linalg.cholesky(cov)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(cov)
    return vectors * np.sqrt(np.clip(values, 0, None))


def _distance(mean1: np.ndarray, cov1: np.ndarray, root1: np.ndarray, mean2: np.ndarray, cov2: np.ndarray) -> float:
    # Rounding leaves eigenvalues and the distance of equal sets a little below zero.
    between = np.linalg.eigvalsh(root1.T @ cov2 @ root1)
    spread = np.trace(cov1) + np.trace(cov2) - 2 * np.sqrt(np.clip(between, 0, None)).sum()
    return max(float(np.square(mean1 - mean2).sum() + spread), 0.0)


def _check_dimensions(a: np.ndarray, b: np.ndarray) -> None:
    if a.shape != b.shape:
        raise UserError(f"features of {a.shape[-1]} and {b.shape[-1]} dimensions cannot be compared; use one encoder")
