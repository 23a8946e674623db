"""Models of one mode each, mixed, beside models trained on balanced modes: what each generates, and how well."""

from collections.abc import Mapping, Sequence

import pandas as pd

from steadyflow.evaluate.metrics import describe, find_metric, require_one_n
from steadyflow.report.columns import assemble, measured_column, model_column, paper_columns, text_column, words
from steadyflow.report.modes import Modes
from steadyflow.report.numbers import INTERVALS, with_interval
from steadyflow.report.paper import PaperValue, Printed, paper_value
from steadyflow.report.typeset import Table

TITLE = "Two ways to balanced modes: balanced training, or models mixed"
CATEGORY = "Fairness"
NEEDS = "mixtures"


def table(
    quality: pd.DataFrame,
    fairness: pd.DataFrame,
    mixed_modes: Modes,
    training_steps: Mapping[str, str],
    encoders: Sequence[str],
    paper: Printed,
) -> Table:
    """Mixtures of models of one mode each, models that were trained on balanced modes, and the reference, by how often
    each value of the attribute is generated, and at which quality (Table 2).

    `training_steps`: of each run and mixture, in words. Metrics `share[attribute=value]` of the classifier, and `fd`.
    Raises UserError unless all are of one n.
    """
    labels, attribute, classifier = mixed_modes.labels, mixed_modes.attribute, mixed_modes.classifier
    distances = {e: [find_metric(quality, "fd", run, encoder=e) for run in labels] for e in encoders}
    for measures in distances.values():
        require_one_n(measures)
    every = [measure for measures in distances.values() for measure in measures]
    steps = [training_steps[run] for run in labels]
    caption = (
        f"Generated share of each {words(attribute)} as {classifier} perceives it, and the Fréchet distance in the "
        f"features of {', '.join(encoders)}. {INTERVALS} {describe(every)}."
    )

    def printed(quantity: str) -> list[PaperValue | None]:
        return [paper_value(paper, quantity, run) for run in labels]

    group = f"paper: {paper.name}"
    return assemble(
        TITLE,
        caption,
        model_column(labels),
        *(
            measured_column(
                words(value),
                [find_metric(fairness, f"share[{attribute}={value}]", run, encoder=classifier) for run in labels],
                with_interval,
                group="generated share",
                decimals=2,
            )
            for value in mixed_modes.values
        ),
        *(
            measured_column(f"FD ({encoder})", measures, with_interval, raw_prefix=f"{encoder}_")
            for encoder, measures in distances.items()
        ),
        text_column("Training steps", steps, {"steps": steps}),
        *(
            column
            for value in mixed_modes.values
            for column in paper_columns(words(value), f"share_{value}", printed(f"share_{value}"), group=group)
        ),
        *paper_columns("FD CLIP", "fd_clip", printed("fd_clip"), group=group),
        *paper_columns("steps", "training_iterations", printed("training_iterations"), group=group),
    )
