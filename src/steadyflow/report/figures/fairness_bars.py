"""KL divergence from the uniform distribution per attribute, as each classifier predicts it for the samples, with its
95% confidence interval; the line is the training data's, predicted by the same classifier."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from steadyflow.evaluate.metrics import find_metric
from steadyflow.ground.constants import TRAINING_DATA
from steadyflow.report import style
from steadyflow.report.drawing import MARGIN, ROW, interval, legend_above
from steadyflow.report.style import FULL_WIDTH, INK, LIGHT_BLUE, ORANGE, styled

TITLE = "Attribute balance of the samples"
CATEGORY = "Fairness"
NEEDS = "runs and classifiers"

_PANELS = 5  # beside each other, of which each has a title
_LEGEND = 0.45  # inches

Line = tuple[str, Sequence[str]]
"""A classifier, and those of its attributes that have panels beside each other."""


@styled
def figure(
    fairness: pd.DataFrame, groups: Mapping[str, Mapping[str, str]], attributes: Mapping[str, Sequence[str]]
) -> list[Figure]:
    """KL to uniform per attribute (a panel) and run (a bar) with its interval; a line at the training data's, as the
    same classifier predicts them. `attributes`: classifier -> those it predicts; each has its own lines of panels."""
    lines = [
        (classifier, of_classifier[start : start + _PANELS])
        for classifier, of_classifier in attributes.items()
        for start in range(0, len(of_classifier), _PANELS)
    ]
    columns = max(len(of_line) for _, of_line in lines)
    parts = style.pages_of(groups, style.rows_that_fit(ROW, MARGIN + _LEGEND))
    most = style.rows_that_fit(ROW * max(len(labels) for _, labels in parts) + MARGIN, _LEGEND)
    pages = []
    for start in range(0, len(lines), most):
        of_lines = [_page(fairness, heading, labels, lines[start : start + most], columns) for heading, labels in parts]
        for panels in zip(*(page.axes for page in of_lines), strict=True):
            style.share_limits(panels, "x")
        pages += of_lines
    return pages


def _page(
    fairness: pd.DataFrame, heading: str, labels: Mapping[str, str], lines: Sequence[Line], columns: int
) -> Figure:
    page = style.new_figure(FULL_WIDTH, len(lines) * (ROW * len(labels) + MARGIN) + _LEGEND, heading)
    grid = page.subplots(len(lines), columns, sharey=True, squeeze=False)
    for line, (classifier, attributes) in zip(grid, lines, strict=True):
        for place, axes in enumerate(line):
            axes.set_visible(place < len(attributes))
        for axes, attribute in zip(line, attributes, strict=False):
            metric = f"kl_{attribute}"
            training = find_metric(fairness, metric, TRAINING_DATA, "uniform", classifier)
            axes.axvline(training.value, color=ORANGE, linewidth=1)
            for row, run in enumerate(labels):
                measure = find_metric(fairness, metric, run, "uniform", classifier)
                axes.barh(row, measure.value, height=0.62, color=LIGHT_BLUE)
                interval(axes, measure, row, INK, marker="")
            axes.set_title(attribute.replace("_", " "))
            axes.set_xlim(left=0)
            axes.grid(axis="x")
            style.rows_axis(axes, list(labels.values()))
        # The first title's upper line, which has room to run over those beside it.
        line[0].set_title(f"predicted by {classifier}\n{line[0].get_title(loc='left')}")
    page.supxlabel("KL to uniform (nats), lower is more balanced", fontsize=8)
    legend_above(page, {"samples": (LIGHT_BLUE, "s"), "training data": (ORANGE, "|")})
    return page
