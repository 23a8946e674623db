"""Distances between many points: lower bounds in float32, and exact distances in float64 where bounds do not decide.

|a - b|^2 = |a|^2 + |b|^2 - 2 a.b is computed in tiles of two blocks of rows. The float32 result minus a bound of its
rounding error is a lower bound. Pairs for which it is not sufficient are computed as sums of squared differences.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from steadyflow.evaluate.rows import Rows, chosen, finite_rows, parts
from steadyflow.ground.artifacts import UserError


@dataclass(frozen=True)
class Points:
    """Points with error bounds of their distances.

    rows: [n, ...], read `chunk` at once
    centre: float32 [d], subtracted from the rows
    floor, slack: float32 and float64 [n]; computed in float32, floor_i + floor_j - 2 a_i.b_j is at most the squared
        distance, and at least the squared distance minus slack_i + slack_j
    """

    rows: Rows
    centre: np.ndarray
    floor: np.ndarray
    slack: np.ndarray
    chunk: int

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, index: np.ndarray) -> "Points":
        """The points `index` int64 [m]."""
        return Points(chosen(self.rows, index), self.centre, self.floor[index], self.slack[index], self.chunk)

    def parts(self) -> list[slice]:
        return parts(len(self), self.chunk)


@dataclass(frozen=True)
class Tile:
    """Lower bounds float32 [m, c] of the squared distances between `rows` of one set and `columns`, rows of another."""

    rows: slice
    columns: slice
    bounds: np.ndarray


@dataclass(frozen=True)
class Pairs:
    """Indices of rows `i` in one set and `j` in another, int64 [p], and lower bounds float64 [p] of the squared
    distances."""

    i: np.ndarray
    j: np.ndarray
    bounds: np.ndarray


def points(name: str, rows: Rows, chunk: int, centre: np.ndarray | None = None) -> Points:
    """Prepares `rows` [n, ...], relative to their mean or to the `centre` of the points they are compared with.

    Raises UserError naming `name` if there are none, a value is not finite, or a square overflows float32.
    """
    if not len(rows):
        raise UserError(f"{name}: no rows")
    sums = sum(finite_rows(name, rows[part], part.start).sum(axis=0) for part in parts(len(rows), chunk))
    centre = np.asarray(sums / len(rows), dtype=np.float32) if centre is None else centre
    squares = np.concatenate([_square_lengths(_centred(rows[part], centre)) for part in parts(len(rows), chunk)])
    if not squares.max() < 1e37:
        raise UserError(f"{name}: lengths of {squares.max() ** 0.5:.1e} have no square in float32; scale the features")
    # The error of a dot product of d terms, in any order, is at most d units of |a||b| (Higham, 2002, section 3.1), and
    # that of all other roundings, including the rows', at most 16 units of |a|^2 + |b|^2; underflow adds < 2^-125 each.
    terms, unit = len(centre) + 16, 2.0**-24
    error = squares * (terms * unit / (1 - terms * unit)) + terms * 2.0**-125
    return Points(rows, centre, (squares - error).astype(np.float32), 2 * error, chunk)


def tiles(a: Points, b: Points) -> Iterator[Tile]:
    """All pairs of rows of `a` and `b`, which have the same centre."""
    for part in a.parts():
        block = _block(a, part)
        for other in b.parts():
            yield _tile(block, _block(b, other))


def tiles_within(a: Points) -> Iterator[Tile]:
    """All pairs of different rows of `a`: first the tiles on the diagonal, with inf for a row and itself, then those
    above it, which also stand for their transposes."""
    for part in a.parts():
        block = _block(a, part)
        tile = _tile(block, block)
        np.fill_diagonal(tile.bounds, np.inf)
        yield tile
    for number, part in enumerate(a.parts()):
        block = _block(a, part)
        for other in a.parts()[number + 1 :]:
            yield _tile(block, _block(a, other))


def pairs_within(tile: Tile, limits: np.ndarray) -> Pairs:
    """The pairs of the tile whose bounds are at most `limits`, float64 [m, 1] or [1, c], in the order of rows."""
    passed = np.flatnonzero(tile.bounds <= np.nextafter(limits.astype(np.float32), np.float32(np.inf)))
    i, j = np.divmod(passed, tile.bounds.shape[1])
    return Pairs(tile.rows.start + i, tile.columns.start + j, tile.bounds.ravel()[passed].astype(np.float64))


def squared_distances(a: Rows, i: np.ndarray, b: Rows, j: np.ndarray) -> np.ndarray:
    """Squared distances of rows i [p] of `a` and j [p] of `b`, float64 [p], as sums of squared differences."""
    found = np.empty(len(i))
    for part in parts(len(i), max(1, 2**19 // int(np.prod(a.shape[1:])))):
        found[part] = _square_lengths(np.subtract(_flat(a[i[part]]), _flat(b[j[part]]), dtype=np.float64))
    return found


@dataclass(frozen=True)
class _Block:
    part: slice
    rows: np.ndarray
    floor: np.ndarray


def _block(points: Points, part: slice) -> _Block:
    return _Block(part, _centred(points.rows[part], points.centre), points.floor[part])


def _tile(a: _Block, b: _Block) -> Tile:
    bounds = a.rows @ b.rows.T
    bounds *= -2
    bounds += a.floor[:, None]
    bounds += b.floor
    return Tile(a.part, b.part, bounds)


def _centred(rows: np.ndarray, centre: np.ndarray) -> np.ndarray:
    return np.subtract(_flat(rows), centre).astype(np.float32, copy=False)


def _square_lengths(rows: np.ndarray) -> np.ndarray:
    return np.einsum("nd,nd->n", rows, rows, dtype=np.float64)


def _flat(rows: np.ndarray) -> np.ndarray:
    return rows.reshape(len(rows), -1)
