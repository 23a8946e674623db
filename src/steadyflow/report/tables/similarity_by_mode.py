"""Similarity to the model of all images where one mode alone was trained on, by the mode of the reference's sample."""

from collections.abc import Collection, Sequence

import pandas as pd

from steadyflow.evaluate.metrics import Metric, describe, metric_or_none
from steadyflow.report.columns import assemble, measured_column, text_column, words
from steadyflow.report.modes import Modes
from steadyflow.report.numbers import DEVIATIONS, with_sd
from steadyflow.report.shared_seeds import meaning_of_mark, with_mark
from steadyflow.report.typeset import Table

TITLE = "Similarity where one mode alone was trained on"
CATEGORY = "Stability"
NEEDS = "modes"


def table(
    similarity: pd.DataFrame,
    modes: Modes,
    reference: str,
    similarity_encoders: Sequence[str],
    shared_seeds: Collection[tuple[str, str]],
) -> Table:
    """The runs of `modes` against the `reference` run in the first of the encoders, by the value that the classifier
    predicts for the reference's sample: what removing a mode changes, and what it leaves (Fig. 4b).

    Metrics `cosine_matched[classifier.attribute=value]` and `cosine_unmatched`.
    """
    encoder, attribute, classifier = similarity_encoders[0], modes.attribute, modes.classifier

    def measured(metric: str) -> list[Metric]:
        return [metric_or_none(similarity, metric, run, reference, encoder) for run in modes.labels]

    labels = {run: with_mark(label, (run, reference), shared_seeds) for run, label in modes.labels.items()}
    columns = {value: measured(f"cosine_matched[{classifier}.{attribute}={value}]") for value in modes.values}
    every = [m for measures in columns.values() for m in measures if m.n]
    caption = (
        f"Similarity of matched samples to those of {reference}, in the features of {encoder}, by the "
        f"{words(attribute)} that {classifier} predicts for the reference's sample. {DEVIATIONS} {describe(every)}."
    )
    group = f"matched, where {words(attribute)} is"
    return assemble(
        TITLE,
        caption + meaning_of_mark([(run, reference) for run in modes.labels], shared_seeds),
        text_column("Model", list(labels.values()), {"run": list(labels), "label": list(modes.labels.values())}),
        *(
            measured_column(words(value), measures, with_sd, group=group, decimals=3)
            for value, measures in columns.items()
        ),
        measured_column("unmatched", measured("cosine_unmatched"), with_sd, decimals=3),
    )
