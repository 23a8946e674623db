"""The same similarities between models that are no reference, such as those trained on opposite subsets, with the
overlap of what they saw; with an overlap of 0 they shared no training image."""

from collections.abc import Collection, Mapping, Sequence

import pandas as pd

from steadyflow.evaluate.metrics import find_metric, metric_or_none
from steadyflow.report.columns import assemble, measured_column, pair_columns
from steadyflow.report.numbers import with_interval
from steadyflow.report.paper import Printed
from steadyflow.report.shared_seeds import meaning_of_mark
from steadyflow.report.similarity import printed_similarities, similarity_columns, similarity_words
from steadyflow.report.typeset import Table

TITLE = "Similarity of models trained on opposite subsets"
CATEGORY = "Stability"
NEEDS = "inverse pairs"


def table(
    similarity: pd.DataFrame,
    labels: Mapping[str, str],
    inverse_pairs: Sequence[tuple[str, str]],
    similarity_encoders: Sequence[str],
    shared_seeds: Collection[tuple[str, str]],
    paper: Printed,
) -> Table:
    """Pairs (run, reference), beside the paper's similarity (Table 3b)."""
    cosines = [
        find_metric(similarity, "cosine_matched", *pair, encoder=encoder)
        for pair in inverse_pairs
        for encoder in similarity_encoders
    ]
    overlaps = [metric_or_none(similarity, "overlap", *pair) for pair in inverse_pairs]
    return assemble(
        TITLE,
        f"Overlap: Jaccard index of the two training subsets; 0 is disjoint. {similarity_words(cosines)}"
        + meaning_of_mark(inverse_pairs, shared_seeds),
        *pair_columns(inverse_pairs, labels, shared_seeds),
        measured_column("Overlap", overlaps, with_interval, decimals=2),
        *similarity_columns(similarity, inverse_pairs, similarity_encoders),
        *printed_similarities(paper, inverse_pairs),
    )
