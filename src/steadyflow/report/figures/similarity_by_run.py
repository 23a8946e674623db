"""Mean and standard deviation of cosine similarity, in the features of each encoder, between samples of two models that
share their noise (blue) and that do not (orange)."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from steadyflow.evaluate.metrics import metric_or_none
from steadyflow.report import style
from steadyflow.report.drawing import MARGIN, ROW, legend_above, side_by_side
from steadyflow.report.style import BLUE, FULL_WIDTH, ORANGE, PALE, styled

TITLE = "Matched against unmatched similarity"
CATEGORY = "Stability"
NEEDS = "comparisons"

_LEGEND = 0.25  # inches


@styled
def figure(
    similarity: pd.DataFrame,
    comparisons: Mapping[str, Mapping[tuple[str, str], str]],
    similarity_encoders: Sequence[str],
) -> list[Figure]:
    """Cosine similarity, mean and SD over pairs, of samples that share their noise and of samples that do not; a panel
    per encoder.

    `comparisons`: heading -> (run, reference) -> label. Metrics `cosine_matched` and `cosine_unmatched`.
    """
    width = FULL_WIDTH * (0.75 if len(similarity_encoders) == 1 else 1)
    pages = []
    for heading, pairs in style.pages_of(comparisons, style.rows_that_fit(ROW, MARGIN + _LEGEND)):
        page = style.new_figure(width, ROW * len(pairs) + MARGIN + _LEGEND, heading)
        for axes, encoder in zip(side_by_side(page, len(similarity_encoders)), similarity_encoders, strict=True):
            for row, pair in enumerate(pairs):
                matched = metric_or_none(similarity, "cosine_matched", *pair, encoder=encoder)
                unmatched = metric_or_none(similarity, "cosine_unmatched", *pair, encoder=encoder)
                axes.plot([unmatched.value, matched.value], [row, row], color=PALE, linewidth=0.8, zorder=1)
                for measure, colour, marker in ((matched, BLUE, "o"), (unmatched, ORANGE, "D")):
                    spread = np.nan_to_num(measure.sd)
                    axes.errorbar(measure.value, row, xerr=spread, fmt=marker, color=colour, markersize=4, linewidth=1)
            style.rows_axis(axes, list(pairs.values()))
            axes.set_xlabel(f"cosine similarity ({encoder} features)\nmean ± SD over pairs")
            axes.grid(axis="x")
        legend_above(page, {"same noise": (BLUE, "o"), "different noise": (ORANGE, "D")})
        pages.append(page)
    for panels in zip(*(page.axes for page in pages), strict=True):
        style.share_limits(panels, "x")
    return pages
