"""Criteria by other subsets or a list. All ids are increasing; those of a list may repeat."""

from collections.abc import Sequence
from functools import reduce

import numpy as np

from steadyflow.ground.artifacts import UserError
from steadyflow.prune.picking import int64


def listed_ids(listed: np.ndarray) -> np.ndarray:
    """The ids of the list."""
    return np.sort(int64(listed))


def intersection_ids(members: Sequence[np.ndarray]) -> np.ndarray:
    """The intersection of all `members`, each id once. Raises UserError if it is empty."""
    kept = reduce(np.intersect1d, members)
    if not kept.size:
        raise UserError("the subsets have no sample in common; intersect others")
    return int64(kept)


def complement_ids(ids: np.ndarray, members: Sequence[np.ndarray]) -> np.ndarray:
    """The `ids` in none of the `members`. Raises UserError if there are none."""
    kept = np.setdiff1d(ids, np.concatenate(members))
    if not kept.size:
        raise UserError("the subset holds every sample; nothing is left over")
    return int64(kept)
