"""Nearest neighbours, and what they say about memorisation."""

import numpy as np

from steadyflow.artifacts import UserError
from steadyflow.evaluate.distances import points
from steadyflow.evaluate.estimate import Estimate, generator, percentile_interval, resampling_weights
from steadyflow.evaluate.knn import nearest_in
from steadyflow.evaluate.rows import Rows


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
    return Estimate(float(generated.mean() / real.mean()), *percentile_interval(draws))


def _resampled_means(rng: np.random.Generator, values: np.ndarray, repeats: int) -> np.ndarray:
    # A few at a time: the weights of 1,000 resamples of 50,000 rows are 400 MB.
    parts = (resampling_weights(rng, len(values), min(50, repeats - start)) for start in range(0, repeats, 50))
    return np.concatenate([part @ values for part in parts]) / len(values)
