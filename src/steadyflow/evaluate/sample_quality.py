"""Quality and memorisation of the samples of a run or a mixture of runs in one encoder: the stage measure_quality."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from steadyflow.evaluate.estimate import Estimate, generator
from steadyflow.evaluate.frechet import relative_bias, samples_per_dimension_for_infinity
from steadyflow.evaluate.frechet_gap import frechet_gap
from steadyflow.evaluate.memorisation import copy_shares, nearest_two
from steadyflow.evaluate.metrics import Metric, interval
from steadyflow.evaluate.neighbours import kept_ratio, ratio_to_held_out
from steadyflow.evaluate.quality import Reference, quality
from steadyflow.evaluate.rows import FeatureRows, chosen, mixed, noise_groups, with_features

WITHOUT_HELD_OUT = ("kept_ratio", "f_mem", "authenticity")
"""Measures of memorisation that held-out images do not enter."""


@dataclass(frozen=True)
class TrainedOn:
    """What a run was trained on, by ids of images int64.

    training: the training images of the dataset
    kept: those that the run was trained on, None for all
    held_out: held-out images of the same population as those, with which memorisation is compared; None if there are
        none, since held-out images of other modes are further from what was trained on whatever was learned
    """

    training: np.ndarray
    kept: np.ndarray | None
    held_out: np.ndarray | None


LARGE_BIAS = 0.05
"""Of the features' variance: a Fréchet distance with a larger bias has a note."""


def quality_metrics(
    samples: Sequence[np.ndarray],
    embeddings: np.ndarray,
    *,
    reference: Reference,
    trained_on: TrainedOn | None,
    sampled: str,
    protocol: str,
    fields: Mapping[str, Any],
    seed: int,
    num_classes: int = 1,
) -> list[Metric]:
    """The metrics of `quality`, and those of `memorisation`.

    samples: features [n, d] of each run's samples; those of several runs are mixed in equal parts
    embeddings: features [N, d] of the dataset's images, row = id
    reference: of the held-out images
    trained_on: None for a mixture or a run of another dataset, for which memorisation is not measured
    sampled, protocol: short descriptions of sampling and encoder
    fields: dataset, run, encoder, seed (of the noise) and hashes of every metric
    seed: of the resampling for intervals, and of draws to equal sizes
    num_classes: of the dataset, as in `estimate.groups_of`

    Raises UserError as `quality` and `memorisation` do.
    """
    features, encoder = with_features(mixed(samples), num_classes=num_classes), fields["encoder"]
    common = {**fields, "reference": "", "n": len(features)}
    n, dimensions = features.shape[:2]
    leaked = leak_note(encoder, reference)

    def metric(name: str, value: Estimate, images: int, against: str, *notes: str) -> Metric:
        few = few_images(encoder, n, images, dimensions) if name.startswith("fd") else ""
        if name == "fd_infinity":
            few = few_for_infinity(encoder, n, dimensions) or few
        protocols = "; ".join(filter(None, (sampled, protocol, against)))
        note = "; ".join(filter(None, (few, *notes)))
        return Metric(**common, metric=name, protocol=protocols, note=note, **interval(value))

    sizes = {"held-out": len(reference.rows), "training": reference.training.n}
    metrics = []
    for name, value in quality(features, reference).items():
        against = "training" if name == "fd_train" else "held-out"
        note = leaked if name == "fd" else ""
        metrics.append(metric(name, value, sizes[against], f"against the {sizes[against]} {against} images", note))
    if trained_on is None:
        return metrics
    found = memorisation(features, embeddings, trained_on, seed)
    held_out = len(trained_on.held_out) if trained_on.held_out is not None else 0
    population = f"{held_out} held-out images of the population" if held_out else ""
    smaller = min(held_out, len(trained_on.training if trained_on.kept is None else trained_on.kept) // 2)
    return metrics + [
        metric(name, value, smaller, "", "" if name in WITHOUT_HELD_OUT else population, leaked)
        for name, value in found.items()
    ]


def few_images(encoder: str, samples: int, images: int, dimensions: int) -> str:
    """A note if the Fréchet distance has a bias of more than LARGE_BIAS of the features' variance; otherwise ""."""
    bias = relative_bias(dimensions, samples, images)
    if bias <= LARGE_BIAS:
        return ""
    return (
        f"{encoder}: only {min(samples, images):,} images for {dimensions:,} dimensions, so FD is too large by up to "
        f"{100 * bias:.0f}% of the features' variance"
    )


def few_for_infinity(encoder: str, n: int, dimensions: int) -> str:
    """A note if there are too few samples for an interval of FD∞; otherwise ""."""
    needed = samples_per_dimension_for_infinity(dimensions)
    if n >= dimensions * needed:
        return ""
    return (
        f"{encoder}: FD∞ has no interval, for it is biased: {n:,} samples are {n / dimensions:.1f} times the "
        f"{dimensions:,} dimensions, and it takes {needed:.1f} times"
    )


def leak_note(encoder: str, reference: Reference) -> str:
    """A note if held-out images were trained on, so that they are no null of memorisation; otherwise ""."""
    count, of = len(reference.leaks), len(reference.rows)
    return f"{encoder}: {count} of {of} held-out images are also training images" if count else ""


def memorisation(
    features: FeatureRows, embeddings: np.ndarray, trained_on: TrainedOn, seed: int
) -> dict[str, Estimate]:
    """`copy_shares`; where held-out images of the population are there, `nn_ratio` (`memorisation_ratio`) and `fd_gap`
    (`frechet_gap`); and for a run on a subset `kept_ratio`, with equally many kept and dropped images.

    Raises UserError as these functions do.
    """
    kept = trained_on.kept
    seen = with_features(embeddings, trained_on.training if kept is None else kept)
    near, held_out = nearest_two(features, seen), None
    found: dict[str, Estimate] = {}
    if trained_on.held_out is not None:
        rows = with_features(embeddings, trained_on.held_out)
        held_out = rows, nearest_two(rows, seen)
        found["nn_ratio"] = ratio_to_held_out(near.first, held_out[1].first, noise_groups(features), seed=seed)
        gap = frechet_gap(features, rows, seen, seed=seed)
        found |= {} if gap is None else {"fd_gap": gap}
    found |= copy_shares(features, near, seen, held_out)
    if kept is None:
        return found
    unseen = with_features(embeddings, np.setdiff1d(trained_on.training, kept))
    size = min(len(seen), len(unseen))
    if size:
        drawn = [chosen(each, generator(seed).permutation(len(each))[:size]) for each in (seen, unseen)]
        found["kept_ratio"] = kept_ratio(features, *drawn)
    return found
