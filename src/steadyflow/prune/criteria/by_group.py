"""Criteria by group: a cluster, or a value of an attribute. `ids` and `group` are [n]."""

from collections.abc import Sequence

import numpy as np

from steadyflow.ground.artifacts import UserError
from steadyflow.prune.keyed import keyed_permutation
from steadyflow.prune.picking import Quota, first_of_each, group_quotas, int64, shuffled_rows


def ranked_in_groups(
    ids: np.ndarray, group: np.ndarray, distance: np.ndarray, keep: int, *, quota: Quota, furthest: bool
) -> np.ndarray:
    """From each group, its quota of samples nearest to (or furthest from) its centre.

    `distance` [n] is that to the own centre; of equal distances the lower id is kept. Raises UserError if `keep` is
    below the number of groups that are not empty, or above n.
    """
    order = np.lexsort((ids, -distance if furthest else distance))
    return first_of_each(ids, group, group_quotas(group, keep, quota), order)


def random_in_groups(
    ids: np.ndarray, group: np.ndarray, keep: int, seed: int, *, quota: Quota, purpose: str
) -> np.ndarray:
    """From each group, its quota at random; samples of unknown group (-1) are never kept.

    `purpose` makes the draws of different criteria with one seed independent. Raises UserError as `ranked_in_groups`,
    with n the number of samples of known group.
    """
    ids, group = _known(ids, group)
    return first_of_each(ids, group, group_quotas(group, keep, quota), shuffled_rows(ids, seed, purpose))


def group_ids(ids: np.ndarray, group: np.ndarray, value: int) -> np.ndarray:
    """All samples of one group. Raises UserError if there are none."""
    kept = int64(ids)[group == value]
    if not kept.size:
        raise UserError("no training image has this value of the attribute; choose another")
    return np.sort(kept)


def without_groups(ids: np.ndarray, group: np.ndarray, drop: int | Sequence[int], seed: int) -> np.ndarray:
    """All samples but those of whole groups: `drop` random groups, or the listed ones.

    Raises UserError if a listed group is empty, or if no group would be left.
    """
    occupied = np.unique(group)
    if isinstance(drop, int):
        chosen = occupied[keyed_permutation(seed, "drop clusters", len(occupied))][:drop]
    else:
        chosen = np.asarray(drop, dtype=np.int64)
        missing = np.setdiff1d(chosen, occupied)
        if missing.size:
            raise UserError(f"drop: no sample is in cluster {missing[0]}; leave it out of the list")
    kept = np.sort(int64(ids)[~np.isin(group, chosen)])
    if not kept.size:
        raise UserError(f"drop: all {len(occupied)} clusters that have samples are dropped; drop fewer")
    return kept


def oversampled_ids(ids: np.ndarray, group: np.ndarray, seed: int, *, purpose: str) -> np.ndarray:
    """All samples of known group, repeated until each group is as large as the largest.

    Inside a group, counts differ by at most one; which samples have the higher count is random.
    """
    ids, group = _known(ids, group)
    sizes = np.bincount(group)
    times, more = np.divmod(sizes.max(), np.maximum(sizes, 1))
    once_more = first_of_each(ids, group, more, shuffled_rows(ids, seed, purpose))
    return np.sort(np.concatenate([np.repeat(ids, times[group]), once_more]))


def _known(ids: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    known = np.asarray(group) >= 0
    if not known.any():
        raise UserError("no sample's group is known; choose an attribute that the dataset has values of")
    return int64(ids)[known], np.asarray(group)[known]
