"""How often a classifier is right about held-out images: what its predictions on samples are worth."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from steadyflow.evaluate.estimate import proportion_with_interval
from steadyflow.evaluate.metrics import NAN, Metric, interval
from steadyflow.evaluate.sample_fairness import Codes, ImageAttributes
from steadyflow.ground.constants import LABELS, VALIDATION_IMAGES


def accuracy_metrics(predicted: ImageAttributes, labels: ImageAttributes, fields: Mapping[str, Any]) -> list[Metric]:
    """`accuracy_{attribute}` of held-out images, and `chance_{attribute}`, the accuracy of
    always predicting the most frequent value; of every attribute whose values are those of the dataset's own labels.

    predicted, labels: of the same held-out images; those whose value is unknown in either are left out
    fields: dataset, encoder (the classifier) and seed of every metric
    """
    metrics = []
    for attribute, values in predicted.values.items():
        if sorted(labels.values.get(attribute, ())) != sorted(values):
            continue
        guessed, true = predicted.codes[attribute], in_order(labels, attribute, list(values))
        known = (guessed >= 0) & (true >= 0)
        if not known.any():
            continue
        metric = Metric(
            **fields,
            run=VALIDATION_IMAGES,
            reference=LABELS,
            metric=f"accuracy_{attribute}",
            protocol=f"held-out images, {int((~known).sum())} unknown",
            n=int(known.sum()),
            hashes=f"classifier {predicted.hash} labels {labels.hash}",
            **interval(proportion_with_interval(int((guessed == true)[known].sum()), int(known.sum()))),
        )
        most = float(np.bincount(true[known]).max() / known.sum())
        metrics += [metric, replace(metric, metric=f"chance_{attribute}", value=most, ci_low=NAN, ci_high=NAN)]
    return metrics


def in_order(labels: ImageAttributes, attribute: str, values: list[str]) -> Codes:
    """The codes [n] of an attribute in another order of its `values`; -1 stays unknown."""
    # The last entry is that of -1.
    table = np.array([*(values.index(value) for value in labels.values[attribute]), -1])
    return table[labels.codes[attribute]]
