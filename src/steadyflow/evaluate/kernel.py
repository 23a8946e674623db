"""Kernel distance between sets of features (Binkowski et al., 2018), KID for those of Inception."""

import numpy as np

from steadyflow.evaluate.estimate import GROUPS, Estimate, jackknifed
from steadyflow.evaluate.rows import Rows, finite_rows, noise_groups, parts
from steadyflow.ground.artifacts import UserError


def kernel_distance(
    features: Rows, reference: Rows, *, within_reference: float | None = None, chunk: int = 1024
) -> Estimate:
    """The squared maximum mean discrepancy of `features` [n, d] and `reference` [m, d], kernel (x.y/s + 1)^3.

    s is the mean squared length of the reference's features, so that the kernel of one of them with itself is about 8
    in every encoder, and the distance 0 to a few. KID has s = d instead, which is of no meaning to features that are no
    activations of unit variance: it gave 292,410 in a probe, of which the digits that matter are rounding. It is the
    unbiased U-statistic over all pairs; the usual KID, a mean over random subsets, has the same expectation and more
    variance. It may be negative. The 95% interval is a delete-a-group jackknife over `features`, so it covers the
    sampling of the generated set only. `within_reference` is `mean_kernel(reference)`, which can be precomputed. Holds
    `chunk` rows of each set at a time. Raises UserError if n < 2 GROUPS, m < 2, dimensions differ, or a feature is not
    finite.
    """
    if features.shape[1] != reference.shape[1]:
        raise UserError(
            f"features of {features.shape[1]} and {reference.shape[1]} dimensions cannot be compared; use one encoder"
        )
    groups = noise_groups(features)
    counts = np.bincount(groups, minlength=GROUPS)
    n, m = len(features), len(reference)
    if n < 2 * GROUPS or not counts.all():
        raise UserError(f"a jackknife over {GROUPS} groups needs at least {2 * GROUPS} samples, some in each, got {n}")
    member = np.eye(GROUPS)[groups]
    scale = mean_square(reference, chunk=chunk)
    within, across = _pair_sums(features, member, scale, chunk), np.zeros(GROUPS)
    for rows in parts(n, chunk):
        x = finite_rows("features", features[rows])
        for others in parts(m, chunk):
            across += member[rows].T @ _kernel(x, finite_rows("reference", reference[others]), scale).sum(axis=1)
    of_reference = mean_kernel(reference, chunk=chunk) if within_reference is None else within_reference
    left = n - counts
    pairs_left = within.sum() - within.sum(axis=0) - within.sum(axis=1) + np.diag(within)
    value = within.sum() / (n * (n - 1)) - 2 * across.sum() / (n * m) + of_reference
    without = pairs_left / (left * (left - 1)) - 2 * (across.sum() - across) / (left * m) + of_reference
    return jackknifed(float(value), without)


def mean_kernel(rows: Rows, *, chunk: int = 1024) -> float:
    """The mean of the kernel over all pairs i != j of a reference's `rows` [m, d], with their own scale. Raises
    UserError if m < 2, or all features are 0."""
    m = len(rows)
    if m < 2:
        raise UserError(f"a kernel distance needs at least 2 rows on each side, got {m}")
    return float(_pair_sums(rows, np.ones((m, 1)), mean_square(rows, chunk=chunk), chunk).sum()) / (m * (m - 1))


def mean_square(rows: Rows, *, chunk: int = 1024) -> float:
    """The mean squared L2 length of `rows` [m, d]. Raises UserError if it is 0."""
    squares = sum(float(np.square(finite_rows("reference", rows[part])).sum()) for part in parts(len(rows), chunk))
    if not squares:
        raise UserError(f"reference: all {len(rows)} rows of features are 0, which gives a kernel no scale")
    return squares / len(rows)


def _pair_sums(rows: Rows, member: np.ndarray, scale: float, chunk: int) -> np.ndarray:
    """Sums [G, G] of the kernel over all pairs i != j by the groups of i and j; `member` [n, G] is one-hot."""
    sums = np.zeros((member.shape[1], member.shape[1]))
    places = parts(len(rows), chunk)
    for count, some in enumerate(places, start=1):
        x = finite_rows("features", rows[some])
        for others in places[:count]:
            values = _kernel(x, finite_rows("features", rows[others]), scale)
            if others == some:
                np.fill_diagonal(values, 0)
            block = member[some].T @ values @ member[others]
            # A diagonal block has all ordered pairs, any other block stands for its transpose too.
            sums += block if others == some else block + block.T
    return sums


def _kernel(x: np.ndarray, y: np.ndarray, scale: float) -> np.ndarray:
    products = x @ y.T
    products /= scale
    products += 1
    return products**3
