"""Divergence of images' attributes from uniform, and from the training data: the stage measure_fairness."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from steadyflow.evaluate.estimate import proportion_with_interval
from steadyflow.evaluate.fairness import kl_between, kl_with_interval
from steadyflow.evaluate.metrics import Metric, interval
from steadyflow.evaluate.rows import mixed
from steadyflow.ground.artifacts import UserError
from steadyflow.ground.constants import TRAINING_DATA

Codes = npt.NDArray[np.integer]


@dataclass(frozen=True)
class ImageAttributes:
    """Attributes of n images.

    codes: attribute -> [n], -1 if unknown
    values: attribute -> names of its values, in the order of their codes
    hash: of the classifier, or of the dataset for its own labels
    """

    codes: Mapping[str, Codes]
    values: Mapping[str, Sequence[str]]
    hash: str


def predicted_attributes(table: pd.DataFrame, sidecar: Mapping[str, Any]) -> ImageAttributes:
    """The output of the stage classify_images: a `table` with a column of codes per attribute, and its sidecar."""
    codes = {str(name): table[name].to_numpy() for name in table}
    return ImageAttributes(codes, sidecar["values"], sidecar["classifier_hash"])


def require_known(attributes: ImageAttributes, path: str, classifier: str) -> None:
    """Raises UserError naming the file and the kind of classifier if an attribute is unknown for all images."""
    for name, codes in attributes.codes.items():
        if not (codes >= 0).any():
            raise UserError(
                f"{path}: '{name}' is unknown of all {len(codes)} images, so there is nothing to measure; give the "
                f"classifier ({classifier}) words or prompts that fit, or leave the attribute out"
            )


def mixed_attributes(runs: Sequence[ImageAttributes]) -> ImageAttributes:
    """The attributes of a mixture of runs in equal parts (`rows.mixed`)."""
    return replace(runs[0], codes={name: mixed([run.codes[name] for run in runs]) for name in runs[0].codes})


def fairness_metrics(
    attributes: ImageAttributes,
    training: ImageAttributes | None = None,
    *,
    images: str,
    fields: Mapping[str, Any],
    seed: int,
    num_classes: int = 1,
) -> list[Metric]:
    """The divergence of each attribute from uniform, and from the `training` images if given, and the proportion of
    each of its values.

    images: short description of the images
    fields: dataset, run, encoder and seed (of the noise) of every metric
    seed: of the resampling for intervals
    num_classes: of the dataset, as in `estimate.groups_of`
    """
    metrics = []
    for attribute, codes in attributes.codes.items():
        values = attributes.values[attribute]
        resampled = {"seed": seed, "num_classes": num_classes}
        against = {"uniform": kl_with_interval(codes, len(values), **resampled)}
        if training is not None:
            against[TRAINING_DATA] = kl_between(codes, training.codes[attribute], len(values), **resampled)
        known = against["uniform"].known
        common = {
            **fields,
            "protocol": f"{images}, {len(codes) - known} unknown",
            "n": known,
            "hashes": f"classifier {attributes.hash}",
        }
        for reference, bias in against.items():
            metrics.append(Metric(**common, reference=reference, metric=f"kl_{attribute}", **interval(bias)))
        for code, value in enumerate(values):
            share = interval(proportion_with_interval(int((codes == code).sum()), known))
            metrics.append(Metric(**common, reference="", metric=f"share[{attribute}={value}]", **share))
    return metrics
