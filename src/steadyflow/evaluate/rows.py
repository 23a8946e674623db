"""The one gate through which arrays enter a metric, and rows that are read only when they pass it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from steadyflow.ground.artifacts import UserError


def finite_rows(name: str, values: np.ndarray, first: int = 0) -> np.ndarray:
    """`values` [n, ...] as float64 [n, d]. Raises UserError, with `name` and the row, at NaN or infinity.

    They are the rows from `first` on of what has that name.
    """
    rows = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if bad.size:
        raise UserError(
            f"{name}: {bad.size} of {len(rows)} rows hold NaN or infinity, the first is row {first + bad[0]}; "
            "delete that file and run its stage again"
        )
    return rows


@dataclass(frozen=True)
class FeatureRows:
    """Features of n images: the `rows` int64 [n] of `array` [m, ...], a memory map. Indexed like the array of them,
    which is never made."""

    array: np.ndarray
    rows: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.rows), *self.array.shape[1:])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: slice | np.ndarray) -> np.ndarray:
        return self.array[self.rows[index]]


Rows: TypeAlias = np.ndarray | FeatureRows


def chosen(rows: Rows, index: np.ndarray) -> FeatureRows:
    """The rows `index` int64 [n] of `rows`, which are not read."""
    return FeatureRows(rows.array, rows.rows[index]) if isinstance(rows, FeatureRows) else FeatureRows(rows, index)


def parts(n: int, chunk: int) -> list[slice]:
    """0..n-1 in slices of `chunk`, the last one shorter."""
    return [slice(start, min(start + chunk, n)) for start in range(0, n, chunk)]


def noise_indices(rows: Rows) -> np.ndarray:
    """Which noise each row came from, int64 [n]: its place in the array of all samples."""
    return rows.rows if isinstance(rows, FeatureRows) else np.arange(len(rows))


def mixed(sets: Sequence[np.ndarray]) -> np.ndarray:
    """As many rows as each of k `sets` [n, ...] has, the i-th of k equal parts from the i-th set."""
    places = np.array_split(np.arange(len(sets[0])), len(sets))
    return np.concatenate([rows[place] for rows, place in zip(sets, places, strict=True)])


def with_features(features: np.ndarray, rows: np.ndarray | None = None, chunk: int = 4096) -> FeatureRows:
    """Those of `rows` int64 [n], all when left out, of `features` [m, d], a memory map, that are no rows of NaN.

    An encoder that finds nothing in an image (ArcFace no face) gives it such a row.
    """
    rows = np.arange(len(features)) if rows is None else rows
    some = [rows[part] for part in parts(len(rows), chunk)]
    found = [part[~np.isnan(features[part]).all(axis=1)] for part in some]
    return FeatureRows(features, np.concatenate(found) if found else rows)


def mean_norm(features: FeatureRows, chunk: int = 4096) -> float | None:
    """The mean L2 norm of rows [n, d]; None where there are no rows."""
    sums = (float(np.linalg.norm(features[part], axis=1).sum()) for part in parts(len(features), chunk))
    return sum(sums) / len(features) if len(features) else None
