"""Every measure of sample quality, of each run in each encoder, with its interval."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from steadyflow.evaluate.metrics import describe, find_metric, require_one_n
from steadyflow.report.columns import assemble, measured_column, text_column
from steadyflow.report.numbers import INTERVALS, decimals_for, times, with_interval
from steadyflow.report.typeset import Table

TITLE = "Every measure of sample quality"
CATEGORY = "Quality"
NEEDS = "runs"

_DISTANCES = {
    "fd": ("FD (held-out)", 1),
    "fd_infinity": ("FD∞ (held-out)", 1),
    "fd_train": ("FD (training)", 1),
    "kid": ("KID × 1000", 1000),
}
_SHARES = {
    "precision": "Precision",
    "recall": "Recall",
    "f_score": "F",
    "density": "Density",
    "coverage": "Coverage",
    "clipped_density": "Clipped density",
    "clipped_coverage": "Clipped coverage",
    "diversity": "Diversity",
}


def table(quality: pd.DataFrame, labels: Mapping[str, str], encoders: Sequence[str]) -> Table:
    """A row per encoder and run. Raises UserError unless all of an encoder are of one n."""
    rows = [(encoder, run) for encoder in encoders for run in labels]
    columns = {
        metric: [find_metric(quality, metric, run, encoder=encoder) for encoder, run in rows]
        for metric in (*_DISTANCES, *_SHARES)
    }
    for encoder in encoders:
        require_one_n([m for m in columns["fd"] if m.encoder == encoder])
    # The protocol is that of the distance to held-out images; a note on the other reference counts too.
    noted = [*columns["fd"], *(replace(m, protocol="") for m in columns["fd_train"])]
    caption = (
        "FD: the Fréchet distance to held-out images, FD∞ extrapolated to infinitely many samples, and to all training "
        "images of the dataset. KID: kernel distance to held-out images, all pairs, in features of their mean square "
        "length. Precision and recall by 3 nearest neighbours, F their harmonic mean; density and coverage by 5; "
        "clipped, both are the share of samples that are as good, and as spread, as real images. Diversity: total "
        "variance over that of held-out images, 1 where samples vary as much. Lower is better for FD, FD∞ and KID, "
        f"higher for the shares. {INTERVALS} {describe(noted)}."
    )
    return assemble(
        TITLE,
        caption,
        text_column("Encoder", [encoder for encoder, _ in rows], {"encoder": [encoder for encoder, _ in rows]}),
        text_column("Model", [labels[run] for _, run in rows], {"run": [run for _, run in rows]}),
        *(
            measured_column(
                header,
                columns[metric],
                times(factor),
                decimals=decimals_for(factor * measure.value for measure in columns[metric]),
            )
            for metric, (header, factor) in _DISTANCES.items()
        ),
        *(measured_column(header, columns[metric], with_interval, decimals=3) for metric, header in _SHARES.items()),
    )
