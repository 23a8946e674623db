"""How far two models carry the same noise apart on its way to data: the integral over time of the distance between
their paths in latent space, from the same noise and from different noises."""

from collections.abc import Collection, Mapping, Sequence

import pandas as pd

from steadyflow.evaluate.metrics import Metric, describe, find_metric
from steadyflow.report.columns import assemble, measured_column, pair_columns
from steadyflow.report.numbers import DEVIATIONS, INTERVALS, decimals_for, with_interval, with_sd
from steadyflow.report.shared_seeds import meaning_of_mark
from steadyflow.report.typeset import Table

TITLE = "How far paths from the same noise lie apart"
CATEGORY = "Stability"
NEEDS = "paths"


def table(
    path_metrics: pd.DataFrame,
    labels: Mapping[str, str],
    path_pairs: Sequence[tuple[str, str]],
    shared_seeds: Collection[tuple[str, str]],
) -> Table:
    """Of pairs (run, reference). Metrics `path_deviation_matched`, `_median`, `_p95` and `_unmatched`."""

    def measured(metric: str) -> list[Metric]:
        return [find_metric(path_metrics, f"path_deviation_{metric}", *pair) for pair in path_pairs]

    matched, median, p95, unmatched = map(measured, ("matched", "median", "p95", "unmatched"))
    # Beside each other, the four are to be compared.
    decimals = decimals_for(measure.value for measure in matched)
    same, different = "from the same noise", "from different noises"
    caption = (
        "Deviation of two models' paths: the integral over t from 0 (noise) to 1 (data) of their distance in latent "
        "space (L2; latents of unit variance). Paths from different noises: all pairs of one model's paths with the "
        f"other's. {INTERVALS} {DEVIATIONS} {describe(matched)}."
    )
    return assemble(
        TITLE,
        caption + meaning_of_mark(path_pairs, shared_seeds),
        *pair_columns(path_pairs, labels, shared_seeds),
        measured_column("mean", matched, with_interval, group=same, decimals=decimals),
        measured_column("median", median, with_interval, group=same, decimals=decimals),
        measured_column("95th percentile", p95, with_interval, group=same, decimals=decimals),
        measured_column("mean", unmatched, with_sd, group=different, decimals=decimals),
    )
