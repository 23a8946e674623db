"""How far samples lie from the nearest training image, over the same distance of held-out images: near 1 they are as
new as held-out images, near 0 they are copies."""

from collections.abc import Collection, Mapping, Sequence

import pandas as pd

from steadyflow.evaluate.metrics import Metric, describe, find_metric, metric_or_none
from steadyflow.report.columns import assemble, measured_column, model_column
from steadyflow.report.numbers import INTERVALS, with_interval
from steadyflow.report.typeset import Table

TITLE = "Distance of the samples to the training images"
CATEGORY = "Memorisation"
NEEDS = "runs"


def table(
    quality: pd.DataFrame,
    labels: Mapping[str, str],
    runs_on_other_datasets: Collection[str],
    encoders: Sequence[str],
) -> Table:
    """Metrics `nn_ratio`, and `kept_ratio` of pruned runs; those trained on another dataset have neither.

    Raises UserError where a run of this dataset has neither.
    """
    kept = {e: [metric_or_none(quality, "kept_ratio", run, encoder=e) for run in labels] for e in encoders}

    def ratio(against_pruned: Metric) -> Metric:
        run, encoder = against_pruned.run, against_pruned.encoder
        find = metric_or_none if run in runs_on_other_datasets or against_pruned.n else find_metric
        return find(quality, "nn_ratio", run, encoder=encoder)

    ratios = {encoder: [ratio(measure) for measure in measures] for encoder, measures in kept.items()}
    every = [measure for measures in ratios.values() for measure in measures if measure.n]
    caption = (
        "Distance from a sample to its nearest training image: over the same distance of held-out images of the "
        "population that was trained on (near 1 the samples are as new as those, near 0 they are copies), and over the "
        "distance to its nearest among as many images that were pruned away (1: no nearer to what was seen than to "
        "what was not; less may also come from what the criterion keeps). Held-out images are of another population "
        "than most subsets; those that are a random draw, or of one value of an attribute, have both. A run of another "
        "dataset has neither. "
        f"{INTERVALS} {describe(every)}."
    )
    groups = [("over held-out images'", ratios), ("over pruned-away images'", kept)]
    return assemble(
        TITLE,
        caption,
        model_column(labels),
        *(
            measured_column(encoder, measures, with_interval, group=group, decimals=3, raw_prefix=f"{encoder}_")
            for group, columns in groups
            for encoder, measures in columns.items()
        ),
    )
