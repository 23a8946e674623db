"""What several figures draw: intervals, legends, smoothed curves."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from steadyflow.evaluate import Estimate
from steadyflow.evaluate.metrics import Metric

ROW, MARGIN = 0.21, 0.55  # inches: one categorical row, and what the axis and its label need
LEGEND_ROW = 0.17  # inches
DASHED = (0, (4, 3))


def side_by_side(figure: Figure, count: int) -> list[Axes]:
    """Panels of categorical rows; the first has their names."""
    return list(figure.subplots(1, count, sharey=True, squeeze=False)[0])


def interval(axes: Axes, measure: Metric, row: int, colour: str, *, marker: str = "o", hollow: bool = False) -> None:
    """A dot with its confidence interval, where there is one."""
    axes.errorbar(
        measure.value,
        row,
        xerr=errors([measure]),
        fmt=marker,
        color=colour,
        markersize=4,
        linewidth=1,
        markerfacecolor="white" if hollow else colour,
    )


def errors(measures: Sequence[Metric] | Sequence[Estimate]) -> NDArray[np.float64]:
    """Lengths of the intervals below and above the values, [2, n]; 0 where there is none."""
    lengths = [[m.value - m.ci_low for m in measures], [m.ci_high - m.value for m in measures]]
    return np.maximum(np.nan_to_num(lengths), 0)


def smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """A centred moving average over 4% of the values; at the ends over those that exist."""
    window = np.ones(2 * (len(values) // 50) + 1)
    return np.convolve(values, window, "same") / np.convolve(np.ones(len(values)), window, "same")


def legend_above(figure: Figure, entries: Mapping[str, tuple[str, str]]) -> None:
    """`entries`: label -> (colour, marker)."""
    handles: list[Any] = [
        Line2D([], [], color=colour, marker=marker, linestyle="", markersize=5, label=label)
        for label, (colour, marker) in entries.items()
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=len(handles), handletextpad=0.2)
