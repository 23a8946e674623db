"""Precision, recall, density and coverage, also clipped, of generated features, by balls up to the k-th nearest
neighbour."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from steadyflow.evaluate.clipped import (
    calibrated_coverage,
    clipped_density,
    clipped_squares,
    density_of_real,
    sample_parts,
)
from steadyflow.evaluate.distances import Pairs, Points, pairs_within, points, squared_distances, tiles
from steadyflow.evaluate.estimate import GROUPS, Estimate, mean_with_interval, proportion_with_interval, wilson_interval
from steadyflow.evaluate.knn import Candidates, nearest_among, nearest_in, squares_to_others
from steadyflow.evaluate.rows import Rows, chosen, noise_groups
from steadyflow.ground.artifacts import UserError

# Minimum size of a group of samples for intervals of coverage, in multiples of k + 1.
_GROUP_PER_NEIGHBOUR = 4


@dataclass(frozen=True)
class Manifold:
    """Real `points` [n], each with a ball to its k-th nearest neighbour.

    square: squared radii float64 [n] with `k`, for precision
    density_square: squared radii float64 [n] with `density_k`, for density and coverage
    clipped_density: mean of min(balls / density_k, 1) over the real points, with clipped balls of the others
    """

    points: Points
    k: int
    density_k: int
    square: np.ndarray
    density_square: np.ndarray
    clipped_density: float


@dataclass(frozen=True)
class ManifoldMetrics:
    """Fidelity and diversity of m generated samples relative to n real ones.

    precision: fraction of generated samples in the ball of any real one
    recall: fraction of real samples in the ball of any generated one
    f_score: their harmonic mean, 0 if both are 0
    density: mean number of real balls that contain a generated sample, over density_k; may exceed 1
    coverage: fraction of real balls that contain any generated sample
    clipped_density, clipped_coverage: share of generated samples that are as good, and as spread, as real ones
    nearest, nearest_index: distance float64 [m] of each generated sample to the nearest real one, and its row int64 [m]
    """

    precision: Estimate
    recall: Estimate
    f_score: Estimate
    density: Estimate
    coverage: Estimate
    clipped_density: Estimate
    clipped_coverage: Estimate
    nearest: np.ndarray
    nearest_index: np.ndarray


def manifold_metrics(
    real: Rows, fake: Rows, k: int = 3, density_k: int | None = None, *, chunk: int = 1024
) -> ManifoldMetrics:
    """`compare_with_manifold` of generated features `fake` [m, d] and `real` [n, d]; `density_k` is k by default.

    The published choices are k = 3 and density_k = 5.
    """
    return compare_with_manifold(manifold_of(real, k, density_k, chunk=chunk), fake)


def manifold_of(real: Rows, k: int = 3, density_k: int | None = None, *, chunk: int = 1024) -> Manifold:
    """The balls around `real` [n, d], for the comparison with several sets; `density_k` is k by default.

    `chunk` rows are in memory at once. Raises UserError if k is outside 1..n-1, or a value is not finite.
    """
    found, density_k = points("real features", real, chunk), k if density_k is None else density_k
    squares = squares_to_others(found, _checked(found, "real", k, density_k))
    square, density_square = squares[:, k - 1], squares[:, density_k - 1]
    of_real = density_of_real(found, clipped_squares(density_square), density_k)
    return Manifold(found, k, density_k, square, density_square, of_real)


def compare_with_manifold(reference: Manifold, fake: Rows) -> ManifoldMetrics:
    """Improved precision and recall (Kynkaanniemi et al., 2019), with closed balls, density and coverage (Naeem et al.,
    2020), with open balls, and both clipped (Salvy et al., 2025; `clipped`), of `fake` [m, d]. Equal to the computation
    by all distances in float64.

    The 95% intervals cover the sampling, not the training:

    - precision, density and clipped density: of the generated samples, given the real ones (Wilson's, and the
      jackknife's of the mean)
    - recall: of the real samples, given the generated ones (Wilson's)
    - f_score: of both (delta method, with slopes at the middle of the two intervals)
    - coverage and clipped coverage: of both sets. Balls' radii depend on the other real samples, which increases the
      variance over that of independent samples, by a factor that is estimated from 20 disjoint groups of both sets
      (`rows.noise_groups` of the samples, rows i with i % 20 == g of the real ones; fewer if one would have less than
      4 (k + 1) rows). The interval is Wilson's with the number of samples divided by this factor, and Student's
      quantile; [0, 1] if there are less than two groups.

    Precision, density and clipped density have replicates without each group of noises. All values but the clipped ones
    depend on n and m, and must not be compared between sets of other sizes.
    Raises UserError if k is outside 1..m-1, dimensions differ, or a value is not finite.
    """
    real, k = reference.points, reference.k
    if real.rows.shape[1:] != fake.shape[1:]:
        raise UserError(
            f"real features of shape {list(real.rows.shape[1:])} and generated ones of {list(fake.shape[1:])} "
            "cannot be compared; use one encoder"
        )
    alone = points("generated features", fake, real.chunk)
    fake_square = squares_to_others(alone, _checked(alone, "generated", k))[:, -1]
    found = _across(reference, points("generated features", fake, real.chunk, real.centre), fake_square)
    noises = noise_groups(fake)
    precision, recall = _share(found.precise, noises), _share(found.recalled)
    density_k = reference.density_k
    coverage, clipped_coverage = _coverages(found.inside, real, fake, density_k)
    return ManifoldMetrics(
        precision=precision,
        recall=recall,
        f_score=_f_score(precision, recall),
        density=_density(found.balls, density_k, noises),
        coverage=coverage,
        clipped_density=clipped_density(found.clipped_balls, density_k, reference.clipped_density, noises),
        clipped_coverage=calibrated_coverage(clipped_coverage, len(real), len(fake) // len(found.inside), density_k),
        nearest=np.sqrt(found.nearest_square),
        nearest_index=found.nearest_index,
    )


@dataclass(frozen=True)
class _Across:
    """For each of m generated samples: whether a real ball contains it (`precise`), how many open ones do (`balls`),
    how many clipped ones (`clipped_balls`), and the nearest real sample. For each of n real ones: whether a generated
    ball contains it (`recalled`), and how many generated samples of each of `sample_parts` its own open ball contains
    (`inside` [parts, n])."""

    precise: np.ndarray
    balls: np.ndarray
    clipped_balls: np.ndarray
    nearest_square: np.ndarray
    nearest_index: np.ndarray
    recalled: np.ndarray
    inside: np.ndarray


def _across(reference: Manifold, fake: Points, fake_square: np.ndarray) -> _Across:
    real, square, density_square = reference.points, reference.square, reference.density_square
    clipped = clipped_squares(density_square)
    precise, (balls, clipped_balls) = np.zeros(len(fake), dtype=bool), np.zeros((2, len(fake)), dtype=np.int64)
    recalled, part_of = np.zeros(len(real), dtype=bool), sample_parts(len(real), len(fake))
    inside = np.zeros((part_of.max() + 1, len(real)), dtype=np.int64)
    widest, candidates = np.maximum(square, density_square), Candidates(fake, real, 1)
    for tile in tiles(fake, real):
        candidates.offer(tile)
        near = pairs_within(tile, widest[None, tile.columns])
        apart = _settled(near, fake, real, square[near.j], density_square[near.j], clipped[near.j])
        precise[near.i[apart <= square[near.j]]] = True
        open_ball = apart < density_square[near.j]
        np.add.at(balls, near.i[open_ball], 1)
        np.add.at(inside, (part_of[near.i[open_ball]], near.j[open_ball]), 1)
        np.add.at(clipped_balls, near.i[apart <= clipped[near.j]], 1)
        near = pairs_within(tile, fake_square[tile.rows, None])
        apart = _settled(near, fake, real, fake_square[near.i])
        recalled[near.j[apart <= fake_square[near.i]]] = True
    nearest = nearest_among(candidates)
    return _Across(precise, balls, clipped_balls, nearest.squares[:, 0], nearest.index[:, 0], recalled, inside)


def _settled(pairs: Pairs, fake: Points, real: Points, *limits: np.ndarray) -> np.ndarray:
    """Numbers float64 [p] on the same side of the `limits` [p] as the pairs' squared distances: bounds where these are
    sufficient, otherwise the squared distances."""
    least, most = pairs.bounds, pairs.bounds + fake.slack[pairs.i] + real.slack[pairs.j]
    doubtful = np.flatnonzero(np.any([(least <= limit) & (limit <= most) for limit in limits], axis=0))
    settled = least.copy()
    settled[doubtful] = squared_distances(fake.rows, pairs.i[doubtful], real.rows, pairs.j[doubtful])
    return settled


def _share(hits: np.ndarray, groups: np.ndarray | None = None) -> Estimate:
    share = proportion_with_interval(int(hits.sum()), len(hits))
    replicates = () if groups is None else mean_with_interval(hits.astype(np.float64), groups).replicates
    return Estimate(share.value, share.ci_low, share.ci_high, replicates)


def _density(balls: np.ndarray, k: int, groups: np.ndarray) -> Estimate:
    mean = mean_with_interval(balls, groups)
    replicates = tuple(replicate / k for replicate in mean.replicates)
    return Estimate(mean.value / k, max(mean.ci_low, 0.0) / k, mean.ci_high / k, replicates)


def _coverages(inside: np.ndarray, real: Points, fake: Rows, k: int) -> tuple[Estimate, Estimate]:
    """The mean over real balls of min(inside, 1), and of min(inside / k, 1) with the mean over parts of the samples."""
    covered, filled = np.minimum(inside.sum(axis=0), 1).astype(np.float64), np.minimum(inside / k, 1).mean(axis=0)
    groups = min(GROUPS, min(len(real), len(fake)) // (_GROUP_PER_NEIGHBOUR * (k + 1)))
    if groups < 2:
        return Estimate(float(covered.mean()), 0.0, 1.0), Estimate(float(filled.mean()), 0.0, 1.0)
    part = chosen(fake, np.flatnonzero(sample_parts(len(real), len(fake)) == 0))
    in_groups = [_nearest_inside(real, fake, 1, k, groups, group)[:, 0] for group in range(groups)]
    of_part = [_nearest_inside(real, part, k, k, groups, group).mean(axis=1) for group in range(groups)]
    return _share_of_balls(covered, in_groups), _share_of_balls(filled, of_part)


def _nearest_inside(real: Points, fake: Rows, nearest: int, k: int, groups: int, group: int) -> np.ndarray:
    """In a group of both sets: whether each of the `nearest` generated samples is inside a real ball, bool [rows,
    nearest]."""
    here = real.take(np.arange(group, len(real), groups))
    members = np.flatnonzero(noise_groups(fake, groups) == group)
    there = points("generated features", chosen(fake, members), real.chunk, real.centre)
    return nearest_in(here, there, nearest).squares < squares_to_others(here, k)[:, -1:]


def _share_of_balls(values: np.ndarray, of_groups: list[np.ndarray]) -> Estimate:
    """The mean of `values` [n] in [0, 1] of real balls, with the spread of its means in disjoint groups of both
    sets."""
    share, together = float(values.mean()), np.concatenate(of_groups).astype(np.float64)
    size, middle = len(values) / len(of_groups), together.mean()
    # At least as of independent balls: a few groups may agree by chance.
    variance = max(float(np.var([each.mean() for each in of_groups], ddof=1)), together.var() / size)
    inflation = variance / (middle * (1 - middle) / size) if 0 < middle < 1 else 1.0
    return Estimate(
        share, *wilson_interval(share, len(values) / inflation, float(stats.t.ppf(0.975, len(of_groups) - 1)))
    )


def _f_score(precision: Estimate, recall: Estimate) -> Estimate:
    p, r = precision.value, recall.value
    value = 2 * p * r / (p + r) if p + r else 0.0
    middle_p, middle_r = ((e.ci_low + e.ci_high) / 2 for e in (precision, recall))
    slope_p, slope_r = (2 * (other / (middle_p + middle_r)) ** 2 for other in (middle_r, middle_p))
    below = np.hypot(slope_p * (p - precision.ci_low), slope_r * (r - recall.ci_low))
    above = np.hypot(slope_p * (precision.ci_high - p), slope_r * (recall.ci_high - r))
    return Estimate(value, max(value - float(below), 0.0), min(value + float(above), 1.0))


def _checked(found: Points, name: str, *ks: int) -> int:
    """The largest of `ks`."""
    if not 1 <= min(ks) <= max(ks) < len(found):
        raise UserError(
            f"{name} features: no ball to neighbour {max(ks) if min(ks) > 0 else min(ks)} of {len(found)} rows; "
            f"choose k in 1..{len(found) - 1}"
        )
    return max(ks)
