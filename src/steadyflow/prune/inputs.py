"""Tables and arrays of other stages in the order of the training images' ids, int64 [n], increasing."""

from pathlib import Path

import numpy as np
import pandas as pd

from steadyflow.ground.artifacts import UserError
from steadyflow.prune.picking import Features


def aligned(path: Path | str, ids: np.ndarray) -> pd.DataFrame:
    """A table with one row per id, in the order of `ids`. Raises UserError if it has other ids."""
    table = pd.read_parquet(path).sort_values("id")
    if not np.array_equal(table["id"], ids):
        raise UserError(
            f"{path}: is not of the dataset's {len(ids)} training images; delete it and run its stage again"
        )
    return table


def flattened(array: np.ndarray, ids: np.ndarray) -> Features:
    """Features from an array [N, ...] with row = id, such as latents, flattened."""

    def features(rows: np.ndarray) -> np.ndarray:
        points = array[ids[rows]].reshape(len(rows), -1).astype(np.float32)
        bad = ~np.isfinite(points).all(axis=1)
        if bad.any():
            raise UserError(f"the features of id {ids[rows][bad][0]} are not finite; delete them and encode again")
        return points

    return features


def unit_length(array: np.ndarray, ids: np.ndarray) -> Features:
    """Features from an array [N, d] with row = id, such as embeddings, normalised to L2 norm 1."""
    flat = flattened(array, ids)

    def features(rows: np.ndarray) -> np.ndarray:
        points = flat(rows)
        norm = np.linalg.norm(points, axis=1, keepdims=True)
        if not norm.all():
            raise UserError(f"the embedding of id {ids[rows][norm[:, 0] == 0][0]} is zero, and has no direction")
        return points / norm

    return features
