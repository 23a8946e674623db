"""Samples that other subsets, or a list from elsewhere, name. All ids are rising; a list's may come repeatedly."""

from collections.abc import Sequence
from functools import reduce

import numpy as np

from steadyflow.ground.artifacts import UserError
from steadyflow.prune.picking import int64


def listed_ids(listed: np.ndarray) -> np.ndarray:
    """The list itself."""
    return np.sort(int64(listed))


def intersection_ids(members: Sequence[np.ndarray]) -> np.ndarray:
    """What all `members` have in common, each id once. Raises UserError when that is nothing."""
    kept = reduce(np.intersect1d, members)
    if not kept.size:
        raise UserError("the subsets have no sample in common; intersect others")
    return int64(kept)


def complement_ids(ids: np.ndarray, members: Sequence[np.ndarray]) -> np.ndarray:
    """What of `ids` is in none of the `members`. Raises UserError when that is nothing."""
    kept = np.setdiff1d(ids, np.concatenate(members))
    if not kept.size:
        raise UserError("the subset holds every sample; nothing is left over")
    return int64(kept)
