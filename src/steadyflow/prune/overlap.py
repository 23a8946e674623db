"""The overlap of subsets."""

from collections.abc import Mapping

import numpy as np


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Jaccard index |a and b| / |a or b| in [0, 1] of two arrays of distinct ids, not both empty."""
    shared = np.intersect1d(a, b, assume_unique=True).size
    return shared / (len(a) + len(b) - shared)


def overlaps(subsets: Mapping[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """The Jaccard index of each subset with every other: symmetric, without the diagonal."""
    table: dict[str, dict[str, float]] = {name: {} for name in subsets}
    names = list(subsets)
    for place, a in enumerate(names):
        for b in names[:place]:
            table[a][b] = table[b][a] = overlap(subsets[a], subsets[b])
    return table
