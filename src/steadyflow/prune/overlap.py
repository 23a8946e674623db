"""How much two subsets have in common."""

from collections.abc import Mapping

import numpy as np


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Jaccard index |a and b| / |a or b| of two sets of ids, in [0, 1]; not both empty."""
    return np.intersect1d(a, b).size / np.union1d(a, b).size


def overlaps(subsets: Mapping[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """The Jaccard index of each subset with every other: symmetric, without the diagonal."""
    table: dict[str, dict[str, float]] = {name: {} for name in subsets}
    names = list(subsets)
    for place, a in enumerate(names):
        for b in names[:place]:
            table[a][b] = table[b][a] = overlap(subsets[a], subsets[b])
    return table
