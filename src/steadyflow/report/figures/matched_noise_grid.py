"""Samples of differently trained models, one row each; every column starts from the same noise, so that a stable
sample looks the same in all rows."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from steadyflow.report import style
from steadyflow.report.images import Images
from steadyflow.report.mosaics import TITLE_HEIGHT, label_width, labelled_mosaic, row_height
from steadyflow.report.style import styled

TITLE = "Samples from the same noise"
CATEGORY = "Stability"
NEEDS = "runs"


@styled
def figure(samples: Mapping[str, Images], pictured_groups: Mapping[str, Mapping[str, str]]) -> list[Figure]:
    """A row per run, a column per starting noise. `samples`: run -> [columns, H, W, C], of one size all."""
    left = label_width([label for labels in pictured_groups.values() for label in labels.values()])
    most = style.rows_that_fit(row_height(next(iter(samples.values()))[None], left), TITLE_HEIGHT)
    shared = "every column starts from the same noise $x_0$"
    return [
        labelled_mosaic(
            np.stack([samples[run] for run in labels]),
            list(labels.values()),
            left,
            f"{heading}: {shared}" if heading else shared,
        )
        for heading, labels in style.pages_of(pictured_groups, most)
    ]
