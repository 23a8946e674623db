"""What the tables of similarity have in common."""

from collections.abc import Collection, Sequence

import pandas as pd

from steadyflow.evaluate.metrics import Metric, describe, find_metric, metric_or_none
from steadyflow.report.columns import Filled, measured_column, paper_columns
from steadyflow.report.numbers import DEVIATIONS, INTERVALS, with_interval, with_sd
from steadyflow.report.paper import PaperValue, Printed, paper_value

Pairs = Sequence[tuple[str, str]]

# Metric, heading and how it is shown, of each encoder.
_COSINES = (
    ("cosine_matched", "matched", with_sd),
    ("cosine_unmatched", "unmatched", with_sd),
    ("cosine_unmatched_same_class", "unmatched, same class", with_sd),
    ("cosine_difference", "difference", with_interval),
    ("cosine_top1", "top-1", with_interval),
)


def similarity_columns(
    metrics: pd.DataFrame, pairs: Pairs, encoders: Sequence[str], *, absent: Collection[tuple[str, str]] = ()
) -> list[Filled]:
    """Cosine similarity in every encoder and latent distance of every pair (run, reference), matched and unmatched.
    Pairs in `absent` may lack any; `unmatched, same class` is a column where some pair has it."""

    def measured(metric: str, encoder: str, *, optional: bool = False) -> list[Metric]:
        return [
            (metric_or_none if optional or pair in absent else find_metric)(metrics, metric, *pair, encoder=encoder)
            for pair in pairs
        ]

    columns = []
    for encoder in encoders:
        known = set(metrics.loc[metrics["encoder"] == encoder, "metric"])
        group, prefix = f"cosine ({encoder})", f"{encoder}_"
        for metric, header, show in _COSINES:
            optional = metric == "cosine_unmatched_same_class"
            if optional and metric not in known:
                continue
            measures = measured(metric, encoder, optional=optional)
            columns.append(measured_column(header, measures, show, group=group, decimals=3, raw_prefix=prefix))
    latent = "latent distance (L2)"
    return [
        *columns,
        measured_column("matched", measured("latent_l2_matched", "latent"), with_sd, group=latent),
        measured_column("unmatched", measured("latent_l2_unmatched", "latent"), with_sd, group=latent),
    ]


def similarity_words(cosines: Sequence[Metric]) -> str:
    """What matched and top-1 mean, for a caption."""
    return (
        "Matched pairs of samples share their noise, unmatched pairs do not; top-1: how often the matched sample is "
        f"the most similar of all. {DEVIATIONS} {INTERVALS} {describe(cosines)}."
    )


def printed_similarities(paper: Printed, pairs: Pairs) -> list[Filled]:
    """A column of the paper's matched similarity for each kind of features that it prints one in. It is symmetric, so
    the paper's pair counts in either order."""
    return [
        column
        for quantity, features in _PRINTED.items()
        for column in paper_columns(
            "matched",
            quantity,
            [_either_order(paper, quantity, *p) for p in pairs],
            group=f"paper: {features}, {paper.name}",
        )
    ]


def printed_unmatched(paper: Printed, reference: str) -> str:
    """The paper's unmatched similarity to the reference as a sentence for a caption; "" where it prints none."""
    found = {
        features: paper_value(paper, f"{quantity}_unmatched", "any", reference)
        for quantity, features in _PRINTED.items()
    }
    return "".join(
        f" The paper's unmatched {features} similarity is {value}." for features, value in found.items() if value
    )


# Quantity of scalars.csv -> the features that the papers compare pairs in.
_PRINTED = {"arcface": "ArcFace", "dino": "DINO"}


def _either_order(paper: Printed, quantity: str, run: str, reference: str) -> PaperValue | None:
    return paper_value(paper, quantity, run, reference) or paper_value(paper, quantity, reference, run)
