"""Embeddings as unit vectors, read in chunks, so that they need not fit into memory."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from steadyflow.ground.artifacts import UserError

CHUNK = 2048  # rows at once, which with their products with some centres fit into a processor's cache


@dataclass(frozen=True)
class Directions:
    """The rows `rows` int64 [n] of `embeddings` [N, d], an array or memory map of floats, and their `norms` [n]."""

    embeddings: np.ndarray
    rows: np.ndarray
    norms: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, places: np.ndarray) -> "Directions":
        """The directions at `places` (0..n-1)."""
        return Directions(self.embeddings, self.rows[places], self.norms[places])

    def read(self, places: np.ndarray, dtype: type[np.floating] = np.float32) -> np.ndarray:
        """The unit vectors at `places` (0..n-1), [len(places), d] of `dtype`."""
        rows = self.embeddings[self.rows[places]]
        # Divided in `dtype` or wider: float16 would lose half of the digits.
        wide = rows.astype(np.result_type(rows.dtype, dtype), copy=False)
        wide /= self.norms[places, None].astype(wide.dtype)
        return wide.astype(dtype, copy=False)


def directions(embeddings: np.ndarray, rows: np.ndarray | None = None) -> Directions:
    """The `rows` of `embeddings` (None: all), with norms from one pass over them.

    Raises UserError if one is not finite or zero.
    """
    rows = np.arange(len(embeddings)) if rows is None else np.asarray(rows, dtype=np.int64)
    norms = np.empty(len(rows))
    for part in chunks(np.arange(len(rows))):
        norms[part] = np.linalg.norm(embeddings[rows[part]].astype(np.float64), axis=1)
    bad = np.flatnonzero(~(np.isfinite(norms) & (norms > 0)))
    if bad.size:
        raise UserError(
            f"{bad.size} embeddings have no direction (NaN, infinite or all zero), the first in row {rows[bad[0]]}; "
            "delete the embeddings and encode again"
        )
    return Directions(embeddings, rows, norms)


def chunks(places: np.ndarray) -> Iterator[np.ndarray]:
    return (places[start : start + CHUNK] for start in range(0, len(places), CHUNK))


def sums_by_cluster(x: np.ndarray, cluster: np.ndarray, k: int) -> np.ndarray:
    """The sum of the rows [m, d] of each cluster 0..k-1, float64 [k, d]."""
    sums = torch.zeros(k, x.shape[1], dtype=torch.float64)
    return sums.index_add_(0, torch.from_numpy(cluster), torch.from_numpy(x).double()).numpy()
