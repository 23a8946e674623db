"""Which share of the samples copies training images, each beside the same share of held-out images, which no training
saw."""

from collections.abc import Mapping, Sequence

import pandas as pd

from steadyflow.evaluate.memorisation import REPLICATED
from steadyflow.evaluate.metrics import Metric, describe, metric_or_none
from steadyflow.report.columns import assemble, measured_column, text_column
from steadyflow.report.numbers import INTERVALS, with_interval
from steadyflow.report.typeset import Table

TITLE = "Copies of training images among the samples"
CATEGORY = "Memorisation"
NEEDS = "runs"

_SHARES = {"f_mem": "f_mem", "authenticity": "Authenticity", "gl": "GL"}
_OF = {"": "samples", "_held_out": "held-out"}


def table(quality: pd.DataFrame, labels: Mapping[str, str], encoders: Sequence[str]) -> Table:
    """A row per encoder and run; a dash where nothing of that kind is measured of a run."""
    rows = [(encoder, run) for encoder in encoders for run in labels]

    def measured(metric: str) -> list[Metric]:
        return [metric_or_none(quality, metric, run, encoder=encoder) for encoder, run in rows]

    columns = {(share, of): measured(share + of) for share in _SHARES for of in _OF}
    gap = measured("fd_gap")
    every = [measure for column in (*columns.values(), gap) for measure in column if measure.n]
    caption = (
        "f_mem: share of images whose distance to the nearest training image is below 1/3 of that to the second. "
        "Authenticity: share that is further from its nearest training image than that one is from its own nearest. "
        "GL: share of which no training image is more similar than a threshold, that of the encoder where it has one, "
        f"otherwise the one that {100 * REPLICATED:.0f}% of held-out images exceed. A model that copies nothing is as "
        "held-out images of the population that it was trained on; a dash where there are none. FD gap: the Fréchet "
        "distance to held-out images less that to as many training images, 0 where nothing was memorised. "
        f"{INTERVALS} {describe(every)}."
    )
    return assemble(
        TITLE,
        caption,
        text_column("Encoder", [encoder for encoder, _ in rows], {"encoder": [encoder for encoder, _ in rows]}),
        text_column("Model", [labels[run] for _, run in rows], {"run": [run for _, run in rows]}),
        *(
            measured_column(_OF[of], column, with_interval, group=_SHARES[share], decimals=3)
            for (share, of), column in columns.items()
        ),
        measured_column("FD gap", gap, with_interval),
    )
