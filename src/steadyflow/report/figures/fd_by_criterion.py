"""Fréchet distance with its 95% confidence interval, best first; the dashed line is the model trained on all data,
hollow dots are inverse criteria."""

from collections.abc import Collection, Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from steadyflow.evaluate.metrics import find_metric
from steadyflow.report import style
from steadyflow.report.drawing import DASHED, MARGIN, ROW, interval, legend_above, side_by_side
from steadyflow.report.style import BLUE, FULL_WIDTH, GREY, INK, styled

TITLE = "Sample quality by pruning criterion"
CATEGORY = "Quality"
NEEDS = "runs"


@styled
def figure(
    quality: pd.DataFrame,
    groups: Mapping[str, Mapping[str, str]],
    encoders: Sequence[str],
    reference: str,
    inverse_runs: Collection[str],
) -> list[Figure]:
    """Frechet distance (metric `fd`) with its interval, a panel per encoder, of each group best in the first one first;
    a line at the reference run, `inverse_runs` hollow."""

    def distance(run: str) -> float:
        return find_metric(quality, "fd", run, encoder=encoders[0]).value

    ordered = {
        heading: {run: labels[run] for run in sorted(labels, key=distance)} for heading, labels in groups.items()
    }
    pages = []
    for heading, labels in style.pages_of(ordered, style.rows_that_fit(ROW, MARGIN)):
        width = FULL_WIDTH * (0.6 if len(encoders) == 1 else 1)
        page = style.new_figure(width, ROW * len(labels) + MARGIN, heading)
        for axes, encoder in zip(side_by_side(page, len(encoders)), encoders, strict=True):
            line = find_metric(quality, "fd", reference, encoder=encoder).value
            axes.axvline(line, color=GREY, linewidth=0.8, linestyle=DASHED)
            for row, run in enumerate(labels):
                measure = find_metric(quality, "fd", run, encoder=encoder)
                interval(axes, measure, row, INK if run == reference else BLUE, hollow=run in inverse_runs)
            style.rows_axis(axes, list(labels.values()))
            axes.set_xlabel(f"FD ({encoder})\nlower is better")
            axes.grid(axis="x")
        if inverse_runs:
            legend_above(page, {"criterion": (BLUE, "o"), "its inverse": (BLUE, "$\\circ$")})
        pages.append(page)
    for panels in zip(*(page.axes for page in pages), strict=True):
        style.share_limits(panels, "x")
    return pages
