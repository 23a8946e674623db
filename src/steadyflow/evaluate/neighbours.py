"""Nearest neighbours, and what they say about memorisation."""

import numpy as np

from steadyflow.evaluate.distances import points
from steadyflow.evaluate.estimate import (
    GROUPS,
    Estimate,
    generator,
    jackknifed,
    mean_with_interval,
    percentile_interval,
    resampling_weights,
)
from steadyflow.evaluate.knn import nearest_in
from steadyflow.evaluate.rows import Rows, noise_indices
from steadyflow.ground.artifacts import UserError


def nearest_neighbours(queries: Rows, references: Rows, *, chunk: int = 1024) -> tuple[np.ndarray, np.ndarray]:
    """The nearest row of `references` [n, ...] to each of `queries` [m, ...]: (index int64 [m], L2 distance [m]).

    Exact; equal distances go to the lower index. Holds `chunk` rows of each side at once, so both may be memory maps.
    Raises UserError when one side is empty, dimensions differ, or a value is not finite.
    """
    if not len(queries) or not len(references) or queries.shape[1:] != references.shape[1:]:
        raise UserError(f"no neighbours between {list(queries.shape)} and {list(references.shape)}: not one space")
    there = points("references", references, chunk)
    found = nearest_in(points("queries", queries, chunk, there.centre), there)
    return found.index[:, 0], np.sqrt(found.squares[:, 0])


def memorisation_ratio(
    samples: Rows, held_out: Rows, training: Rows, *, repeats: int = 1000, seed: int = 0
) -> Estimate:
    """Mean distance of `samples` to their nearest `training` row, over that of `held_out` rows: 0 = copies, 1 = as new.

    All are [*, ...] in one space. The percentile bootstrap interval resamples samples and held-out rows, not the
    training. Raises UserError as `nearest_neighbours`, and when every held-out row is a training row.
    """
    _, generated = nearest_neighbours(samples, training)
    _, real = nearest_neighbours(held_out, training)
    if not real.any():
        raise UserError("every held-out row is a training row: name a split that was not trained on")
    rng = generator(seed)
    draws = _resampled_means(rng, generated, repeats) / _resampled_means(rng, real, repeats)
    without = mean_with_interval(generated, noise_indices(samples)).replicates
    low, high = percentile_interval(draws)
    return Estimate(float(generated.mean() / real.mean()), low, high, tuple(mean / real.mean() for mean in without))


def kept_ratio(samples: Rows, kept: Rows, dropped: Rows) -> Estimate:
    """Mean distance of `samples` to their nearest image of those `kept` for training, over that to those `dropped`.

    1: samples are as far from images never seen as from those trained on; below: they lean on what was seen. Both sets
    are [m, ...] of one size m, for the nearest of many is nearer. The interval is a delete-a-group jackknife over
    samples. Raises UserError when the sizes differ, at fewer than 2 GROUPS samples, and as `nearest_neighbours`.
    """
    if len(kept) != len(dropped):
        raise UserError(
            f"nearest of {len(kept)} kept and of {len(dropped)} dropped images: not comparable; draw as many"
        )
    (_, seen), (_, unseen) = nearest_neighbours(samples, kept), nearest_neighbours(samples, dropped)
    above, below = (mean_with_interval(distances, noise_indices(samples)) for distances in (seen, unseen))
    if not (above.replicates and below.value):
        raise UserError(f"a ratio of distances needs at least {2 * GROUPS} samples that are no dropped images")
    ratios = [a / b for a, b in zip(above.replicates, below.replicates, strict=True)]
    return jackknifed(above.value / below.value, ratios)


def _resampled_means(rng: np.random.Generator, values: np.ndarray, repeats: int) -> np.ndarray:
    # A few at a time: the weights of 1,000 resamples of 50,000 rows are 400 MB.
    some = (resampling_weights(rng, len(values), min(50, repeats - start)) for start in range(0, repeats, 50))
    return np.concatenate([weights @ values for weights in some]) / len(values)
