"""How alike the samples of two runs are when they share x0, and when they do not: the stage measure_similarity."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from steadyflow.evaluate.estimate import mean_with_interval
from steadyflow.evaluate.metrics import Metric, interval, similarity_fields
from steadyflow.evaluate.rows import with_features
from steadyflow.evaluate.sample_fairness import ImageAttributes
from steadyflow.evaluate.similarity import (
    Noises,
    matched_values,
    pair_distance,
    pair_histogram,
    pair_similarity,
    require_shared_noises,
    unmatched_by_row,
    unmatched_within,
)
from steadyflow.ground.artifacts import UserError
from steadyflow.ground.constants import VALIDATION_IMAGES, sample_labels

EDGES = np.linspace(-1, 1, 201)
"""Of the histograms of cosines."""

Class = tuple[str, str]
"""(the run that it is of, or "" for all; its name)."""


@dataclass(frozen=True)
class Samples:
    """What one sampling of one run left.

    protocol: how it was sampled, in a few words
    weights_hash, num_classes: of the run; 0 classes of an unconditional one
    seed: of the noises
    latents: [n, ...]
    features: encoder -> [n, d]; rows of NaN where it finds nothing
    """

    run: str
    sampling: str
    protocol: str
    weights_hash: str
    num_classes: int
    seed: int
    latents: np.ndarray
    features: Mapping[str, np.ndarray]

    @property
    def noises(self) -> Noises:
        count, *shape = self.latents.shape
        return Noises(self.seed, count, tuple(shape))


@dataclass(frozen=True)
class Similarity:
    """Metrics, and a table for each encoder: run, reference, encoder, bin_low, bin_high, matched, unmatched."""

    metrics: list[Metric]
    histograms: list[pd.DataFrame]


def compare_samples(
    a: Samples,
    b: Samples,
    *,
    dataset: str,
    overlap: float | None = None,
    classes: Mapping[Class, np.ndarray] | None = None,
) -> Similarity:
    """`a` against the reference `b`: distances of latents, and cosines in each encoder that both have features of.

    overlap: Jaccard index of the two runs' training images, None where that means nothing
    classes: masks [n] of classes of `b`'s samples, within each of which similarity is measured too

    Raises UserError when the two were not sampled from the same noises, and when fewer than two pairs have features.
    """
    require_shared_noises((f"{a.run} {a.sampling}", f"{b.run} {b.sampling}"), (a.noises, b.noises))
    weights = {each.run: each.weights_hash for each in (a, b)}
    common: dict[str, Any] = {
        "dataset": dataset,
        "run": a.run,
        "reference": b.run,
        "protocol": f"{' against '.join(dict.fromkeys((a.protocol, b.protocol)))} from shared noise",
        "seed": a.seed,
        "hashes": " ".join(f"{run} {value}" for run, value in weights.items()),
    }
    latents = similarity_fields(pair_distance(np.array(a.latents), np.array(b.latents)), "latent_l2")
    n = len(a.latents)
    metrics = [Metric(**common, encoder="latent", n=n, metric=name, **fields) for name, fields in latents.items()]
    if overlap is not None:
        metrics.append(Metric(**common, n=n, metric="overlap", encoder="", value=overlap))
    histograms = []
    for encoder in a.features:
        fields, bins = _in_features(a, b, encoder, classes or {})
        metrics += [Metric(**common, encoder=encoder, **each) for each in fields]
        histograms.append(pd.DataFrame({"run": a.run, "reference": b.run, "encoder": encoder, **bins}))
    return Similarity(metrics, histograms)


def _in_features(
    a: Samples, b: Samples, encoder: str, classes: Mapping[Class, np.ndarray]
) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """Fields of a Metric each, and the histograms, of those pairs of which both have features: ArcFace gives none where
    it finds no face."""
    both = np.intersect1d(with_features(a.features[encoder]).rows, with_features(b.features[encoder]).rows)
    if len(both) < 2:
        raise UserError(
            f"{a.run} against {b.run}: '{encoder}' has features of {len(both)} pairs of samples; name another encoder "
            "in similarity_encoders"
        )
    x, y = a.features[encoder][both], b.features[encoder][both]
    found = similarity_fields(pair_similarity(x, y, both), "cosine")
    if a.num_classes and a.num_classes == b.num_classes:
        # Sample i of a conditional run is of class i modulo their number.
        found["cosine_unmatched_same_class"] = interval(
            unmatched_within(x, y, sample_labels(both, a.num_classes), both)
        )
    fields = [{"metric": metric, "n": len(both), **each} for metric, each in found.items()]
    matched, unmatched = pair_histogram(x, y, EDGES)
    bins = {"bin_low": EDGES[:-1], "bin_high": EDGES[1:], "matched": matched, "unmatched": unmatched}
    return fields + _by_class(a.run, x, y, both, classes), bins


def _by_class(
    run: str, x: np.ndarray, y: np.ndarray, noises: np.ndarray, classes: Mapping[Class, np.ndarray]
) -> list[dict[str, Any]]:
    """Similarity where the reference's sample is of a class, matched and to all others of the run's samples: what
    removing a mode from training changes."""
    found, fields = {"matched": matched_values(x, y), "unmatched": unmatched_by_row(x, y)}, []
    for (of_run, name), mask in classes.items():
        here = mask[noises]
        if of_run in ("", run) and here.sum() >= 2:
            for part, values in found.items():
                mean = interval(mean_with_interval(values[here], noises[here]))
                spread = {"n": int(here.sum()), "sd": values[here].std(ddof=1)}
                fields.append({"metric": f"cosine_{part}[{name}]", **spread, **mean})
    return fields


def attribute_classes(
    classifiers: Mapping[str, ImageAttributes], modes: Mapping[str, tuple[str, str]]
) -> dict[Class, np.ndarray]:
    """Classes of samples by their attributes, as each of `classifiers` predicts them -> mask [n].

    `classifier.attribute=value` of every value; `kept mode` and `removed mode` of a run of `modes` (run -> attribute
    and the only value that it was trained on), by the first classifier that predicts its attribute.
    """
    masks: dict[Class, np.ndarray] = {}
    for classifier, attributes in reversed(list(classifiers.items())):
        for attribute, names in attributes.values.items():
            codes = attributes.codes[attribute]
            masks |= {("", f"{classifier}.{attribute}={name}"): codes == code for code, name in enumerate(names)}
            for run, (of_run, value) in modes.items():
                if of_run == attribute and value in names:
                    kept = codes == names.index(value)
                    masks |= {(run, "kept mode"): kept, (run, "removed mode"): (codes >= 0) & ~kept}
    return masks


def floor_metric(embeddings: np.ndarray, validation: np.ndarray, *, dataset: str, encoder: str) -> Metric:
    """How alike two different held-out images are: `embeddings` [N, d] by id, `validation` ids int64."""
    rows = with_features(embeddings, validation)
    real = rows[np.arange(len(rows))]
    return Metric(
        dataset=dataset,
        run=VALIDATION_IMAGES,
        reference=VALIDATION_IMAGES,
        metric="cosine_unmatched",
        encoder=encoder,
        protocol="all pairs of validation images",
        n=len(real),
        seed=0,
        **similarity_fields(pair_similarity(real, real), "cosine")["cosine_unmatched"],
    )


def histograms_table(histograms: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """All histograms as one table; without columns where there are none."""
    return pd.concat(histograms, ignore_index=True) if histograms else pd.DataFrame()
