"""Measures of quality against the fraction of the training images that was removed."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from steadyflow.evaluate import Estimate, mean_over_runs
from steadyflow.evaluate.metrics import find_metric
from steadyflow.report import style
from steadyflow.report.drawing import DASHED, LEGEND_ROW, errors
from steadyflow.report.style import FULL_WIDTH, GREY, SERIES

Points = Sequence[tuple[float, Sequence[str]]]
"""(fraction removed, runs alike but for their seeds)."""
Panel = tuple[str, str, str]
"""Metric, title, encoder."""

_ROW, _MARGIN = 2.0, 0.5  # inches


def pages_by_fraction(
    quality: pd.DataFrame, lines: Mapping[str, Points], reference_runs: Sequence[str], panels: Sequence[Panel]
) -> list[Figure]:
    """A line per criterion, dashed for an inverse, in every panel; so many criteria on a page as have a colour."""
    columns = min(3, len(panels))
    most = columns * style.rows_that_fit(_ROW, _MARGIN + 3 * LEGEND_ROW)
    parts = [panels[start : start + most] for start in range(0, len(panels), most)]
    criteria = {criterion: criterion for criterion in dict.fromkeys(map(_criterion, lines))}
    pages = []
    for part in parts:
        of_part = [
            _page(quality, {name: lines[name] for name in lines if _criterion(name) in named}, reference_runs, part)
            for _, named in style.pages_of({"": criteria}, len(SERIES))
        ]
        for same in zip(*(page.axes[: len(part)] for page in of_part), strict=True):
            style.share_limits(same, "x")
            style.share_limits(same, "y")
        pages += of_part
    return pages


def _criterion(line: str) -> str:
    """A criterion and its inverse have one colour."""
    return line.removesuffix("_inv")


def _page(
    quality: pd.DataFrame, lines: Mapping[str, Points], reference_runs: Sequence[str], panels: Sequence[Panel]
) -> Figure:
    columns = min(3, len(panels))
    legend_columns = min(len(lines), 5 if columns == 3 else 2)
    legend_rows = -(-len(lines) // legend_columns)
    height = _ROW * -(-len(panels) // columns) + _MARGIN + LEGEND_ROW * max(0, legend_rows - 2)
    page = style.new_figure(FULL_WIDTH * (0.45, 0.75, 1)[columns - 1], height)
    named = list(dict.fromkeys(map(_criterion, lines)))
    for axes, (metric, title, encoder) in zip(style.panels(page, len(panels), share_y=False), panels, strict=True):
        whole = _mean(quality, metric, reference_runs, encoder)
        axes.axhline(whole.value, color=GREY, linewidth=0.8, linestyle=DASHED)
        for criterion, points in lines.items():
            colour, inverse = SERIES[named.index(_criterion(criterion))], criterion.endswith("_inv")
            means = [whole, *(_mean(quality, metric, runs, encoder) for _, runs in points)]
            axes.errorbar(
                np.array([0.0, *(fraction for fraction, _ in points)]),
                [mean.value for mean in means],
                yerr=errors(means),
                color=colour,
                linestyle="--" if inverse else "-",
                marker="o",
                markersize=3,
                markerfacecolor="white" if inverse else colour,
                linewidth=1,
                elinewidth=0.7,
                label=criterion.replace("_", " "),
            )
        axes.set_title(title)
        axes.set_xlim(left=-0.03)
        axes.grid(axis="y")
    page.supxlabel("fraction of the training images removed", fontsize=8)
    page.legend(*page.axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=legend_columns)
    return page


def _mean(quality: pd.DataFrame, metric: str, runs: Sequence[str], encoder: str) -> Estimate:
    """Of several trainings; without an interval where the measure has no replicates."""
    estimates = [find_metric(quality, metric, run, encoder=encoder).estimate for run in runs]
    if len(estimates) == 1:
        return estimates[0]
    if all(estimate.replicates for estimate in estimates):
        return mean_over_runs(estimates)
    return Estimate(float(np.mean([estimate.value for estimate in estimates])), np.nan, np.nan)
