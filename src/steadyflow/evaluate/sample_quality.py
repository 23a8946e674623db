"""How good and how new the samples of a run, or of a mixture of runs, are in one encoder: the stage measure_quality."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from steadyflow.evaluate.estimate import Estimate, generator
from steadyflow.evaluate.metrics import Metric, interval
from steadyflow.evaluate.neighbours import kept_ratio, memorisation_ratio
from steadyflow.evaluate.quality import Reference, quality
from steadyflow.evaluate.rows import FeatureRows, Rows, mixed, with_features


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
) -> list[Metric]:
    """All metrics of `quality` against the validation images, and those of `memorisation`.

    samples: features [n, d] of each run's samples; several runs make a mixture of equal parts
    embeddings: features [N, d] of the dataset's images, row = id
    reference: of the validation images among them
    training: ids int64 of the training images; None for what has none here: a mixture, or a run of another dataset.
        Then memorisation is not measured
    kept: ids of the images that the run was trained on, None for all of `training`
    sampled, protocol: how samples and features were made, in a few words
    fields: dataset, run, encoder, seed (of the noise) and hashes of every metric
    seed: of what is resampled for intervals, or drawn to equal sizes

    Raises UserError as `quality` and `memorisation`.
    """
    features, held_out = with_features(mixed(samples)), reference.rows
    common = {**fields, "reference": "", "n": len(features)}
    against = f"{sampled}; {protocol}; against the {len(held_out)} validation images"
    few = few_images(fields["encoder"], features, held_out)
    metrics = [
        Metric(
            **common, metric=metric, protocol=against, note=few if metric.startswith("fd") else "", **interval(value)
        )
        for metric, value in quality(features, reference).items()
    ]
    if training is None:
        return metrics
    found = memorisation(features, held_out, embeddings, training, kept, seed)
    beside = f"{sampled}; {protocol}"
    return metrics + [
        Metric(**common, metric=name, protocol=beside, **interval(value)) for name, value in found.items()
    ]


def few_images(encoder: str, features: Rows, held_out: Rows) -> str:
    """A note where covariances have to be singular: the distance is right, and far from that of many samples."""
    few, dimensions = min(len(features), len(held_out)), features.shape[1]
    return f"{encoder}: only {few} images for {dimensions} dimensions" if few <= dimensions else ""


def memorisation(
    features: FeatureRows,
    held_out: Rows,
    embeddings: np.ndarray,
    training: np.ndarray,
    kept: np.ndarray | None,
    seed: int,
) -> dict[str, Estimate]:
    """`nn_ratio`: nearness to the training images against that of held-out images. `kept_ratio`: against that to as
    many images that were pruned away, for a run that has them. Raises UserError as both of these."""
    seen = with_features(embeddings, training if kept is None else kept)
    found = {"nn_ratio": memorisation_ratio(features, held_out, seen, seed=seed)}
    if kept is None:
        return found
    unseen = with_features(embeddings, np.setdiff1d(training, kept))
    size = min(len(seen), len(unseen))
    if size:
        drawn = [FeatureRows(each.array, generator(seed).permutation(each.rows)[:size]) for each in (seen, unseen)]
        found["kept_ratio"] = kept_ratio(features, *drawn)
    return found
