"""Quantiles of more values than fit into memory."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

MOST = 2**20
"""Values in memory at once, beside a part of them all."""
BINS = 2**16


def streamed_quantiles(
    parts: Callable[[], Iterable[Floats]], count: int, low: float, high: float, quantiles: Sequence[float]
) -> Floats:
    """`np.quantile` of all `count` values that `parts()` yields, the same ones each time, float64 [len(quantiles)].

    They lie between `low` and `high` and are never all in memory, however many are equal: histograms narrow down where
    the two order statistics around a quantile lie, until at most MOST values are left there.
    """
    places = np.asarray(quantiles) * (count - 1)
    below = np.floor(places).astype(np.int64)
    wanted = np.unique(np.concatenate([below, np.minimum(below + 1, count - 1)]))
    found = dict(zip(wanted.tolist(), _order_statistics(parts, count, low, high, wanted), strict=True))
    first, second = (np.array([found[int(min(place, count - 1))] for place in at]) for at in (below, below + 1))
    share = places - below
    # As numpy interpolates: from the nearer of the two.
    return np.where(share < 0.5, first + (second - first) * share, second - (second - first) * (1 - share))


def _order_statistics(
    parts: Callable[[], Iterable[Floats]], count: int, low: float, high: float, ranks: npt.NDArray[np.int64]
) -> list[float]:
    """The values of these `ranks`, 0..count-1 ascending, of `count` values within [low, high]."""
    if low == high:
        return [low] * len(ranks)
    if count <= MOST:
        values = np.sort(np.concatenate([part[(part >= low) & (part <= high)] for part in parts()]))
        return [float(value) for value in values[ranks]]

    def binned(part: Floats) -> tuple[Floats, npt.NDArray[np.int64]]:
        """The values within [low, high], and their bins: the larger, the later."""
        inside = part[(part >= low) & (part <= high)]
        return inside, np.minimum((inside - low) / (high - low) * BINS, BINS - 1).astype(np.int64)

    counts = np.zeros(BINS, np.int64)
    for part in parts():
        counts += np.bincount(binned(part)[1], minlength=BINS)
    ends = np.cumsum(counts)
    of_rank = np.searchsorted(ends, ranks, side="right")
    wanted = np.zeros(BINS, bool)
    wanted[of_rank] = True
    if counts[wanted].sum() <= MOST:
        kept = [inside[wanted[bins]] for inside, bins in map(binned, parts())]
        values = np.sort(np.concatenate(kept))
        # Places among the values of the wanted bins alone.
        left_out = np.cumsum(np.where(wanted, 0, counts))
        return [float(value) for value in values[ranks - left_out[of_rank]]]
    found: list[float] = []
    for place in np.unique(of_rank):
        least, most = np.inf, -np.inf
        for inside, bins in map(binned, parts()):
            here = inside[bins == place]
            least, most = here.min(initial=least), here.max(initial=most)
        inner = ranks[of_rank == place] - (ends[place] - counts[place])
        found += _order_statistics(parts, int(counts[place]), float(least), float(most), inner)
    return found
