"""How much samples vary, beside real images."""

from typing import Any

import numpy as np

from steadyflow.evaluate.estimate import GROUPS, Estimate, jackknifed
from steadyflow.evaluate.frechet import FeatureStatistics
from steadyflow.evaluate.rows import Rows, finite_rows, noise_groups, parts
from steadyflow.ground.artifacts import UserError


def diversity(features: Rows, reference: FeatureStatistics, chunk: int = 4096) -> Estimate:
    """The trace of the covariance of samples' `features` [n, d], over that of the `reference`: 1 where samples vary as
    much as real images, near 0 where they are alike.

    The interval is a delete-a-group jackknife over samples on a log scale, given the reference. Raises UserError if
    there are fewer than 2 GROUPS samples, dimensions differ, a feature is not finite, or the reference does not vary.
    """
    spread = float(np.trace(reference.cov))
    if features.shape[1:] != reference.mean.shape or not spread:
        raise UserError(
            f"features of shape {list(features.shape)} beside a reference of {len(reference.mean)} dimensions and "
            f"total variance {spread:g}: take both from one encoder, and a reference of different images"
        )
    groups = noise_groups(features)
    counts = np.bincount(groups, minlength=GROUPS)
    if len(features) < 2 * GROUPS or not counts.all():
        raise UserError(
            f"a jackknife over {GROUPS} groups needs at least {2 * GROUPS} samples, some in each, got {len(features)}"
        )
    sums, squares = np.zeros((GROUPS, features.shape[1])), np.zeros(GROUPS)
    for part in parts(len(features), chunk):
        # From the reference's mean, so that a large common mean does not round the variance away.
        rows = finite_rows("features", features[part]) - reference.mean
        np.add.at(sums, groups[part], rows)
        squares += np.bincount(groups[part], np.square(rows).sum(axis=1), minlength=GROUPS)

    def variance(n: Any, total: np.ndarray, square: np.ndarray) -> np.ndarray:
        return (square - np.square(total).sum(axis=-1) / n) / (n - 1) / spread

    whole = variance(counts.sum(), sums.sum(axis=0), squares.sum())
    without = variance(counts.sum() - counts, sums.sum(axis=0) - sums, squares.sum() - squares)
    if not whole or not without.all():
        return Estimate(float(whole), float("nan"), float("nan"), tuple(without.tolist()))
    logarithm = jackknifed(float(np.log(whole)), np.log(without).tolist())
    low, high = np.exp([logarithm.ci_low, logarithm.ci_high])
    return Estimate(float(whole), float(low), float(high), tuple(without.tolist()))
