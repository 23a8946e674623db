"""Nearest neighbours, and measures of memorisation."""

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
from steadyflow.evaluate.rows import Rows, noise_groups
from steadyflow.ground.artifacts import UserError


def nearest_neighbours(queries: Rows, references: Rows, *, chunk: int = 1024) -> tuple[np.ndarray, np.ndarray]:
    """The nearest row of `references` [n, ...] to each of `queries` [m, ...]: (index int64 [m], L2 distance [m]).

    Exact; of equal distances the lower index. Errors as in `k_nearest`.
    """
    index, distance = k_nearest(queries, references, 1, chunk=chunk)
    return index[:, 0], distance[:, 0]


def k_nearest(queries: Rows, references: Rows, k: int, *, chunk: int = 1024) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest rows of `references` [n, ...] to each of `queries` [m, ...], the nearest first: (index int64 [m,
    k], L2 distance [m, k]).

    Exact; of equal distances the lower index first. `chunk` rows of each array are in memory at once. Raises UserError
    if one is empty, n < k, dimensions differ, or a value is not finite.
    """
    if 0 < len(references) < k:
        raise UserError(f"{k} nearest neighbours among {len(references)} rows: there have to be as many")
    if not len(queries) or not len(references) or queries.shape[1:] != references.shape[1:]:
        raise UserError(f"no neighbours between {list(queries.shape)} and {list(references.shape)}: not one space")
    there = points("references", references, chunk)
    found = nearest_in(points("queries", queries, chunk, there.centre), there, k)
    return found.index, np.sqrt(found.squares)


def memorisation_ratio(
    samples: Rows, validation: Rows, training: Rows, *, repeats: int = 1000, seed: int = 0
) -> Estimate:
    """Mean distance of `samples` to their nearest `training` row, over that of `validation` rows to theirs.

    0 for copies of training rows, 1 for samples as new as validation rows. All arrays are [*, ...] in one space. The
    percentile bootstrap interval resamples samples and validation rows, but not training rows. Raises UserError as
    `nearest_neighbours`, and if every validation row is a training row.
    """
    (_, generated), (_, real) = nearest_neighbours(samples, training), nearest_neighbours(validation, training)
    return ratio_to_held_out(generated, real, noise_groups(samples), repeats=repeats, seed=seed)


def ratio_to_held_out(
    generated: np.ndarray, real: np.ndarray, noises: np.ndarray, *, repeats: int = 1000, seed: int = 0
) -> Estimate:
    """`memorisation_ratio` of distances to the nearest training row: `generated` [n] of samples, whose noises are in
    the groups `noises` int64 [n], and `real` [m] of validation rows."""
    if not real.any():
        raise UserError("every validation row is a training row: name a split that was not trained on")
    rng = generator(seed)
    draws = _resampled_means(rng, generated, repeats) / _resampled_means(rng, real, repeats)
    without = mean_with_interval(generated, noises).replicates
    low, high = percentile_interval(draws)
    return Estimate(float(generated.mean() / real.mean()), low, high, tuple(mean / real.mean() for mean in without))


def kept_ratio(samples: Rows, kept: Rows, dropped: Rows) -> Estimate:
    """Mean distance of `samples` to their nearest row of `kept`, over that to their nearest row of `dropped`.

    1 if samples are as far from images pruned away as from those trained on, less than 1 if they are nearer to the
    latter. Both sets are [m, ...] with equal m, on which nearest distances depend. The interval is a delete-a-group
    jackknife over samples. Raises UserError if the sizes differ, for fewer than 2 GROUPS samples, and as
    `nearest_neighbours`.
    """
    if len(kept) != len(dropped):
        raise UserError(
            f"nearest of {len(kept)} kept and of {len(dropped)} dropped images: not comparable; draw as many"
        )
    (_, seen), (_, unseen) = nearest_neighbours(samples, kept), nearest_neighbours(samples, dropped)
    above, below = (mean_with_interval(distances, noise_groups(samples)) for distances in (seen, unseen))
    if not (above.replicates and below.value):
        raise UserError(f"a ratio of distances needs at least {2 * GROUPS} samples that are no dropped images")
    ratios = [a / b for a, b in zip(above.replicates, below.replicates, strict=True)]
    return jackknifed(above.value / below.value, ratios)


def _resampled_means(rng: np.random.Generator, values: np.ndarray, repeats: int) -> np.ndarray:
    # 50 at a time: the weights of 1,000 resamples of 50,000 rows take 400 MB.
    some = (resampling_weights(rng, len(values), min(50, repeats - start)) for start in range(0, repeats, 50))
    return np.concatenate([weights @ values for weights in some]) / len(values)
