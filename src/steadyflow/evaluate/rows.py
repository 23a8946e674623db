"""Checks of the arrays that metrics are computed from, and rows that are read lazily."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from steadyflow.evaluate.estimate import GROUPS, groups_of
from steadyflow.ground.artifacts import UserError


def finite_rows(name: str, values: np.ndarray, first: int = 0) -> np.ndarray:
    """`values` [n, ...] as float64 [n, d]. Raises UserError, with `name` and the row, for NaN or infinity.

    `first` is the index of the first row in the array of that name.
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
    """The `rows` int64 [n] of `array` [m, ...], a memory map; read when indexed.

    Row i of `array` has label i modulo `num_classes` if it is a sample of a conditional run.
    """

    array: np.ndarray
    rows: np.ndarray
    num_classes: int = 1

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.rows), *self.array.shape[1:])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: slice | np.ndarray) -> np.ndarray:
        return self.array[self.rows[index]]


Rows: TypeAlias = np.ndarray | FeatureRows


def chosen(rows: Rows, index: np.ndarray) -> FeatureRows:
    """The rows `index` int64 [n] of `rows`, without reading them."""
    return replace(rows, rows=rows.rows[index]) if isinstance(rows, FeatureRows) else FeatureRows(rows, index)


def parts(n: int, chunk: int) -> list[slice]:
    """0..n-1 in slices of length `chunk`."""
    return [slice(start, min(start + chunk, n)) for start in range(0, n, chunk)]


def noise_indices(rows: Rows) -> np.ndarray:
    """The index of each row's noise, int64 [n], which is its position in the array of all samples."""
    return rows.rows if isinstance(rows, FeatureRows) else np.arange(len(rows))


def noise_groups(rows: Rows, groups: int = GROUPS) -> np.ndarray:
    """The group of each row's noise, int64 [n] (`estimate.groups_of`)."""
    return groups_of(noise_indices(rows), rows.num_classes if isinstance(rows, FeatureRows) else 1, groups)


def mixed(sets: Sequence[np.ndarray]) -> np.ndarray:
    """A mixture of k `sets` [n, ...]: n rows, of which the i-th of k equal parts are from the i-th set."""
    places = np.array_split(np.arange(len(sets[0])), len(sets))
    return np.concatenate([rows[place] for rows, place in zip(sets, places, strict=True)])


def with_features(
    features: np.ndarray, rows: np.ndarray | None = None, chunk: int = 4096, *, num_classes: int = 1
) -> FeatureRows:
    """The `rows` int64 [n] (None: all) of `features` [m, d], a memory map, that are not NaN; samples' labels are their
    index modulo `num_classes`.

    Rows of NaN are those of images without features, such as without a face for ArcFace.
    """
    rows = np.arange(len(features)) if rows is None else rows
    some = [rows[part] for part in parts(len(rows), chunk)]
    found = [part[~np.isnan(features[part]).all(axis=1)] for part in some]
    return FeatureRows(features, np.concatenate(found) if found else rows, num_classes)


def mean_norm(features: FeatureRows, chunk: int = 4096) -> float | None:
    """The mean L2 norm of rows [n, d]; None if there are none."""
    sums = (float(np.linalg.norm(features[part], axis=1).sum()) for part in parts(len(features), chunk))
    return sum(sums) / len(features) if len(features) else None
