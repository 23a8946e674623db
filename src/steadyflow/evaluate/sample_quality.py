"""Quality and memorisation of the samples of a run or a mixture of runs in one encoder: the stage measure_quality."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from steadyflow.evaluate.estimate import Estimate, generator
from steadyflow.evaluate.frechet import relative_bias, samples_per_dimension_for_infinity
from steadyflow.evaluate.metrics import Metric, interval
from steadyflow.evaluate.neighbours import kept_ratio, memorisation_ratio
from steadyflow.evaluate.quality import Reference, quality
from steadyflow.evaluate.rows import FeatureRows, Rows, mixed, with_features

LARGE_BIAS = 0.05
"""Of the features' variance: a Fréchet distance with a larger bias has a note."""


def quality_metrics(
    samples: Sequence[np.ndarray],
    embeddings: np.ndarray,
    *,
    reference: Reference,
    training: np.ndarray | None,
    kept: np.ndarray | None = None,
    sampled: str,
    protocol: str,
    fields: Mapping[str, Any],
    seed: int,
    num_classes: int = 1,
) -> list[Metric]:
    """The metrics of `quality` relative to the validation images, and those of `memorisation`.

    samples: features [n, d] of each run's samples; those of several runs are mixed in equal parts
    embeddings: features [N, d] of the dataset's images, row = id
    reference: of the validation images
    training: ids int64 of the training images; None for a mixture or a run of another dataset, for which memorisation
        is not measured
    kept: ids of the images that the run was trained on, None for all of `training`
    sampled, protocol: short descriptions of sampling and encoder
    fields: dataset, run, encoder, seed (of the noise) and hashes of every metric
    seed: of the resampling for intervals, and of draws to equal sizes
    num_classes: of the dataset, as in `estimate.groups_of`

    Raises UserError as `quality` and `memorisation` do.
    """
    features, validation = with_features(mixed(samples), num_classes=num_classes), reference.rows
    common = {**fields, "reference": "", "n": len(features)}
    against = f"{sampled}; {protocol}; against the {len(validation)} validation images"
    few = few_images(fields["encoder"], features, validation)
    notes = {"fd": few, "fd_infinity": few_for_infinity(fields["encoder"], features) or few}
    metrics = [
        Metric(**common, metric=metric, protocol=against, note=notes.get(metric, ""), **interval(value))
        for metric, value in quality(features, reference).items()
    ]
    if training is None:
        return metrics
    found = memorisation(features, validation, embeddings, training, kept, seed)
    beside = f"{sampled}; {protocol}"
    return metrics + [
        Metric(**common, metric=name, protocol=beside, **interval(value)) for name, value in found.items()
    ]


def few_images(encoder: str, features: Rows, validation: Rows) -> str:
    """A note if the Fréchet distance has a bias of more than LARGE_BIAS of the features' variance; otherwise ""."""
    counts, dimensions = (len(features), len(validation)), features.shape[1]
    bias = relative_bias(dimensions, *counts)
    if bias <= LARGE_BIAS:
        return ""
    return (
        f"{encoder}: only {min(counts):,} images for {dimensions:,} dimensions, so FD is too large by up to "
        f"{100 * bias:.0f}% of the features' variance"
    )


def few_for_infinity(encoder: str, features: Rows) -> str:
    """A note if there are too few samples for an interval of FD∞; otherwise ""."""
    n, dimensions = features.shape[:2]
    needed = samples_per_dimension_for_infinity(dimensions)
    if n >= dimensions * needed:
        return ""
    return (
        f"{encoder}: FD∞ has no interval, for it is biased: {n:,} samples are {n / dimensions:.1f} times the "
        f"{dimensions:,} dimensions, and it takes {needed:.1f} times"
    )


def memorisation(
    features: FeatureRows,
    validation: Rows,
    embeddings: np.ndarray,
    training: np.ndarray,
    kept: np.ndarray | None,
    seed: int,
) -> dict[str, Estimate]:
    """`nn_ratio` (`memorisation_ratio`), and for a run on a subset `kept_ratio`, with equally many kept and dropped
    images. Raises UserError as the two functions do."""
    seen = with_features(embeddings, training if kept is None else kept)
    found = {"nn_ratio": memorisation_ratio(features, validation, seen, seed=seed)}
    if kept is None:
        return found
    unseen = with_features(embeddings, np.setdiff1d(training, kept))
    size = min(len(seen), len(unseen))
    if size:
        drawn = [FeatureRows(each.array, generator(seed).permutation(each.rows)[:size]) for each in (seen, unseen)]
        found["kept_ratio"] = kept_ratio(features, *drawn)
    return found
