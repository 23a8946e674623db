"""Similarity of matched pairs, samples of two models from the same noise, and of unmatched pairs.

Row i of `a` and row i of `b` are matched. All pairs i != j are unmatched; all of them are used rather than a random
permutation, so there is no variance of a permutation.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from steadyflow.evaluate.estimate import (
    GROUPS,
    Estimate,
    difference,
    groups_of,
    jackknifed,
    mean_with_interval,
    proportion_with_interval,
)
from steadyflow.evaluate.rows import finite_rows
from steadyflow.ground.artifacts import UserError

_CHUNK = 512  # rows of the n x n table held at once
FALSE_MATCHES = 1e-3
"""Share of unmatched pairs that count as replicas, by which the threshold of `replication` is calibrated."""
_TIE = 1e-9  # two values this close, relative to the largest possible, differ by rounding alone


@dataclass(frozen=True)
class Noises:
    """The noises of a sampling: `count` of them, of the `shape` of the latents, with their `seed`."""

    seed: int
    count: int
    shape: tuple[int, ...]


def require_shared_noises(runs: tuple[str, str], noises: tuple[Noises, Noises]) -> None:
    """Raises UserError naming the two runs unless sample i of both is from the same noise."""
    for what in ("seed", "count", "shape"):
        here, there = (getattr(each, what) for each in noises)
        if here != there:
            raise UserError(
                f"samples of '{runs[0]}' and '{runs[1]}' do not share their noises ({what} {here} against {there}), so "
                "they are not matched; sample both with one seed, one count and latents of one shape"
            )


Table = Callable[[slice], np.ndarray]


@dataclass(frozen=True)
class PairSimilarity:
    """The result of `pair_similarity` and `pair_distance` over `n` matched and n(n-1) unmatched pairs.

    matched, unmatched, difference: mean of the matched pairs, exact mean over all pairs i != j, and the first minus the
        second, with 95% intervals that cover the sampling of noises, and replicates; NaN and () for fewer than
        2 GROUPS pairs
    matched_sd, unmatched_sd: standard deviations, the first with n - 1
    auc: probability that a matched pair is closer than an unmatched one, ties counted half; 0.5 without relation
    top1: fraction of rows of `a` whose match is strictly the closest row of `b`; 1/n by chance
    """

    n: int
    matched_sd: float
    unmatched_sd: float
    matched: Estimate
    unmatched: Estimate
    difference: Estimate
    auc: float
    top1: float


def pair_similarity(a: np.ndarray, b: np.ndarray, groups: np.ndarray | None = None) -> PairSimilarity:
    """Cosine similarity of features `a`, `b` [n, d]; a positive difference indicates stability.

    `groups` int64 [n] are those of the noises, by default `groups_of` 0..n-1. Intervals are jackknives over them.
    Raises UserError if shapes differ, n < 2, or a row is not finite or zero.
    """
    a, b = _directions(a, b)
    return _compare(_cosines(a, b), _matched_cosines(a, b), 1, _TIE, groups)


def pair_distance(a: np.ndarray, b: np.ndarray, groups: np.ndarray | None = None) -> PairSimilarity:
    """L2 distance of latents `a`, `b` [n, ...], flattened; a negative difference indicates stability.

    A block of the n x n distances is in memory at a time. Intervals and errors as in `pair_similarity`, but rows may be
    zero.
    """
    a, b = _pairs(a, b)
    centre = a.mean(axis=0)
    largest = float(np.linalg.norm(a - centre, axis=1).max() + np.linalg.norm(b - centre, axis=1).max())
    return _compare(distances(a, b), np.linalg.norm(a - b, axis=1), -1, _TIE * largest, groups)


def distances(a: np.ndarray, b: np.ndarray) -> Table:
    """A function that returns blocks of rows of the L2 distances of all pairs of rows of `a`, `b` float64 [n, d]."""
    # Distances are invariant to shifts, and |a|^2 + |b|^2 - 2ab is more accurate without a common mean.
    centre = a.mean(axis=0)
    a, b = a - centre, b - centre
    square_a, square_b = np.square(a).sum(axis=1), np.square(b).sum(axis=1)

    def table(rows: slice) -> np.ndarray:
        squares = square_a[rows, None] + square_b - 2 * (a[rows] @ b.T)
        return np.sqrt(np.maximum(squares, 0, out=squares), out=squares)

    return table


def matched_values(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine of each matched pair, float64 [n] in [-1, 1]. Errors as in `pair_similarity`."""
    return _matched_cosines(*_directions(a, b))


def unmatched_within(a: np.ndarray, b: np.ndarray, classes: np.ndarray, groups: np.ndarray | None = None) -> Estimate:
    """The exact mean cosine of all pairs i != j of the same class, `classes` int64 [n]: the baseline for conditional
    runs. NaN if no class has two samples. Intervals and errors as in `pair_similarity`.
    """
    a, b = _directions(a, b)
    groups = groups_of(np.arange(len(a))) if groups is None else groups
    member = (classes[:, None] == np.unique(classes)).astype(np.float64)
    # Sums by group and class, [G, C, d], and of matched pairs by group.
    of_groups = [member * (groups == group)[:, None] for group in range(GROUPS)]
    sums = np.array([[part.T @ a, part.T @ b] for part in of_groups])
    counts = np.array([part.sum(axis=0) for part in of_groups])
    diagonal = np.bincount(groups, np.einsum("nd,nd->n", a, b), minlength=GROUPS)

    def mean(without: int | None) -> float:
        kept = np.arange(GROUPS) != without
        left_a, left_b = sums[kept].sum(axis=0)
        n = counts[kept].sum(axis=0)
        pairs = float((n * (n - 1)).sum())
        return float(((left_a * left_b).sum() - diagonal[kept].sum()) / pairs) if pairs else float("nan")

    whole, replicates = mean(None), [mean(group) for group in range(GROUPS)]
    if len(a) < 2 * GROUPS or not counts.sum(axis=1).all() or not np.isfinite(replicates).all():
        return Estimate(whole, np.nan, np.nan)
    return jackknifed(whole, replicates)


def unmatched_by_row(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The exact mean cosine of each row of `b` [n, d] with all rows of `a` but its match, float64 [n]. Errors as in
    `pair_similarity`."""
    a, b = _directions(a, b)
    return (b @ a.sum(axis=0) - np.einsum("nd,nd->n", a, b)) / (len(a) - 1)


@dataclass(frozen=True)
class Replication:
    """`share` of matched pairs whose cosine is above `threshold`."""

    share: Estimate
    threshold: float


def replication(
    a: np.ndarray, b: np.ndarray, groups: np.ndarray | None = None, *, threshold: float | None = None
) -> Replication:
    """RP score (Zhang et al., 2024): the share of matched pairs of features `a`, `b` [n, d] that are replicas of each
    other, by a `threshold` of their cosine.

    threshold: 0.6 in SSCD (Pizzi et al., 2022), for which the score is defined. None, in any other encoder: the cosine
        that at most a share FALSE_MATCHES of all unmatched pairs exceed

    The interval is Wilson's, of the noises, at this threshold. Errors as in `pair_similarity`.
    """
    x, y = _directions(a, b)
    matched = _matched_cosines(x, y)
    if threshold is None:
        threshold = _false_match_threshold(_cosines(x, y), matched)
    hits = matched > threshold
    found = proportion_with_interval(int(hits.sum()), len(hits))
    replicates = mean_with_interval(hits.astype(np.float64), groups).replicates
    return Replication(Estimate(found.value, found.ci_low, found.ci_high, replicates), threshold)


def _false_match_threshold(table: Table, matched: np.ndarray) -> float:
    n = len(matched)
    exceeding = int(FALSE_MATCHES * n * (n - 1)) + 1
    largest = np.empty(0)
    for _, values, off in pairwise_blocks(table, matched):
        candidates = np.concatenate([largest, values[off]])
        largest = np.partition(candidates, -min(exceeding, len(candidates)))[-exceeding:]
    return float(largest.min())


def unmatched_of(a: np.ndarray, b: np.ndarray, mask: np.ndarray, groups: np.ndarray) -> Estimate:
    """The exact mean cosine of the rows of `b` [n, d] in `mask` [n], two or more, with all rows of `a` but their match.

    The interval is the jackknife's over `groups` int64 [n], which leaves out rows of both: all pairs of one row vary
    together. If a group has no row in `mask`, or there are fewer than 2 GROUPS, it is that of `mean_with_interval`.
    Errors as in `pair_similarity`.
    """
    mean = mean_with_interval(unmatched_by_row(a, b)[mask], groups[mask])
    if not mean.replicates:
        return mean
    a, b = _directions(a, b)
    member, inside = np.eye(GROUPS)[groups], np.eye(GROUPS)[groups] * mask[:, None]
    sums_a, sums_b = member.T @ a, inside.T @ b
    left_a, left_b = sums_a.sum(axis=0) - sums_a, sums_b.sum(axis=0) - sums_b
    matched = inside.T @ np.einsum("nd,nd->n", a, b)
    pairs = (mask.sum() - inside.sum(axis=0)) * (len(a) - member.sum(axis=0) - 1)
    without = (np.einsum("gd,gd->g", left_a, left_b) - (matched.sum() - matched)) / pairs
    return jackknifed(mean.value, without)


def pair_histogram(a: np.ndarray, b: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Histograms of the cosines of matched, and of ALL unmatched, pairs over `edges` [bins + 1]: two int64 [bins].

    Errors as in `pair_similarity`.
    """
    a, b = _directions(a, b)
    matched = _matched_cosines(a, b)
    unmatched = np.zeros(len(edges) - 1, dtype=np.int64)
    for _, table, off in pairwise_blocks(_cosines(a, b), matched):
        unmatched += np.histogram(table[off], edges)[0]
    return np.histogram(matched, edges)[0], unmatched


def pairwise_blocks(table: Table, matched: np.ndarray) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """The n x n table of pairs in blocks of rows: (rows, values [c, n], mask of the unmatched [c, n]).

    `table(rows)` computes a block, whose diagonal is replaced by the values `matched` [n].
    """
    n = len(matched)
    for start in range(0, n, _CHUNK):
        rows = slice(start, min(start + _CHUNK, n))
        diagonal = np.arange(rows.stop - start), np.arange(start, rows.stop)
        values, off = table(rows), np.ones((rows.stop - start, n), dtype=bool)
        values[diagonal], off[diagonal] = matched[rows], False
        yield rows, values, off


def _matched_cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.clip(np.einsum("nd,nd->n", a, b), -1, 1)


def _cosines(a: np.ndarray, b: np.ndarray) -> Table:
    def cosines(rows: slice) -> np.ndarray:
        products = a[rows] @ b.T
        return np.clip(products, -1, 1, out=products)

    return cosines


def _compare(table: Table, matched: np.ndarray, sign: int, tie: float, groups: np.ndarray | None) -> PairSimilarity:
    """One pass over all pairs. `sign` is +1 if larger values are closer, -1 if smaller ones are."""
    n = len(matched)
    pairs = n * (n - 1)
    groups = groups_of(np.arange(n)) if groups is None else groups
    member = np.eye(GROUPS)[groups]
    total, squares, of_groups = 0.0, 0.0, np.zeros((GROUPS, GROUPS))
    closer, hits = 0.0, 0
    # Subtracted before summation, for an accurate variance of cosines near 1.
    origin = float(matched.mean())
    for rows, values, off in pairwise_blocks(table, matched):
        unmatched = values[off]
        closeness = np.sort(sign * unmatched)
        closer += _wins(sign * matched, closeness, tie)
        rival = np.where(off, sign * values, -np.inf).max(axis=1)
        hits += int(np.count_nonzero(sign * matched[rows] > rival + tie))
        unmatched -= origin
        total += float(unmatched.sum())
        squares += float(unmatched @ unmatched)
        values -= origin
        values[~off] = 0
        of_groups += member[rows].T @ (values @ member)
    mean = total / pairs
    of_matched = mean_with_interval(matched, groups)
    of_unmatched = _unmatched_estimate(origin, mean, of_groups, member.sum(axis=0))
    return PairSimilarity(
        n=n,
        matched_sd=float(matched.std(ddof=1)),
        unmatched_sd=float(np.sqrt(max(squares / pairs - mean**2, 0))),
        matched=of_matched,
        unmatched=of_unmatched,
        difference=_difference(of_matched, of_unmatched),
        auc=closer / (n * pairs),
        top1=hits / n,
    )


def _unmatched_estimate(origin: float, mean: float, of_groups: np.ndarray, counts: np.ndarray) -> Estimate:
    """The mean of all pairs i != j, from the sums [G, G] of their values minus `origin` by the groups of i and j."""
    n = counts.sum()
    if n < 2 * GROUPS or not counts.all():
        return Estimate(origin + mean, np.nan, np.nan)
    left = of_groups.sum() - of_groups.sum(axis=0) - of_groups.sum(axis=1) + np.diag(of_groups)
    return jackknifed(origin + mean, origin + left / ((n - counts) * (n - counts - 1)))


def _difference(matched: Estimate, unmatched: Estimate) -> Estimate:
    if matched.replicates and unmatched.replicates:
        return difference(matched, unmatched)
    return Estimate(matched.value - unmatched.value, np.nan, np.nan)


def _wins(matched: np.ndarray, unmatched: np.ndarray, tie: float) -> float:
    """The number of (matched, unmatched) with the matched larger, ties counted half. `unmatched` is sorted."""
    below = np.searchsorted(unmatched, matched - tie, side="left").sum()
    up_to = np.searchsorted(unmatched, matched + tie, side="right").sum()
    return float(below + up_to) / 2


def _pairs(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if a.shape != b.shape or len(a) < 2:
        raise UserError(
            f"matched pairs need two arrays of one shape [n, ...] with n >= 2, got {list(a.shape)} and "
            f"{list(b.shape)}; sample both runs from the same noises"
        )
    return finite_rows("a", a), finite_rows("b", b)


def _directions(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b = _pairs(a, b)
    return _unit("a", a), _unit("b", b)


def _unit(name: str, rows: np.ndarray) -> np.ndarray:
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    zero = np.flatnonzero(norm == 0)
    if zero.size:
        raise UserError(f"{name}: {zero.size} rows are all zero and have no cosine, the first is row {zero[0]}")
    return rows / norm
