"""Exact quantiles of more values than fit into memory."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

MOST = 2**20
"""Maximum number of values in memory, in addition to one part."""
BINS = 2**16


def streamed_quantiles(
    parts: Callable[[], Iterable[Floats]], count: int, low: float, high: float, quantiles: Sequence[float]
) -> Floats:
    """`np.quantile` of all `count` values that `parts()` yields, float64 [len(quantiles)].

    `parts` is called repeatedly, and yields the same values, in [low, high], each time. Histograms successively narrow
    the range of the two order statistics around each quantile, until at most MOST values are left.
    """
    places = np.asarray(quantiles) * (count - 1)
    below = np.floor(places).astype(np.int64)
    wanted = np.unique(np.concatenate([below, np.minimum(below + 1, count - 1)]))
    found = dict(zip(wanted.tolist(), _order_statistics(parts, count, low, high, wanted), strict=True))
    first, second = (np.array([found[int(min(place, count - 1))] for place in at]) for at in (below, below + 1))
    share = places - below
    # Interpolated from the nearer of the two, as numpy does.
    return np.where(share < 0.5, first + (second - first) * share, second - (second - first) * (1 - share))


def _order_statistics(
    parts: Callable[[], Iterable[Floats]], count: int, low: float, high: float, ranks: npt.NDArray[np.int64]
) -> list[float]:
    """The order statistics of `ranks`, ascending in 0..count-1, among the `count` values within [low, high]."""
    if low == high:
        return [low] * len(ranks)
    if count <= MOST:
        values = np.sort(np.concatenate([part[(part >= low) & (part <= high)] for part in parts()]))
        return [float(value) for value in values[ranks]]

    def binned(part: Floats) -> tuple[Floats, npt.NDArray[np.int64]]:
        """The values within [low, high], and their bins, which increase with the value."""
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
        # Ranks among the values of the wanted bins.
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
