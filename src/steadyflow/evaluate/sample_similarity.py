"""Similarity of the samples of two runs for matched and unmatched pairs: the stage measure_similarity."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from steadyflow.evaluate.estimate import groups_of, mean_with_interval
from steadyflow.evaluate.metrics import Metric, interval, similarity_fields
from steadyflow.evaluate.rows import with_features
from steadyflow.evaluate.sample_fairness import ImageAttributes
from steadyflow.evaluate.similarity import (
    Noises,
    matched_values,
    pair_distance,
    pair_histogram,
    pair_similarity,
    replication,
    require_shared_noises,
    unmatched_by_row,
    unmatched_of,
    unmatched_within,
)
from steadyflow.ground.artifacts import UserError
from steadyflow.ground.constants import VALIDATION_IMAGES, sample_labels

EDGES = np.linspace(-1, 1, 201)
"""Edges of the bins of cosines' histograms."""

Class = tuple[str, str]
"""(run to which the class applies, "" for all; name of the class)."""


@dataclass(frozen=True)
class Samples:
    """The samples of one sampling of one run.

    protocol: short description of the sampling
    weights_hash, num_classes: of the run; 0 classes if unconditional
    seed: of the noises
    latents: [n, ...]
    features: encoder -> [n, d]; rows of NaN for images without features
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
    """Metrics, and histograms by encoder: run, reference, encoder, bin_low, bin_high, matched, unmatched."""

    metrics: list[Metric]
    histograms: list[pd.DataFrame]


def compare_samples(
    a: Samples,
    b: Samples,
    *,
    dataset: str,
    overlap: float | None = None,
    classes: Mapping[Class, np.ndarray] | None = None,
    num_classes: int = 1,
    of_null_model: bool = False,
) -> Similarity:
    """Compares `a` with the reference `b`: distances of latents, and cosines in the features of each encoder.

    overlap: Jaccard index of the two runs' training images, None if not defined
    classes: masks [n] of classes of `b`'s samples, for each of which similarity is measured too
    num_classes: of the dataset, as in `estimate.groups_of`
    of_null_model: whether encoders that have features of fewer than two pairs are left out, as one that finds no face
        in decoded noise; otherwise they are an error

    Raises UserError if the two do not share their noises, or if fewer than two pairs have features.
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
    n = len(a.latents)
    groups = groups_of(np.arange(n), num_classes)
    latents = similarity_fields(pair_distance(np.array(a.latents), np.array(b.latents), groups), "latent_l2")
    metrics = [Metric(**common, encoder="latent", n=n, metric=name, **fields) for name, fields in latents.items()]
    if overlap is not None:
        metrics.append(Metric(**common, n=n, metric="overlap", encoder="", value=overlap))
    histograms = []
    for encoder in a.features:
        if of_null_model and len(_with_both(a, b, encoder)) < 2:
            continue
        fields, bins = _in_features(a, b, encoder, groups, classes or {})
        metrics += [Metric(**common, encoder=encoder, **each) for each in fields]
        histograms.append(pd.DataFrame({"run": a.run, "reference": b.run, "encoder": encoder, **bins}))
    return Similarity(metrics, histograms)


def _with_both(a: Samples, b: Samples, encoder: str) -> np.ndarray:
    """Indices of the pairs of which both samples have features."""
    return np.intersect1d(with_features(a.features[encoder]).rows, with_features(b.features[encoder]).rows)


def _in_features(
    a: Samples, b: Samples, encoder: str, groups: np.ndarray, classes: Mapping[Class, np.ndarray]
) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """Fields of metrics, and histograms, of the pairs of which both samples have features."""
    both = _with_both(a, b, encoder)
    if len(both) < 2:
        raise UserError(
            f"{a.run} against {b.run}: '{encoder}' has features of {len(both)} pairs of samples; name another encoder "
            "in similarity_encoders"
        )
    x, y = a.features[encoder][both], b.features[encoder][both]
    found = similarity_fields(pair_similarity(x, y, groups[both]), "cosine")
    replicas = replication(x, y, groups[both])
    found |= {"rp": interval(replicas.share), "rp_threshold": {"value": replicas.threshold}}
    if a.num_classes and a.num_classes == b.num_classes:
        # Unmatched pairs of one class share their label, which raises their similarity.
        found["cosine_unmatched_same_class"] = interval(
            unmatched_within(x, y, sample_labels(both, a.num_classes), groups[both])
        )
    fields = [{"metric": metric, "n": len(both), **each} for metric, each in found.items()]
    matched, unmatched = pair_histogram(x, y, EDGES)
    bins = {"bin_low": EDGES[:-1], "bin_high": EDGES[1:], "matched": matched, "unmatched": unmatched}
    here = {which: mask[both] for which, mask in classes.items()}
    return fields + _by_class(a.run, x, y, groups[both], here), bins


def _by_class(
    run: str, x: np.ndarray, y: np.ndarray, groups: np.ndarray, classes: Mapping[Class, np.ndarray]
) -> list[dict[str, Any]]:
    """Mean similarity, matched and unmatched, of the pairs whose reference sample is of a class; shows the effect of
    removing a mode from training."""
    matched, unmatched, fields = matched_values(x, y), unmatched_by_row(x, y), []
    for (of_run, name), here in classes.items():
        if of_run in ("", run) and here.sum() >= 2:
            of_matched = mean_with_interval(matched[here], groups[here])
            of_unmatched = unmatched_of(x, y, here, groups)
            for part, values, mean in (("matched", matched, of_matched), ("unmatched", unmatched, of_unmatched)):
                spread = {"n": int(here.sum()), "sd": values[here].std(ddof=1)}
                fields.append({"metric": f"cosine_{part}[{name}]", **spread, **interval(mean)})
    return fields


def attribute_classes(
    classifiers: Mapping[str, ImageAttributes], modes: Mapping[str, tuple[str, str]]
) -> dict[Class, np.ndarray]:
    """Classes of samples by the attributes that `classifiers` predict -> mask [n].

    `classifier.attribute=value` for every value; `kept mode` and `removed mode` for the runs in `modes` (run ->
    attribute and the only value it was trained on), by the first classifier that predicts the attribute.
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
    """The mean cosine of two different validation images: `embeddings` [N, d] by id, `validation` ids int64."""
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
    """Concatenates the histograms; an empty table if there are none."""
    return pd.concat(histograms, ignore_index=True) if histograms else pd.DataFrame()
