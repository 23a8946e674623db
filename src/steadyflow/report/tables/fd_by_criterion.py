"""Fréchet distance of the samples of every run, with its 95% confidence interval, in the features of each encoder; the
paper's FID stands beside it where this is one of its datasets."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from steadyflow.evaluate import mean_over_runs
from steadyflow.evaluate.metrics import Metric, describe, find_metric, require_one_n
from steadyflow.ground.artifacts import UserError
from steadyflow.report.columns import assemble, measured_column, paper_columns, text_column
from steadyflow.report.numbers import INTERVALS, NOTHING, with_interval
from steadyflow.report.paper import Printed, paper_value
from steadyflow.report.typeset import Table

TITLE = "Sample quality by pruning criterion"
CATEGORY = "Quality"
NEEDS = "runs"
PAPERS_FID = (
    "The paper's is of 4,096 samples in Inception's features; compare values only where encoder and n are these."
)


def table(
    quality: pd.DataFrame,
    training_sets: pd.DataFrame,
    labels: Mapping[str, str],
    repeated_runs: Sequence[tuple[str, ...]],
    encoders: Sequence[str],
    paper: Printed,
) -> Table:
    """Metric `fd` of every run in every encoder, beside the paper's FID (Table 1a).

    `training_sets`: columns run, criterion (empty: none), pruning_fraction (NaN: of another dataset), n_train.
    `repeated_runs`: those that differ in their seeds alone; a row of their mean stands under the last of them. Raises
    UserError unless all are of one n.
    """
    rows = _with_means(labels, repeated_runs)
    specs = [_training_set(training_sets, members[0]) for members, _ in rows]
    criteria = [spec["criterion"] for spec in specs]
    fractions = [spec["pruning_fraction"] for spec in specs]
    counts = [spec["n_train"] for spec in specs]
    distances = {
        encoder: [_mean([find_metric(quality, "fd", run, encoder=encoder) for run in members]) for members, _ in rows]
        for encoder in encoders
    }
    for measures in distances.values():
        require_one_n(measures)
    every = [measure for measures in distances.values() for measure in measures]
    printed = paper_columns(
        f"paper: FID, {paper.name} (Inception)", "fid", [paper_value(paper, "fid", m[0]) for m, _ in rows]
    )
    caption = (
        f"FD: Fréchet distance in the features of {', '.join(encoders)}, lower is better. "
        f"{INTERVALS} {describe(every)}. Pruned: fraction of the training images left out. "
        "The interval of one training is of its samples; that of a mean, of samples and trainings."
    ) + (f" {PAPERS_FID}" if printed else "")
    return assemble(
        TITLE,
        caption,
        text_column("Model", [label for _, label in rows], {"run": [" ".join(m) for m, _ in rows]}),
        text_column("Criterion", [c or NOTHING for c in criteria], {"criterion": criteria}),
        text_column(
            "Pruned",
            [NOTHING if math.isnan(f) else f"{f:g}" for f in fractions],
            {"pruning_fraction": fractions},
            numeric=True,
        ),
        text_column("Training images", [f"{n:,}" for n in counts], {"n_train": counts}, numeric=True),
        *(
            measured_column(f"FD ({encoder})", measures, with_interval, raw_prefix=f"{encoder}_")
            for encoder, measures in distances.items()
        ),
        *printed,
    )


def _training_set(training_sets: pd.DataFrame, run: str) -> dict[Any, Any]:
    rows = training_sets[training_sets["run"] == run].fillna({"criterion": ""})
    if len(rows) != 1:
        raise UserError(f"run '{run}' has {len(rows)} rows in the table of training sets; expected one")
    return rows.iloc[0].to_dict()


def _with_means(
    labels: Mapping[str, str], repeated_runs: Sequence[tuple[str, ...]]
) -> list[tuple[tuple[str, ...], str]]:
    """(runs, label) of every row: each run, and the runs of one experiment under the last of them."""
    rows: list[tuple[tuple[str, ...], str]] = []
    for run, label in labels.items():
        rows.append(((run,), label))
        for runs in repeated_runs:
            listed = tuple(name for name in labels if name in runs)
            if len(listed) > 1 and run == listed[-1]:
                rows.append((listed, f"{labels[listed[0]]}, mean of {len(listed)} trainings"))
    return rows


def _mean(measures: Sequence[Metric]) -> Metric:
    """The measure itself, or the mean of several trainings' with its interval."""
    if len(measures) == 1:
        return measures[0]
    mean = mean_over_runs([measure.estimate for measure in measures])
    return replace(measures[0], value=mean.value, ci_low=mean.ci_low, ci_high=mean.ci_high)
