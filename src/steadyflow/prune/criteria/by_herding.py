"""Kernel herding (Chen, Welling and Smola, UAI 2010): a subset whose mean matches that of all samples, in the feature
space of an RBF kernel.

The kernel exp(-|x - y|^2 / 2 s^2), with s the median distance, is approximated by the inner product of random Fourier
features (Rahimi and Recht, 2007), cosines and sines of random projections. These have unit norm, so each greedy pick

    argmax_x <phi(x), (t + 1) mean - sum of the t previous picks>

also minimises the distance between the two means (the MMD) over the choice of one sample.
"""

from collections.abc import Callable

import numpy as np

from steadyflow.ground.progress import progress
from steadyflow.prune.keyed import keyed_normal
from steadyflow.prune.picking import Features, Quota, group_quotas, int64, rows_by_group, shuffled_rows
from steadyflow.prune.quotas import proportional_quotas

_FREQUENCIES = 1024  # number of cosines, and of sines
_BLOCK = 4096  # candidates at a time; their Gram matrix takes 67 MB
_FOR_MEDIAN = 1024  # samples for the median distance


def herded_ids(ids: np.ndarray, features: Features, keep: int, seed: int) -> np.ndarray:
    """`keep` of `ids` [n] by kernel herding. Raises UserError if `keep` is outside 1..n."""
    return herded_in_groups(ids, np.zeros(len(ids), dtype=np.int64), features, keep, seed, quota="proportional")


def herded_in_groups(
    ids: np.ndarray, group: np.ndarray, features: Features, keep: int, seed: int, *, quota: Quota
) -> np.ndarray:
    """From each group, its quota by kernel herding inside the group, with a bandwidth of its own.

    `features` are read twice, `_BLOCK` rows at a time. Raises UserError if `keep` is below the number of groups that
    are not empty, or above n.
    """
    quotas = group_quotas(group, keep, quota)
    order = shuffled_rows(ids, seed, "herding order")
    normals = keyed_normal(seed, "herding frequencies", (features(order[:1]).shape[1], _FREQUENCIES))
    groups = [order[places] for places in rows_by_group(group[order])]
    picks = [herd(features, rows, keep, normals) for rows, keep in zip(groups, quotas.tolist(), strict=True) if keep]
    return np.sort(int64(ids)[np.concatenate(picks)])


def herd(features: Features, rows: np.ndarray, keep: int, normals: np.ndarray, *, block: int = _BLOCK) -> np.ndarray:
    """`keep` of `rows`, in the order of the picks; `normals` [d, D] are the frequencies before scaling.

    More rows than `block` are processed block by block. Each block has a proportional quota, and its picks approximate
    the mean of ALL rows, corrected for the deviation of earlier blocks. So time and memory are O(n x block) rather than
    O(n^2); `rows` should be in random order, so that blocks have similar distributions.
    """
    fourier = _fourier_features(features(rows[:_FOR_MEDIAN]), normals)
    blocks = np.array_split(rows, -(-len(rows) // block))
    mean = sum(fourier(features(part)).sum(axis=0, dtype=np.float64) for part in blocks) / len(rows)
    shares = proportional_quotas([len(part) for part in blocks], keep).tolist()
    picks, lacking = [], np.zeros_like(mean)
    visits = [(part, share) for part, share in zip(blocks, shares, strict=True) if share]
    for part, share in progress(visits, "herd", unit="block") if len(visits) > 1 else visits:
        values = fourier(features(part))
        chosen = _herd_block(values, mean, lacking, share)
        lacking += share * mean - values[chosen].sum(axis=0, dtype=np.float64)
        picks.append(part[chosen])
    return np.concatenate(picks)


def _herd_block(values: np.ndarray, mean: np.ndarray, lacking: np.ndarray, count: int) -> np.ndarray:
    """Greedily picks `count` rows of `values` float32 [b, 2D]; `lacking` [2D] is the deviation of earlier blocks' sum.

    With the Gram matrix precomputed, a pick takes b operations rather than b x 2D.
    """
    products = values @ values.T
    towards_mean = (values @ mean.astype(np.float32)).astype(np.float64)
    gain = (values @ (lacking + mean).astype(np.float32)).astype(np.float64)
    chosen = np.empty(count, dtype=np.int64)
    for place in range(count):
        pick = chosen[place] = gain.argmax()
        gain += towards_mean
        gain -= products[pick]
        gain[pick] = -np.inf
    return chosen


def _fourier_features(sample: np.ndarray, normals: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The map from features [m, d] to float32 [m, 2D] of unit norm; the bandwidth is from `sample` [s, d]."""
    # The kernel is invariant to shifts, and angles in float32 are more accurate without a common mean.
    centre = sample.mean(axis=0)
    frequencies = normals / np.float32(_median_distance(sample - centre))

    def fourier(points: np.ndarray) -> np.ndarray:
        angles = (points - centre) @ frequencies
        return np.concatenate([np.cos(angles), np.sin(angles)], axis=1) / np.float32(np.sqrt(normals.shape[1]))

    return fourier


def _median_distance(points: np.ndarray) -> float:
    """The median distance over all pairs of distinct points; 1 if there are none."""
    squares = np.square(points).sum(axis=1)
    pairs = (squares[:, None] + squares - 2 * points @ points.T)[np.triu_indices(len(points), 1)]
    # Excludes copies of a point, whose distance is not exactly 0.
    apart = pairs[pairs > 1e-6 * squares.max()]
    return float(np.sqrt(np.median(apart))) if apart.size else 1.0
