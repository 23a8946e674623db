"""Fréchet distance against the fraction of the training images removed, a line per criterion; dashed: its inverse."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from steadyflow.report.fractions import Points, pages_by_fraction
from steadyflow.report.style import styled

TITLE = "Sample quality by fraction removed"
CATEGORY = "Quality"
NEEDS = "several fractions"


@styled
def figure(
    quality: pd.DataFrame,
    lines_by_fraction: Mapping[str, Points],
    reference_runs: Sequence[str],
    encoders: Sequence[str],
) -> list[Figure]:
    """A panel per encoder (Fig. 3, bottom), of metric `fd`.

    `lines_by_fraction`: criterion -> points of rising fraction; `reference_runs`: those at fraction 0. Several runs are
    their mean.
    """
    panels = [("fd", f"FD ({encoder}), lower is better", encoder) for encoder in encoders]
    return pages_by_fraction(quality, lines_by_fraction, reference_runs, panels)
