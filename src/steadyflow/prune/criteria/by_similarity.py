"""Criteria by similarity to samples that are already kept. `ids` are [n]; `features` returns rows float32 [m, d]."""

import numpy as np

from steadyflow.ground.progress import progress
from steadyflow.prune.keyed import key
from steadyflow.prune.picking import Features, check_keep, check_one_each, int64, rows_by_group

_CHUNK = 4096  # rows of a cluster's similarity matrix in memory at once


def k_centre_ids(ids: np.ndarray, features: Features, keep: int, seed: int) -> np.ndarray:
    """Greedy k-centre: each pick is the sample furthest (L2) from all previous picks (Gonzalez, 1985).

    The first pick is random. The largest distance of a sample to its nearest pick is at most twice the optimum. Holds
    all features in memory; takes keep x n x d operations. Raises UserError if `keep` is outside 1..n.
    """
    check_keep(keep, len(ids))
    by_id = np.argsort(ids, kind="stable")
    points = features(by_id)
    # Distances are invariant to shifts, and |a|^2 + |b|^2 - 2ab is more accurate without a common mean.
    points = points - points.mean(axis=0)
    squares = np.square(points).sum(axis=1)
    # Initially all distances are maximal, and that of the first pick is larger still.
    distance = np.full(len(points), np.finfo(points.dtype).max)
    distance[key(seed, "first centre") % len(points)] = np.inf
    picks = np.empty(keep, dtype=np.int64)
    for place in progress(range(keep), "k-centre", unit="pick"):
        pick = picks[place] = distance.argmax()
        np.minimum(distance, squares + squares[pick] - 2 * (points @ points[pick]), out=distance)
        distance[pick] = -np.inf
    return np.sort(int64(ids)[by_id[picks]])


def deduplicated_ids(
    ids: np.ndarray, group: np.ndarray, distance: np.ndarray, features: Features, keep: int
) -> np.ndarray:
    """SemDeDup (Abbas et al., 2023): removes samples that are similar to one further from the centre of their cluster.

    Similarity is the cosine of features; `distance` [n] is that to the own centre. The paper's threshold is chosen such
    that `keep` samples are left; of equal similarities the lower id is kept. Raises UserError if `keep` is below the
    number of clusters that are not empty, or above n.
    """
    check_keep(keep, len(ids))
    check_one_each(group, keep)
    similarity = np.full(len(ids), -np.inf)
    for rows in rows_by_group(group):
        furthest_first = rows[np.lexsort((np.asarray(ids)[rows], -distance[rows]))]
        similarity[furthest_first] = _highest_cosine_before(features(furthest_first))
    return np.sort(int64(ids)[np.lexsort((ids, similarity))[:keep]])


def _highest_cosine_before(points: np.ndarray) -> np.ndarray:
    """The highest cosine of each row with a previous row, [n]; -inf for the first."""
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    highest = np.full(len(unit), -np.inf)
    for start in range(0, len(unit), _CHUNK):
        cosine = unit[start : start + _CHUNK] @ unit[: start + _CHUNK].T
        row, column = np.indices(cosine.shape, sparse=True)
        highest[start : start + _CHUNK] = np.where(column < row + start, cosine, -np.inf).max(axis=1)
    return highest
