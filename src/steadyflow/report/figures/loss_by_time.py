"""Loss of every trained model on the same held-out images and noise, in bins of the time t, before those of all other
runs (grey)."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from steadyflow.report import style
from steadyflow.report.style import BLUE, FULL_WIDTH, PALE, styled

TITLE = "Held-out losses over the path"
CATEGORY = "Training"
NEEDS = "validated runs"

_ROW, _MARGIN = 1.3, 0.4  # inches


@styled
def figure(validation_curves: pd.DataFrame, validated_groups: Mapping[str, Mapping[str, str]]) -> list[Figure]:
    """A panel per run: the trained model's loss on held-out images in bins of t, before those of all others.

    `validation_curves`: columns run, step, and val_loss_0.0 ... by the beginning of each bin of [0, 1], NaN where not
    measured. A run that was never validated has no panel.
    """
    names = [name for name in map(str, validation_curves) if name.startswith("val_loss_")]
    edges = np.array([*(float(name.removeprefix("val_loss_")) for name in names), 1.0])
    last = validation_curves.sort_values("step").dropna(subset=names).groupby("run")[names].last()
    measured = {
        heading: {run: label for run, label in labels.items() if run in last.index}
        for heading, labels in validated_groups.items()
    }
    every = list(dict.fromkeys(run for labels in measured.values() for run in labels))
    steps = _steps(edges, last.loc[every].to_numpy(np.float64))
    pages = []
    for heading, labels in style.pages_of(measured, 3 * style.rows_that_fit(_ROW, _MARGIN)):
        page = style.new_figure(FULL_WIDTH, _ROW * -(-len(labels) // 3) + _MARGIN, heading)
        for axes, (run, label) in zip(style.panels(page, len(labels)), labels.items(), strict=True):
            # All in one, since there are as many panels as runs.
            axes.plot(*steps, color=PALE, linewidth=0.7, in_layout=False)
            axes.stairs(last.loc[run], edges, baseline=None, color=BLUE, linewidth=1.2)
            axes.set_title(label)
        page.supxlabel("time t, from noise to data", fontsize=8)
        page.supylabel("held-out loss", fontsize=8)
        pages.append(page)
    return pages


def _steps(edges: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points of one line that has the steps of every row of `values` [n, bins], with a gap between two rows."""
    gap = np.full((len(values), 1), np.nan)
    x = np.concatenate([np.tile(np.repeat(edges, 2)[1:-1], (len(values), 1)), gap], axis=1)
    return x.ravel(), np.concatenate([np.repeat(values, 2, axis=1), gap], axis=1).ravel()
