"""Loss of every trained model on the same held-out images and noise, in bins of the time t, before those of all other
runs (grey); dashed: that of the Gaussian flow of the same training latents, which is no network."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from steadyflow.evaluate.held_out_loss import HELD_OUT_LOSS
from steadyflow.report import style
from steadyflow.report.drawing import DASHED
from steadyflow.report.style import BLUE, FULL_WIDTH, ORANGE, PALE, styled

TITLE = "Held-out losses over the path"
CATEGORY = "Training"
NEEDS = "validated runs"

_ROW, _MARGIN = 1.3, 0.4  # inches


@styled
def figure(
    losses_of_trainings: pd.DataFrame,
    validated_groups: Mapping[str, Mapping[str, str]],
    null_models: Mapping[str, str],
) -> list[Figure]:
    """A panel per run: its loss in bins of t and its Gaussian flow's, before those of all others.

    `losses_of_trainings`: metrics `held_out_loss[t]` of each bin of [0, 1] by its lower end.
    """
    of_bins = losses_of_trainings[losses_of_trainings["metric"].str.startswith(f"{HELD_OUT_LOSS}[")]
    starts = of_bins["metric"].str.slice(len(HELD_OUT_LOSS) + 1, -1).astype(float)
    table = of_bins.assign(start=starts).pivot_table(index="run", columns="start", values="value")
    edges = np.array([*table.columns, 1.0])
    every = list(dict.fromkeys(run for labels in validated_groups.values() for run in labels))
    steps = _steps(edges, table.loc[every].to_numpy(np.float64))
    pages = []
    for heading, labels in style.pages_of(validated_groups, 3 * style.rows_that_fit(_ROW, _MARGIN)):
        page = style.new_figure(FULL_WIDTH, _ROW * -(-len(labels) // 3) + _MARGIN, heading)
        for axes, (run, label) in zip(style.panels(page, len(labels)), labels.items(), strict=True):
            # All in one, since there are as many panels as runs.
            axes.plot(*steps, color=PALE, linewidth=0.7, in_layout=False)
            if run in null_models:
                flow = table.loc[null_models[run]]
                axes.stairs(flow, edges, baseline=None, color=ORANGE, linewidth=1, linestyle=DASHED, zorder=3)
            axes.stairs(table.loc[run], edges, baseline=None, color=BLUE, linewidth=1.2, zorder=4)
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
