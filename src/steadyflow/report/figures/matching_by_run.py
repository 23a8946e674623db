"""How often a matched pair of samples is more similar than an unmatched one (AUC), and than all of them (top-1); the
grey lines are what chance gives."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from steadyflow.evaluate.metrics import metric_or_none
from steadyflow.report import style
from steadyflow.report.drawing import MARGIN, ROW, interval, side_by_side
from steadyflow.report.style import BLUE, FULL_WIDTH, GREY, styled

TITLE = "Matched pairs found among unmatched ones"
CATEGORY = "Stability"
NEEDS = "comparisons"

_PANELS = {
    "cosine_auc": "AUC, matched against unmatched",
    "cosine_top1": "matched sample nearest (top-1)",
}


@styled
def figure(
    similarity: pd.DataFrame,
    comparisons: Mapping[str, Mapping[tuple[str, str], str]],
    similarity_encoders: Sequence[str],
) -> list[Figure]:
    """Metrics `cosine_auc` and `cosine_top1`, a panel each, in the first encoder; chance is 1/2, and 1/n.

    `comparisons`: heading -> (run, reference) -> label.
    """
    encoder, pages = similarity_encoders[0], []
    for heading, pairs in style.pages_of(comparisons, style.rows_that_fit(ROW, MARGIN)):
        page = style.new_figure(FULL_WIDTH, ROW * len(pairs) + MARGIN, heading)
        for axes, (metric, words) in zip(side_by_side(page, len(_PANELS)), _PANELS.items(), strict=True):
            found = [metric_or_none(similarity, metric, *pair, encoder=encoder) for pair in pairs]
            for row, each in enumerate(found):
                interval(axes, each, row, BLUE)
            axes.axvline(
                0.5 if metric == "cosine_auc" else 1 / max(each.n for each in found),
                color=GREY,
                linewidth=0.8,
                zorder=1,
            )
            style.rows_axis(axes, list(pairs.values()))
            axes.set_xlabel(f"{words}\n({encoder} features)")
            axes.set_xlim(0 if metric == "cosine_top1" else 0.4, 1.02)
            axes.grid(axis="x")
        pages.append(page)
    return pages
