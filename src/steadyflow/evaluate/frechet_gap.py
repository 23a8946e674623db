"""The train/held-out gap of the Frechet distance: whether samples are nearer to the images that were trained on."""

import numpy as np
from scipy import stats

from steadyflow.evaluate.estimate import GROUPS, Estimate, difference, generator
from steadyflow.evaluate.frechet import FeatureStatistics, feature_statistics, frechet_distance, frechet_with_interval
from steadyflow.evaluate.rows import Rows, chosen

PARTS = 4
"""Maximum number of disjoint draws of training images."""


def frechet_gap(features: Rows, held_out: Rows, training: Rows, *, seed: int = 0) -> Estimate | None:
    """The Frechet distance of samples' `features` [n, d] to held-out images, less that to as many training images: 0
    where samples are as near to both, above 0 where they are nearer to what was trained on.

    Both references have the same size, all of `held_out` [m, d] or half of `training` [N, d] if that is less, since a
    distance depends on it. The distance to training images is the mean over up to PARTS disjoint draws by `seed`, whose
    spread says how much the draw of a reference matters; held-out images are taken to vary as much. The 95% interval
    covers the sampling of samples (jackknife) and of both references, with Satterthwaite's degrees of freedom. None if
    a reference would have fewer than 2 images. Raises UserError as `frechet_with_interval`.
    """
    size = min(len(held_out), len(training) // 2)
    if size < 2:
        return None
    rng = generator(seed)
    order, places = rng.permutation(len(training)), rng.permutation(len(held_out))[:size]
    draws = [order[start : start + size] for start in range(0, len(order) - size + 1, size)][:PARTS]
    references = [feature_statistics(chosen(training, np.sort(draw))) for draw in draws]
    unseen = frechet_with_interval(features, feature_statistics(chosen(held_out, np.sort(places))))
    seen = frechet_with_interval(features, references[0])
    distances = [seen.value, *_distances(features, references[1:])]
    of_samples = difference(unseen, seen)
    value = unseen.value - float(np.mean(distances))
    replicates = np.array(of_samples.replicates) - of_samples.value + value
    sampled = float((GROUPS - 1) / GROUPS * np.square(replicates - replicates.mean()).sum())
    drawn = float(np.var(distances, ddof=1)) * (1 + 1 / len(draws))
    spread = sampled**2 / (GROUPS - 1) + drawn**2 / (len(draws) - 1)
    margin = float(stats.t.ppf(0.975, (sampled + drawn) ** 2 / spread)) * (sampled + drawn) ** 0.5 if spread else 0.0
    return Estimate(value, value - margin, value + margin, tuple(replicates.tolist()))


def _distances(features: Rows, references: list[FeatureStatistics]) -> list[float]:
    of_samples = feature_statistics(features)
    return [frechet_distance(each.mean, each.cov, of_samples.mean, of_samples.cov) for each in references]
