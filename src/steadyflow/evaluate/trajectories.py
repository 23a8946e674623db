"""Distances between the trajectories x_t, from noise (t=0) to data (t=1), of two runs.

Trajectory i of `a` and of `b` start from the same noise and are matched; all pairs i != j are unmatched, and all are
used. Trajectories are [times, n, ...] at the same `times`, and may be memory maps: CHUNK of them are in memory at once,
at one time, and a few numbers for each matched pair. Unmatched distances are computed several times instead of stored.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from steadyflow.evaluate.estimate import Estimate, groups_of, mean_with_interval
from steadyflow.evaluate.quantiles import streamed_quantiles
from steadyflow.evaluate.rows import finite_rows, parts
from steadyflow.evaluate.similarity import distances
from steadyflow.ground.artifacts import UserError

Floats = npt.NDArray[np.float64]

BAND = (0.05, 0.5, 0.95)
CHUNK = 512
"""Trajectories of each run in memory at once."""


@dataclass(frozen=True)
class TrajectoryComparison:
    """The result of `compare_trajectories` over `n` matched and n(n-1) unmatched pairs.

    Deviations are integrals over t of ||x_t^a - x_t^b||_2: mean with interval, SD (n-1), median and 95th percentile
    over matched pairs, exact mean and SD over unmatched pairs. `*_band`: float64 [times, 3], the 5th, 50th and 95th
    percentile of the distances at each time.
    """

    n: int
    matched: Estimate
    matched_sd: float
    matched_median: float
    matched_p95: float
    unmatched_mean: float
    unmatched_sd: float
    matched_band: Floats
    unmatched_band: Floats


def common_times(a: npt.ArrayLike, b: npt.ArrayLike) -> Floats:
    """The times of two runs' trajectories, float64 [times]. Raises UserError if they differ."""
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if not np.array_equal(first, second):
        raise UserError(
            f"trajectories at {len(first)} and at {len(second)} times are not matched: these times differ; trace both "
            "runs with one sampling"
        )
    return first


def trajectory_deviation(a: np.ndarray, b: np.ndarray, times: npt.ArrayLike) -> Floats:
    """The integral over t of ||x_t^a - x_t^b||_2 for each matched pair, float64 [n], by the trapezoidal rule.

    Raises UserError if shapes differ, times are not increasing or not one per point, or a number is not finite.
    """
    weights = _weights(a, b, times)
    return weights @ np.stack([_matched(a[place], b[place], place) for place in range(len(weights))])


def compare_trajectories(
    a: np.ndarray, b: np.ndarray, times: npt.ArrayLike, groups: npt.NDArray[np.int64] | None = None
) -> TrajectoryComparison:
    """Compares matched and all unmatched pairs; `groups` as in `similarity.pair_similarity`. Raises UserError as
    `trajectory_deviation`, and if n < 2."""
    weights, n = _weights(a, b, times), a.shape[1]
    if n < 2:
        raise UserError(f"{n} trajectories have no unmatched pair; trace 2 noises at least")
    distances_of_matched = np.stack([_matched(a[place], b[place], place) for place in range(len(weights))])
    matched = weights @ distances_of_matched
    pairs = n * (n - 1)
    # Subtracted before summation, for an accurate variance.
    origin, total, squares = float(matched.mean()), 0.0, 0.0
    low, high = np.full(len(weights), np.inf), np.zeros(len(weights))
    for rows, columns in _tiles(n):
        deviation: Floats = np.zeros(())
        for place, weight in enumerate(weights):
            apart = _unmatched(a[place], b[place], rows, columns)
            low[place], high[place] = apart.min(initial=low[place]), apart.max(initial=high[place])
            deviation = deviation + weight * apart
        total += float((deviation - origin).sum())
        squares += float(np.square(deviation - origin).sum())
    mean = total / pairs
    unmatched_band = [
        streamed_quantiles(
            partial(_all_unmatched, a[place], b[place]), pairs, float(low[place]), float(high[place]), BAND
        )
        for place in range(len(weights))
    ]
    return TrajectoryComparison(
        n=n,
        matched=mean_with_interval(matched, groups_of(np.arange(n)) if groups is None else groups),
        matched_sd=float(matched.std(ddof=1)),
        matched_median=float(np.median(matched)),
        matched_p95=float(np.quantile(matched, 0.95)),
        unmatched_mean=origin + mean,
        unmatched_sd=float(np.sqrt(max(squares / pairs - mean**2, 0))),
        matched_band=np.quantile(distances_of_matched, BAND, axis=1).T,
        unmatched_band=np.stack(unmatched_band),
    )


def _rows(name: str, points: np.ndarray, rows: slice, place: int) -> Floats:
    """Some trajectories at one time, float64 [m, d]."""
    return finite_rows(f"{name} at point {place}", points[rows], rows.start)


def _matched(a: np.ndarray, b: np.ndarray, place: int) -> Floats:
    """The distances of matched pairs at one time, float64 [n]."""
    some = [_rows("a", a, rows, place) - _rows("b", b, rows, place) for rows in parts(len(a), CHUNK)]
    return np.concatenate([np.linalg.norm(difference, axis=1) for difference in some])


def _tiles(n: int) -> Iterator[tuple[slice, slice]]:
    """All pairs of n and n trajectories in blocks."""
    for rows in parts(n, CHUNK):
        for columns in parts(n, CHUNK):
            yield rows, columns


def _unmatched(a: np.ndarray, b: np.ndarray, rows: slice, columns: slice) -> Floats:
    """The distances of the unmatched pairs of a tile at one time, float64 [pairs]."""
    x, y = (np.asarray(points, np.float64).reshape(len(points), -1) for points in (a[rows], b[columns]))
    apart = distances(x, y)(slice(None))
    if rows != columns:
        return apart.ravel()
    return apart[~np.eye(len(apart), dtype=bool)]


def _all_unmatched(a: np.ndarray, b: np.ndarray) -> Iterator[Floats]:
    return (_unmatched(a, b, *tile) for tile in _tiles(len(a)))


def _weights(a: np.ndarray, b: np.ndarray, times: npt.ArrayLike) -> Floats:
    """The weights of the trapezoidal rule, [times]."""
    t = np.asarray(times, np.float64)
    if a.shape != b.shape or len(a) != len(t):
        raise UserError(
            f"trajectories {list(a.shape)} and {list(b.shape)} at {len(t)} times are not matched: both have to be "
            "[times, n, ...]; trace both runs from the same noises with one sampling"
        )
    steps = np.diff(t)
    if len(steps) == 0 or not (steps > 0).all():
        raise UserError(f"an integral over time needs two times at least, each later than the one before, not {t}")
    return (np.append(steps, 0) + np.append(0, steps)) / 2
