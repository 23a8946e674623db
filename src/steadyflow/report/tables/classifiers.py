"""How often each classifier is right about held-out images, and the balance of the training images by it and by their
labels."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from steadyflow.claims.classifiers import SKILL, is_trusted
from steadyflow.evaluate.metrics import Metric, describe, metric_or_none
from steadyflow.ground.constants import LABELS, TRAINING_DATA, VALIDATION_IMAGES
from steadyflow.report.columns import assemble, measured_column, text_column, words
from steadyflow.report.numbers import INTERVALS, NOTHING, value_alone, with_interval
from steadyflow.report.typeset import Table

TITLE = "What the classifiers are worth"
CATEGORY = "Fairness"
NEEDS = "runs and classifiers"


def table(fairness: pd.DataFrame, attributes: Mapping[str, Sequence[str]]) -> Table:
    """A row for each classifier and attribute that it predicts; dashes where the dataset has no such labels."""
    predicted = [(classifier, attribute) for classifier, names in attributes.items() for attribute in names]

    def measured(metric: str, images: str, reference: str, classifier: str = "") -> list[Metric]:
        """`metric` of each attribute, by its own classifier, or another."""
        found = [
            metric_or_none(fairness, f"{metric}_{name}", images, reference, classifier or by) for by, name in predicted
        ]
        return [replace(each, metric=metric) for each in found]

    accuracy, chance = (measured(metric, VALIDATION_IMAGES, LABELS) for metric in ("accuracy", "chance"))
    trusted = [is_trusted(a, c) if a.n else None for a, c in zip(accuracy, chance, strict=True)]
    caption = (
        "Accuracy on held-out images with labels, beside chance, the share of their most frequent value. Claims that "
        f"rest on a classifier that does not go {100 * SKILL:.0f}% of the way from chance to certainty, with the lower "
        "end of its interval, stay undecided. KL: divergence of the training images from uniform in nats, by the "
        "classifier and by their labels. A dash: the dataset has no labels of these values. "
        f"{INTERVALS} {describe([m for m in accuracy if m.n])}."
    )
    names = {True: "yes", False: "no", None: NOTHING}
    return assemble(
        TITLE,
        caption,
        text_column("Classifier", [by for by, _ in predicted], {"classifier": [by for by, _ in predicted]}),
        text_column(
            "Attribute", [words(name) for _, name in predicted], {"attribute": [name for _, name in predicted]}
        ),
        measured_column("Accuracy", accuracy, with_interval, decimals=3),
        measured_column("Chance", chance, value_alone, decimals=3),
        text_column("Trusted", [names[each] for each in trusted], {"trusted": [names[each] for each in trusted]}),
        *(
            measured_column(
                f"by {LABELS if by else 'classifier'}",
                measured("kl", TRAINING_DATA, "uniform", by),
                with_interval,
                group="KL to uniform (nats)",
                decimals=3,
                raw_suffix=f"_by_{by or 'classifier'}",
            )
            for by in ("", LABELS)
        ),
    )
