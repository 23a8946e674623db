"""The pruning criteria. Each is one function over plain arrays; kept ids are int64, sorted and unique.

| name in a study | function of | keeps |
|---|---|---|
| random | ids, keep, seed | a random subset; of one seed, the smaller lies inside the larger |
| random_half | ids, part, seed | half "a" or "b" of a random split |
| cluster_p, cluster_p_inv | ids, cluster, distance, keep | nearest to (furthest from) the centre, quota as size |
| cluster_b, cluster_b_inv | ids, cluster, distance, keep | the same under equal quotas |
| loss, loss_inv, grad, grad_inv | ids, score, keep | the highest (lowest) scores |
| attribute_value | ids, codes, value_code | the samples of one attribute value |
| attribute_balanced | ids, codes, keep, seed | equal quotas over attribute values, random inside |

The cluster criteria return (kept ids, quotas int64 [k]), all others the kept ids.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import numpy as np

from steadyflow.artifacts import UserError
from steadyflow.prune.keyed import keyed_permutation
from steadyflow.prune.quotas import balanced_quotas, proportional_quotas


def random_ids(ids: np.ndarray, keep: int, seed: int) -> np.ndarray:
    """`keep` of `ids` [n] at random, int64 [keep]; depends on the set of ids, not on their order.

    Raises UserError when `keep` is outside 1..n.
    """
    _check_keep(keep, len(ids))
    return np.sort(_shuffled(ids, seed, "random subset")[:keep])


def random_half(ids: np.ndarray, part: Literal["a", "b"], seed: int) -> np.ndarray:
    """Half of `ids` [n] at random: "a" has ceil(n/2) of them, "b" all the others. Raises UserError when n < 2."""
    if len(ids) < 2:
        raise UserError(f"cannot halve a dataset of {len(ids)} samples; at least 2 are needed")
    order, middle = _shuffled(ids, seed, "random halves"), -(-len(ids) // 2)
    return np.sort(order[:middle] if part == "a" else order[middle:])


def cluster_ids(
    ids: np.ndarray,
    cluster: np.ndarray,
    distance: np.ndarray,
    keep: int,
    *,
    quota: Literal["proportional", "balanced"],
    furthest: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """From each cluster its quota of the samples nearest to (or furthest from) the centre.

    `ids`, `cluster` (0..k-1) and `distance` are [n]; equal distances go to the lower id.
    Returns (kept ids int64 [keep], quotas int64 [k]). Raises UserError when `keep` is below the number of clusters
    that have samples, or above n.
    """
    sizes = np.bincount(cluster)
    occupied = int(np.count_nonzero(sizes))
    if keep < occupied:
        raise UserError(
            f"pruning leaves fewer samples ({keep}) than clusters need ({occupied}, one each); "
            f"lower pruning_fraction to {1 - occupied / len(ids):.4g} or less, or make fewer clusters"
        )
    quotas = (proportional_quotas if quota == "proportional" else balanced_quotas)(sizes, keep)
    order = np.lexsort((ids, -distance if furthest else distance))
    return _first_of_each(ids, cluster, quotas, order), quotas


def score_ids(ids: np.ndarray, score: np.ndarray, keep: int, *, lowest: bool) -> np.ndarray:
    """The `keep` samples of highest (or lowest) `score` [n], int64 [keep]; equal scores go to the lower id.

    Raises UserError when `keep` is outside 1..n or a score is not finite.
    """
    _check_keep(keep, len(ids))
    bad = np.asarray(ids)[~np.isfinite(score)]
    if bad.size:
        raise UserError(f"{bad.size} scores are not finite, the first of id {bad[0]}; delete the scores and run again")
    order = np.lexsort((ids, score if lowest else -score))
    return np.sort(_int64(ids)[order[:keep]])


def attribute_value_ids(ids: np.ndarray, codes: np.ndarray, value_code: int) -> np.ndarray:
    """All ids whose attribute has this value, int64; `codes` [n]. Raises UserError when there are none."""
    kept = _int64(ids)[codes == value_code]
    if not kept.size:
        known = ", ".join(str(code) for code in np.unique(codes))
        raise UserError(f"unknown attribute value {value_code} (known: {known})")
    return np.sort(kept)


def attribute_balanced_ids(ids: np.ndarray, codes: np.ndarray, keep: int, seed: int) -> np.ndarray:
    """Equal quotas over attribute values, random inside each, int64 [keep].

    `codes` [n] are 0..K-1; a sample whose value is unknown (-1) is never kept.
    Raises UserError when `keep` is outside 1..(number of known).
    """
    known = np.asarray(codes) >= 0
    ids, codes = _int64(ids)[known], np.asarray(codes)[known]
    _check_keep(keep, len(ids))
    by_id = np.argsort(ids, kind="stable")
    order = by_id[keyed_permutation(seed, "attribute balanced", len(ids))]
    return _first_of_each(ids, codes, balanced_quotas(np.bincount(codes), keep), order)


CRITERIA: dict[str, Callable[..., Any]] = {
    "random": random_ids,
    "random_half": random_half,
    "cluster_p": partial(cluster_ids, quota="proportional", furthest=False),
    "cluster_p_inv": partial(cluster_ids, quota="proportional", furthest=True),
    "cluster_b": partial(cluster_ids, quota="balanced", furthest=False),
    "cluster_b_inv": partial(cluster_ids, quota="balanced", furthest=True),
    "loss": partial(score_ids, lowest=False),
    "loss_inv": partial(score_ids, lowest=True),
    "grad": partial(score_ids, lowest=False),
    "grad_inv": partial(score_ids, lowest=True),
    "attribute_value": attribute_value_ids,
    "attribute_balanced": attribute_balanced_ids,
}


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Jaccard index |a and b| / |a or b| of two sets of ids, in [0, 1]; not both empty."""
    return np.intersect1d(a, b).size / np.union1d(a, b).size


def _int64(ids: np.ndarray) -> np.ndarray:
    return np.asarray(ids, dtype=np.int64)


def _shuffled(ids: np.ndarray, seed: int, purpose: str) -> np.ndarray:
    return np.sort(_int64(ids))[keyed_permutation(seed, purpose, len(ids))]


def _first_of_each(ids: np.ndarray, group: np.ndarray, quotas: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Walks the rows in `order` and keeps the first quotas[g] of each group g."""
    grouped = order[np.argsort(group[order], kind="stable")]
    sizes = np.bincount(group, minlength=len(quotas))
    rank = np.arange(len(ids)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.sort(_int64(ids)[grouped[rank < np.repeat(quotas, sizes)]])


def _check_keep(keep: int, n: int) -> None:
    if not 1 <= keep <= n:
        raise UserError(f"cannot keep {keep} of {n} samples; choose pruning_fraction so that 1..{n} are kept")
