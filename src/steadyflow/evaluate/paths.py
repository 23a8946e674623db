"""How far apart do two models carry the same noise? The paths x_t from noise, t=0, to data, t=1, of two runs.

Path i of `a` and path i of `b` start from one noise: that pair is matched. All pairs i != j are unmatched, and every
one of them counts. Paths are [points, n, ...], at the same `times` [points], and may be memory maps: two points are in
memory at a time, and three numbers for each pair of paths.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steadyflow.artifacts import UserError
from steadyflow.evaluate.estimate import Estimate, mean_with_interval
from steadyflow.evaluate.rows import finite_rows
from steadyflow.evaluate.similarity import distances, pairwise_blocks

Floats = npt.NDArray[np.float64]

BAND = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class PathComparison:
    """What `compare_paths` finds over `n` matched and n(n-1) unmatched pairs of paths.

    Deviations are integrals over t of the distance ||x_t^a - x_t^b||_2: of matched pairs the mean with the interval of
    its sampling, SD (n-1), median and 95th percentile; of unmatched pairs the exact mean and SD.
    `*_band`: float64 [points, 3], the 5th, 50th and 95th percentile of the distances at each time.
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
    """The times at which two runs' paths are known, float64 [points]. Raises UserError where they are not the same."""
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if not np.array_equal(first, second):
        raise UserError(
            f"paths at {len(first)} and at {len(second)} times are not matched: these times differ; trace both runs "
            "with one sampling"
        )
    return first


def path_deviation(a: np.ndarray, b: np.ndarray, times: npt.ArrayLike) -> Floats:
    """The integral over t of ||x_t^a - x_t^b||_2 of each matched pair, float64 [n], by the trapezoid rule.

    Raises UserError when shapes differ, times are not as many as points or do not rise, or a number is not finite.
    """
    weights = _weights(a, b, times)
    return weights @ np.stack([_matched(*_points(a, b, place)) for place in range(len(weights))])


def compare_paths(a: np.ndarray, b: np.ndarray, times: npt.ArrayLike) -> PathComparison:
    """Matched and all unmatched pairs of paths. Errors as in `path_deviation`, and when n < 2."""
    weights, n = _weights(a, b, times), a.shape[1]
    if n < 2:
        raise UserError(f"{n} paths have no unmatched pair; trace 2 noises at least")
    matched, unmatched = np.zeros(n), np.zeros(n * (n - 1))
    matched_band, unmatched_band = np.empty((2, len(weights), len(BAND)))
    for place, weight in enumerate(weights):
        x, y = _points(a, b, place)
        same = _matched(x, y)
        others = np.concatenate([values[off] for _, values, off in pairwise_blocks(distances(x, y), same)])
        matched += weight * same
        unmatched += weight * others
        matched_band[place], unmatched_band[place] = np.quantile(same, BAND), np.quantile(others, BAND)
    return PathComparison(
        n=n,
        matched=mean_with_interval(matched),
        matched_sd=float(matched.std(ddof=1)),
        matched_median=float(np.median(matched)),
        matched_p95=float(np.quantile(matched, 0.95)),
        unmatched_mean=float(unmatched.mean()),
        unmatched_sd=float(unmatched.std()),
        matched_band=matched_band,
        unmatched_band=unmatched_band,
    )


def _points(a: np.ndarray, b: np.ndarray, place: int) -> tuple[Floats, Floats]:
    """float64 [n, d] of both at one time."""
    return finite_rows(f"a at point {place}", a[place]), finite_rows(f"b at point {place}", b[place])


def _matched(x: Floats, y: Floats) -> Floats:
    return np.linalg.norm(x - y, axis=1)


def _weights(a: np.ndarray, b: np.ndarray, times: npt.ArrayLike) -> Floats:
    """Of the trapezoid rule, [points]."""
    t = np.asarray(times, np.float64)
    if a.shape != b.shape or len(a) != len(t):
        raise UserError(
            f"paths {list(a.shape)} and {list(b.shape)} at {len(t)} times are not matched: both have to be "
            "[times, n, ...]; trace both runs from the same noises with one sampling"
        )
    steps = np.diff(t)
    if len(steps) == 0 or not (steps > 0).all():
        raise UserError(f"an integral over time needs two times at least, each later than the one before, not {t}")
    return (np.append(steps, 0) + np.append(0, steps)) / 2
