"""Fréchet distance with its 95% confidence interval against the number of clusters that the training images were chosen
by, in the features of each encoder (the papers' Fig. 7 is in CLIP's); a dot is a run, a line joins the means of one
criterion and fraction. The dashed line, with its interval, is the reference run."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from steadyflow.evaluate.metrics import find_metric
from steadyflow.report import style
from steadyflow.report.drawing import DASHED, LEGEND_ROW, errors
from steadyflow.report.style import COLUMN_WIDTH, GREY, PALE, SERIES, styled

TITLE = "Sample quality by number of clusters"
CATEGORY = "Quality"
NEEDS = "runs by k"

Line = Sequence[tuple[int, str]]
"""(k, run) of increasing k."""


@styled
def figure(
    quality: pd.DataFrame,
    lines_by_k: Mapping[str, Line],
    encoders: Sequence[str],
    reference: str,
    labels: Mapping[str, str],
) -> list[Figure]:
    """Frechet distance (metric `fd`) with its interval; a page of its own for each encoder, and so many lines on a page
    as have a colour.

    `lines_by_k`: label -> line, through the means where several runs share a k. The reference run is a dashed line, its
    interval a band.
    """
    named = {name: name for name in lines_by_k}
    pages = {
        encoder: [
            _page(quality, {name: lines_by_k[name] for name in names}, encoder, reference, labels[reference])
            for _, names in style.pages_of({"": named}, len(SERIES))
        ]
        for encoder in encoders
    }
    for of_encoder in pages.values():
        for axis in ("x", "y"):
            style.share_limits([page.axes[0] for page in of_encoder], axis)
    return [page for of_encoder in pages.values() for page in of_encoder]


def _page(
    quality: pd.DataFrame, lines: Mapping[str, Line], encoder: str, reference: str, reference_label: str
) -> Figure:
    legend_rows = -(-(len(lines) + 1) // 2)
    page = style.new_figure(COLUMN_WIDTH * 1.35, 2.5 + LEGEND_ROW * max(0, legend_rows - 2))
    axes = page.add_subplot()
    whole = find_metric(quality, "fd", reference, encoder=encoder)
    if np.isfinite([whole.ci_low, whole.ci_high]).all():
        axes.axhspan(whole.ci_low, whole.ci_high, color=PALE, alpha=0.5, linewidth=0)
    axes.axhline(whole.value, color=GREY, linewidth=0.8, linestyle=DASHED, label=reference_label)
    for (label, runs), colour in zip(lines.items(), SERIES, strict=False):
        measures = [find_metric(quality, "fd", run, encoder=encoder) for _, run in runs]
        ks = np.array([k for k, _ in runs])
        values = np.array([measure.value for measure in measures])
        axes.errorbar(ks, values, yerr=errors(measures), fmt="o", color=colour, markersize=3.5, linewidth=1)
        means = [values[ks == k].mean() for k in np.unique(ks)]
        axes.plot(np.unique(ks), means, color=colour, label=label)
    axes.set_xscale("log", base=2)
    ticks = sorted({k for runs in lines.values() for k, _ in runs})
    axes.set_xticks(ticks, [str(k) for k in ticks])
    axes.minorticks_off()
    axes.set_xlabel("number of clusters k")
    axes.set_ylabel(f"FD ({whole.encoder}), lower is better")
    axes.grid(axis="y")
    page.legend(loc="outside upper left", ncols=2)
    return page
