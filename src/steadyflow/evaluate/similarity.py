"""Are samples of shared noise more alike than samples of different noise?

Row i of `a` and row i of `b` come from one noise under two models: that pair is matched. All pairs i != j are
unmatched, and every one of them counts: there is no shuffle, hence no luck of a shuffle.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from steadyflow.artifacts import UserError
from steadyflow.evaluate.estimate import generator, percentile_interval, resampling_weights
from steadyflow.evaluate.rows import finite_rows

_CHUNK = 512  # rows of the n x n table held at once
_TIE = 1e-9  # two values this close, relative to the largest possible, differ by rounding alone

Table = Callable[[slice], np.ndarray]


@dataclass(frozen=True)
class PairSimilarity:
    """What `pair_similarity` and `pair_distance` find over `n` matched and n(n-1) unmatched pairs.

    `matched_*`: mean, SD (n-1) and SE = SD/sqrt(n). `unmatched_*`: exact mean and SD of all pairs i != j.
    `difference`: matched minus unmatched mean, with its 95% interval. `auc`: chance that a matched pair is closer
    than an unmatched one, ties half; 0.5 = no relation, 1 = always. `top1`: share of rows of `a` whose match is
    strictly the closest row of `b`; 1/n by chance.
    """

    n: int
    matched_mean: float
    matched_sd: float
    matched_se: float
    unmatched_mean: float
    unmatched_sd: float
    difference: float
    difference_low: float
    difference_high: float
    auc: float
    top1: float


def pair_similarity(a: np.ndarray, b: np.ndarray, *, bootstrap: int = 1000, seed: int = 0) -> PairSimilarity:
    """Cosine similarity of features `a`, `b` [n, d]; a positive difference means stable.

    The interval resamples noise indices `bootstrap` times and drops the pairs of an index with itself.
    Raises UserError when shapes differ, n < 2, or a row is not finite or zero.
    """
    a, b = _directions(a, b)
    return _compare(_cosines(a, b), _matched_cosines(a, b), 1, _TIE, generator(seed), bootstrap)


def pair_distance(a: np.ndarray, b: np.ndarray, *, bootstrap: int = 1000, seed: int = 0) -> PairSimilarity:
    """L2 distance of latents `a`, `b` [n, ...], flattened; a negative difference means stable.

    Holds a part of the n x n distances at a time. Interval and errors as in `pair_similarity`; zero rows are welcome.
    """
    a, b = _pairs(a, b)
    centre = a.mean(axis=0)
    largest = float(np.linalg.norm(a - centre, axis=1).max() + np.linalg.norm(b - centre, axis=1).max())
    return _compare(distances(a, b), np.linalg.norm(a - b, axis=1), -1, _TIE * largest, generator(seed), bootstrap)


def distances(a: np.ndarray, b: np.ndarray) -> Table:
    """The L2 distances of all pairs of rows of `a`, `b` float64 [n, d], a part at a time."""
    # Distances do not feel a shift, while |a|^2 + |b|^2 - 2ab loses digits to a common mean.
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


def pair_histogram(a: np.ndarray, b: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many cosines of matched, and of ALL unmatched, pairs fall between `edges` [bins + 1]: two int64 [bins].

    Errors as in `pair_similarity`.
    """
    a, b = _directions(a, b)
    matched = _matched_cosines(a, b)
    unmatched = np.zeros(len(edges) - 1, dtype=np.int64)
    for _, table, off in pairwise_blocks(_cosines(a, b), matched):
        unmatched += np.histogram(table[off], edges)[0]
    return np.histogram(matched, edges)[0], unmatched


def pairwise_blocks(table: Table, matched: np.ndarray) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Walks the n x n table of pairs in blocks of rows: (rows, values [c, n], mask of the unmatched [c, n]).

    `table(rows)` computes a block, in which the diagonal is replaced by the values `matched` [n].
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


def _compare(
    table: Table, matched: np.ndarray, sign: int, tie: float, rng: np.random.Generator, bootstrap: int
) -> PairSimilarity:
    """One walk over all pairs. `sign` is +1 where larger values are closer, -1 where smaller ones are."""
    n = len(matched)
    pairs = n * (n - 1)
    weights = resampling_weights(rng, n, bootstrap)
    total, squares, resampled = 0.0, 0.0, np.zeros(bootstrap)
    closer, hits = 0.0, 0
    # Sums are taken around this value: the variance of cosines near 1 keeps its digits.
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
        resampled += np.einsum("rn,rn->r", weights[:, rows] @ values, weights)
    mean = total / pairs
    matched_mean, sd = origin, float(matched.std(ddof=1))
    unmatched_draws = resampled / (n**2 - np.square(weights).sum(axis=1))
    draws = weights @ (matched - origin) / n - unmatched_draws
    low, high = percentile_interval(draws)
    return PairSimilarity(
        n=n,
        matched_mean=matched_mean,
        matched_sd=sd,
        matched_se=sd / n**0.5,
        unmatched_mean=origin + mean,
        unmatched_sd=float(np.sqrt(max(squares / pairs - mean**2, 0))),
        difference=-mean,
        difference_low=low,
        difference_high=high,
        auc=closer / (n * pairs),
        top1=hits / n,
    )


def _wins(matched: np.ndarray, unmatched: np.ndarray, tie: float) -> float:
    """Over all (matched, unmatched): in how many the matched is larger, ties half. `unmatched` is sorted."""
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
