"""Samples unlike those already chosen. `ids` are [n]; `features` gives rows of float32 [m, d]."""

import numpy as np

from steadyflow.ground.progress import progress
from steadyflow.prune.keyed import key
from steadyflow.prune.picking import Features, check_keep, check_one_each, int64, rows_by_group

_CHUNK = 4096  # rows whose similarities to the rest of a cluster are held at once


def k_centre_ids(ids: np.ndarray, features: Features, keep: int, seed: int) -> np.ndarray:
    """Greedy k-centre: each pick is the sample furthest (L2) from all picks before (Gonzalez, 1985).

    The first is drawn by `seed`; no sample is more than twice as far from its nearest pick as with the best choice of
    `keep` centres. Holds all features; takes keep x n x d operations. Raises UserError when `keep` is outside 1..n.
    """
    check_keep(keep, len(ids))
    by_id = np.argsort(ids, kind="stable")
    points = features(by_id)
    # Distances do not feel a shift, while |a|^2 + |b|^2 - 2ab loses digits to a common mean.
    points = points - points.mean(axis=0)
    squares = np.square(points).sum(axis=1)
    # Nothing is chosen yet: all are as far as can be, and the first, being further still, is picked first.
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
    """SemDeDup: inside each cluster, what is too like a sample further from the centre goes (Abbas et al., 2023).

    Likeness is the cosine of features, `distance` [n] that to the own centre. The paper's threshold becomes the one
    that leaves `keep` samples; at equal likeness the lower id stays. Raises UserError when `keep` is below the number
    of clusters that have samples, or above n.
    """
    check_keep(keep, len(ids))
    check_one_each(group, keep)
    likeness = np.full(len(ids), -np.inf)
    for rows in rows_by_group(group):
        furthest_first = rows[np.lexsort((np.asarray(ids)[rows], -distance[rows]))]
        likeness[furthest_first] = _highest_cosine_before(features(furthest_first))
    return np.sort(int64(ids)[np.lexsort((ids, likeness))[:keep]])


def _highest_cosine_before(points: np.ndarray) -> np.ndarray:
    """The highest cosine of each row to a row before it, [n]; -inf for the first."""
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    highest = np.full(len(unit), -np.inf)
    for start in range(0, len(unit), _CHUNK):
        cosine = unit[start : start + _CHUNK] @ unit[: start + _CHUNK].T
        row, column = np.indices(cosine.shape, sparse=True)
        highest[start : start + _CHUNK] = np.where(column < row + start, cosine, -np.inf).max(axis=1)
    return highest
