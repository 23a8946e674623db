"""Exact k nearest neighbours: candidates by float32 bounds, exact distances of these, and a search where ambiguous."""

from dataclasses import dataclass

import numpy as np

from steadyflow.evaluate.distances import Points, Tile, pairs_within, squared_distances, tiles, tiles_within
from steadyflow.evaluate.rows import parts

# Additional candidates, so that rounding seldom makes the result ambiguous.
_SPARE = 8


@dataclass(frozen=True)
class Neighbours:
    """The k nearest neighbours of n points: squared distances `squares` float64 [n, k], ascending, and `index` int64
    [n, k]; of equal distances the lower index comes first."""

    squares: np.ndarray
    index: np.ndarray


class Candidates:
    """For each row of `own`, the rows of `others` with the lowest bounds so far, a few more than `k`."""

    def __init__(self, own: Points, others: Points, k: int) -> None:
        self.own, self.others, self.k = own, others, k
        # Ascending in each row; inf if there are fewer candidates.
        self.bounds = np.full((len(own), k + _SPARE), np.inf, dtype=np.float32)
        self.index = np.zeros(self.bounds.shape, dtype=np.int64)

    def offer(self, tile: Tile) -> None:
        """Adds a tile whose rows are rows of `own`."""
        self._keep_lowest(tile.rows, tile.columns, tile.bounds, axis=0)

    def offer_mirrored(self, tile: Tile) -> None:
        """Adds a tile whose columns are rows of `own`."""
        self._keep_lowest(tile.columns, tile.rows, tile.bounds, axis=1)

    def nearest(self) -> Neighbours:
        """The k nearest among the candidates."""
        found = [self._nearest(part) for part in self.own.parts()]
        return Neighbours(np.concatenate([f.squares for f in found]), np.concatenate([f.index for f in found]))

    def least_elsewhere(self) -> np.ndarray:
        """A lower bound of the squared distances of all rows that are no candidates, float64 [n]."""
        return np.maximum(self.bounds[:, -1], 0).astype(np.float64)

    def _nearest(self, rows: slice) -> Neighbours:
        bounds, index = self.bounds[rows], self.index[rows]
        highest = bounds + self.own.slack[rows, None] + self.others.slack[index]
        reach = np.partition(highest, self.k - 1, axis=1)[:, self.k - 1, None]
        i, place = np.nonzero((bounds <= reach) & np.isfinite(bounds))
        squares = np.full(bounds.shape, np.inf)
        squares[i, place] = squared_distances(self.own.rows, rows.start + i, self.others.rows, index[i, place])
        order = np.lexsort((index, squares), axis=1)[:, : self.k]
        return Neighbours(np.take_along_axis(squares, order, axis=1), np.take_along_axis(index, order, axis=1))

    def _keep_lowest(self, own: slice, other: slice, bounds: np.ndarray, axis: int) -> None:
        places = self.bounds.shape[1]
        rows, index, new = _lowest(bounds, self.bounds[own, -1], places, axis)
        rows += own.start
        merged = np.concatenate([self.bounds[rows], new], axis=1)
        whose = np.concatenate([self.index[rows], other.start + index], axis=1)
        order = np.argsort(merged, axis=1)[:, :places]
        self.bounds[rows] = np.take_along_axis(merged, order, axis=1)
        self.index[rows] = np.take_along_axis(whose, order, axis=1)


def nearest_in(own: Points, others: Points, k: int = 1) -> Neighbours:
    """The k rows of `others`, of at least k, nearest to each row of `own`; both have the same centre."""
    candidates = Candidates(own, others, k)
    for tile in tiles(own, others):
        candidates.offer(tile)
    return nearest_among(candidates)


def nearest_among(candidates: Candidates) -> Neighbours:
    """The k nearest of all rows, after all tiles were offered."""
    found = candidates.nearest()
    doubtful = np.flatnonzero(candidates.least_elsewhere() <= found.squares[:, -1])
    return _searched(candidates.own, candidates.others, doubtful, found, apart=False)


def squares_to_others(a: Points, k: int) -> np.ndarray:
    """The squared distances of each row to its k nearest other rows, float64 [n, k] ascending; k < n."""
    candidates = Candidates(a, a, k)
    for tile in tiles_within(a):
        candidates.offer(tile)
        if tile.rows != tile.columns:
            candidates.offer_mirrored(tile)
    found = candidates.nearest()
    # The index is not needed, and would take long to determine among many copies of a row.
    doubtful = np.flatnonzero(candidates.least_elsewhere() < found.squares[:, -1])
    return _searched(a, a, doubtful, found, apart=True).squares


def _searched(own: Points, others: Points, doubtful: np.ndarray, found: Neighbours, apart: bool) -> Neighbours:
    """`found`, with the ambiguous rows `doubtful` int64 [r] compared with all rows; `apart`: except themselves."""
    for part in parts(len(doubtful), own.chunk):
        rows = doubtful[part]
        reach, k = found.squares[rows, -1:], found.squares.shape[1]
        i, j, squares = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0)
        for tile in tiles(own.take(rows), others):
            pairs = pairs_within(tile, reach)
            new = rows[pairs.i] != pairs.j if apart else slice(None)
            more = squared_distances(own.rows, rows[pairs.i[new]], others.rows, pairs.j[new])
            i, j = np.concatenate([i, pairs.i[new]]), np.concatenate([j, pairs.j[new]])
            squares = np.concatenate([squares, more])
            order = np.lexsort((j, squares, i))
            order = order[_place_in_line(i[order]) < k]
            i, j, squares = i[order], j[order], squares[order]
        # The former neighbours are among them, so every row has at least k.
        found.squares[rows], found.index[rows] = squares.reshape(-1, k), j.reshape(-1, k)
    return found


def _lowest(bounds: np.ndarray, below: np.ndarray, most: int, axis: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The bounds in a tile that are less than `below` [lines], by line, a row (`axis` 0) or column (1) of the tile.

    Returns the lines that have any, int64 [r]; their positions in the line, int64 [r, w]; and the bounds, float32
    [r, w], inf if a line has fewer than w. If there are more than `most` per line on average, the `most` lowest of all
    lines are returned instead, by a partial sort.
    """
    passed = np.flatnonzero(bounds < np.expand_dims(below, 1 - axis))
    if len(passed) > most * len(below):
        lines = bounds if axis == 0 else np.ascontiguousarray(bounds.T)
        index = np.argpartition(lines, most - 1, axis=1)[:, :most]
        return np.arange(len(lines)), index, np.take_along_axis(lines, index, axis=1)
    i, j = np.divmod(passed, bounds.shape[1])
    line, across = (i, j) if axis == 0 else (j, i)
    order = np.argsort(line, kind="stable")
    line, across, values = line[order], across[order], bounds.ravel()[passed[order]]
    rows, of_row = np.unique(line, return_inverse=True)
    place = _place_in_line(line)
    index = np.zeros((len(rows), place.max(initial=-1) + 1), dtype=np.int64)
    lowest = np.full(index.shape, np.inf, dtype=np.float32)
    index[of_row, place], lowest[of_row, place] = across, values
    return rows, index, lowest


def _place_in_line(line: np.ndarray) -> np.ndarray:
    """The rank 0, 1, 2, ... of each entry within its run of equal numbers of `line` [p], ascending."""
    return np.arange(len(line)) - np.searchsorted(line, line)
