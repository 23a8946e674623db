"""Cosine similarity, and latent distance, between each model and the one trained on all data, for samples that share
their noise and for all pairs that do not; beside what the paper prints where this is one of its datasets."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from steadyflow.evaluate.metrics import find_metric
from steadyflow.ground.constants import VALIDATION_IMAGES
from steadyflow.report.columns import assemble, text_column
from steadyflow.report.paper import Printed
from steadyflow.report.shared_seeds import meaning_of_mark, with_mark
from steadyflow.report.similarity import (
    printed_similarities,
    printed_unmatched,
    similarity_columns,
    similarity_words,
)
from steadyflow.report.typeset import Table

TITLE = "Similarity to the model trained on all data"
CATEGORY = "Stability"
NEEDS = "several runs"


def table(
    similarity: pd.DataFrame,
    labels: Mapping[str, str],
    null_labels: Mapping[str, str],
    reference: str,
    similarity_encoders: Sequence[str],
    shared_seeds: Collection[tuple[str, str]],
    paper: Printed,
) -> Table:
    """Every run against the `reference` run, from the same noise, beside the paper's similarity (Table 3a).

    Below them the anchors: its null models, the reference against itself under another solver, where that was sampled,
    and two different held-out images.
    """
    compared = {(run, reference): label for run, label in labels.items() if run != reference}
    ceiling = similarity[(similarity["run"] == reference) & (similarity["reference"] == reference)]
    anchors = {(null, reference): label for null, label in null_labels.items()}
    if not ceiling.empty:
        anchors[reference, reference] = f"{labels[reference]}, another solver"
    anchors[VALIDATION_IMAGES, VALIDATION_IMAGES] = "held-out images"
    rows = compared | anchors
    cosines = [
        find_metric(similarity, "cosine_matched", *pair, encoder=encoder)
        for pair in compared
        for encoder in similarity_encoders
    ]
    most = "" if ceiling.empty else "The reference under another solver is the ceiling. "
    caption = (
        f"Similarity to {labels[reference]}. {similarity_words(cosines)} {most}Two held-out images have no relation."
    ) + printed_unmatched(paper, reference)
    caption += meaning_of_mark(compared, shared_seeds)
    marked = [with_mark(label, pair, shared_seeds) for pair, label in rows.items()]
    raw: dict[str, list[Any]] = {
        "run": [run for run, _ in rows],
        "label": list(rows.values()),
        "shared_seed": [pair in shared_seeds for pair in rows],
    }
    return assemble(
        TITLE,
        caption,
        text_column("Model", marked, raw),
        *similarity_columns(similarity, list(rows), similarity_encoders, absent=set(anchors)),
        *printed_similarities(paper, list(rows)),
    )
