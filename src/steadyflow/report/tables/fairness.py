"""KL divergence of each attribute of the samples, as each classifier perceives it, from the uniform distribution and
from the training data."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial

import pandas as pd

from steadyflow.evaluate.metrics import Metric, describe, find_metric, metric_or_none, no_metric
from steadyflow.ground.constants import LABELS, TRAINING_DATA, VALIDATION_IMAGES
from steadyflow.report.columns import assemble, measured_column, paper_columns, text_column, words
from steadyflow.report.numbers import INTERVALS, value_alone, with_interval
from steadyflow.report.paper import Printed, paper_value
from steadyflow.report.typeset import Table

TITLE = "Attribute balance of the samples"
CATEGORY = "Fairness"
NEEDS = "runs and classifiers"


def table(
    fairness: pd.DataFrame,
    labels: Mapping[str, str],
    attributes: Mapping[str, Sequence[str]],
    labelled_attributes: Collection[tuple[str, str]],
    paper_attributes: Mapping[str, str],
    paper: Printed,
) -> Table:
    """KL to uniform per classifier and attribute, of the training data and of every run (Table 1 of the second paper),
    and each run's KL to the training data.

    Metrics `kl_<attribute>` against `uniform` and `training_data`; their encoder is the classifier. `attributes`:
    classifier -> those it predicts. `labelled_attributes`: those (classifier, attribute) whose values are those of the
    dataset's own labels, which have a row then. `paper_attributes`: attribute -> the paper's quantity to show beside
    it, such as hair_colour -> kl_hair_color. The paper's column is headed with the paper's own attribute, since a
    nearby attribute is not the same one.
    """
    of_labels = [(TRAINING_DATA, LABELS, "Training data, labels")] if labelled_attributes else []
    rows = [*of_labels, *((run, "", label) for run, label in {TRAINING_DATA: "Training data", **labels}.items())]

    def measured(classifier: str, attribute: str, reference: str, run: str, by: str) -> Metric:
        """None where it would say nothing: the training data against themselves, labels of other values."""
        void = run == reference or (by == LABELS and (classifier, attribute) not in labelled_attributes)
        find = no_metric if void else partial(find_metric, fairness)
        return find(f"kl_{attribute}", run, reference, by or classifier)

    cells = {
        (classifier, reference, attribute): [measured(classifier, attribute, reference, run, by) for run, by, _ in rows]
        for classifier, of_classifier in attributes.items()
        for reference in ("uniform", TRAINING_DATA)
        for attribute in of_classifier
    }
    shows = {"uniform": with_interval, TRAINING_DATA: value_alone}
    quantities = dict.fromkeys(
        paper_attributes[attribute] for *_, attribute in cells if paper_attributes.get(attribute)
    )
    # How many of each set were unknown is for the metrics to say.
    described = [replace(m, protocol=m.protocol.partition(", ")[0]) for column in cells.values() for m in column if m.n]
    caption = (
        "KL divergence of the attribute's distribution, in nats: from the uniform one, where 0 is balanced, and from "
        "that of the training data, both as the same classifier predicts it; "
        f"images whose value is unknown to it are left out. {INTERVALS} {describe(described)}."
    )
    if right := _accuracies(fairness, attributes):
        caption += f" Right about held-out images, and the share of their most frequent value: {right}."
    printed = [
        column
        for quantity in quantities
        for column in paper_columns(
            words(quantity.removeprefix("kl_")),
            quantity,
            [paper_value(paper, quantity, run, "uniform") for run, *_ in rows],
            group=f"paper: KL, {paper.name}",
        )
    ]
    if printed:
        caption += " The paper's columns are of its own samples, attributes and classifier."
    return assemble(
        TITLE,
        caption,
        text_column(
            "Model",
            [label for *_, label in rows],
            {"run": [run for run, *_ in rows], "label": [label for *_, label in rows]},
        ),
        *(
            measured_column(
                words(attribute),
                column,
                shows[reference],
                group=f"KL to {words(reference)} (nats), {classifier}",
                decimals=3,
                raw_prefix=f"{classifier}_",
                raw_suffix=f"_to_{reference}",
            )
            for (classifier, reference, attribute), column in cells.items()
        ),
        *printed,
    )


def _accuracies(fairness: pd.DataFrame, attributes: Mapping[str, Sequence[str]]) -> str:
    """How often each classifier is right, in words: "" where no attribute has labels."""
    parts = []
    for classifier, of_classifier in attributes.items():
        for attribute in of_classifier:
            accuracy, chance = (
                metric_or_none(fairness, f"{kind}_{attribute}", VALIDATION_IMAGES, LABELS, classifier)
                for kind in ("accuracy", "chance")
            )
            if accuracy.n:
                parts.append(f"{words(attribute)} by {classifier} {accuracy.value:.0%} ({chance.value:.0%})")
    return "; ".join(parts)
