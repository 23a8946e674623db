"""F-score, precision and recall against the fraction of the training images removed."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from steadyflow.report.fractions import Points, pages_by_fraction
from steadyflow.report.style import styled

TITLE = "Precision and recall by fraction removed"
CATEGORY = "Quality"
NEEDS = "several fractions"

_METRICS = {"f_score": "F-score", "precision": "precision", "recall": "recall"}


@styled
def figure(
    quality: pd.DataFrame,
    lines_by_fraction: Mapping[str, Points],
    reference_runs: Sequence[str],
    encoders: Sequence[str],
) -> list[Figure]:
    """A row of panels per encoder (Fig. 10 and 15), as in `fd_by_fraction`."""
    panels = [(metric, f"{name} ({encoder})", encoder) for encoder in encoders for metric, name in _METRICS.items()]
    return pages_by_fraction(quality, lines_by_fraction, reference_runs, panels)
