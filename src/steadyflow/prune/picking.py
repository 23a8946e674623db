"""Functions shared by criteria: checks of `keep`, quotas of groups, and the first rows of each group.

A group is a cluster or a value of an attribute: `group` int64 [n] in 0..k-1, or -1 where it is unknown.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np

from steadyflow.ground.artifacts import UserError
from steadyflow.prune.keyed import keyed_permutation
from steadyflow.prune.quotas import balanced_quotas, proportional_quotas

Features = Callable[[np.ndarray], np.ndarray]
"""Function from rows, int64 [m] in 0..n-1, to their features float32 [m, d], read from a memory map."""

Quota = Literal["proportional", "balanced"]


def int64(ids: np.ndarray) -> np.ndarray:
    return np.asarray(ids, dtype=np.int64)


def check_keep(keep: int, n: int) -> None:
    """Raises UserError unless `keep` is in 1..n."""
    if not 1 <= keep <= n:
        raise UserError(f"cannot keep {keep} of {n} samples; choose pruning_fraction so that 1..{n} are kept")


def check_one_each(group: np.ndarray, keep: int) -> None:
    """Raises UserError if `keep` is less than the number of groups that are not empty."""
    occupied = len(np.unique(group))
    if keep < occupied:
        raise UserError(
            f"pruning leaves fewer samples ({keep}) than clusters or attribute values need ({occupied}, one each); "
            f"lower pruning_fraction so that at least {occupied} are kept, or make fewer clusters"
        )


def group_quotas(group: np.ndarray, keep: int, quota: Quota) -> np.ndarray:
    """The number of samples to keep of each group, int64 [k]; no group may be unknown. Raises UserError as the two
    checks above."""
    check_keep(keep, len(group))
    check_one_each(group, keep)
    return (proportional_quotas if quota == "proportional" else balanced_quotas)(np.bincount(group), keep)


def shuffled_rows(ids: np.ndarray, seed: int, purpose: str) -> np.ndarray:
    """The rows 0..n-1 in a random order that depends on the set of `ids` [n], but not on their order."""
    by_id = np.argsort(ids, kind="stable")
    return by_id[keyed_permutation(seed, purpose, len(ids))]


def first_of_each(ids: np.ndarray, group: np.ndarray, quotas: np.ndarray, order: np.ndarray) -> np.ndarray:
    """The ids, increasing, of the first quotas[g] rows of each group g in the given `order` [n]."""
    grouped = order[np.argsort(group[order], kind="stable")]
    sizes = np.bincount(group, minlength=len(quotas))
    rank = np.arange(len(ids)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.sort(int64(ids)[grouped[rank < np.repeat(quotas, sizes)]])


def rows_by_group(group: np.ndarray) -> list[np.ndarray]:
    """The rows of each group 0..k-1, int64, increasing."""
    order = np.argsort(group, kind="stable")
    return np.split(order, np.cumsum(np.bincount(group))[:-1])
