"""Training loss of every run, raw and smoothed, before the smoothed losses of all other runs (grey); the first steps
are cut off. Dashed: the loss of the Gaussian flow of the same training latents, on held-out images."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from steadyflow.evaluate.held_out_loss import HELD_OUT_LOSS
from steadyflow.evaluate.metrics import find_metric
from steadyflow.report import style
from steadyflow.report.drawing import DASHED, smooth
from steadyflow.report.style import BLUE, FULL_WIDTH, ORANGE, PALE, styled

TITLE = "Training losses"
CATEGORY = "Training"
NEEDS = "trained runs"

_ROW, _MARGIN = 1.3, 0.4  # inches


@styled
def figure(
    training_curves: pd.DataFrame,
    trained_groups: Mapping[str, Mapping[str, str]],
    losses_of_trainings: pd.DataFrame,
    null_models: Mapping[str, str],
) -> list[Figure]:
    """A panel per run: its loss, raw and smoothed, before the smoothed losses of all others; and its Gaussian flow's,
    unless it predicts no velocity.

    `training_curves`: columns run, step, loss.
    """
    measured = set(losses_of_trainings["run"])
    flows = {
        run: find_metric(losses_of_trainings, HELD_OUT_LOSS, null).value
        for run, null in null_models.items()
        if run in measured
    }
    every = [run for labels in trained_groups.values() for run in labels]
    by_run = training_curves.sort_values("step", kind="stable").groupby("run")
    losses = {run: by_run.get_group(run) for run in dict.fromkeys(every)}
    smoothed = {run: smooth(rows["loss"].to_numpy(np.float64)) for run, rows in losses.items()}
    # The first steps are far above the rest and would flatten it.
    late = np.concatenate([rows["loss"].to_numpy(np.float64)[len(rows) // 20 :] for rows in losses.values()])
    low, high = min([float(late.min()), *flows.values()]), float(np.quantile(late, 0.995))
    pages = []
    for heading, labels in style.pages_of(trained_groups, 3 * style.rows_that_fit(_ROW, _MARGIN)):
        page = style.new_figure(FULL_WIDTH, _ROW * -(-len(labels) // 3) + _MARGIN, heading)
        grid = style.panels(page, len(labels))
        for axes, (run, label) in zip(grid, labels.items(), strict=True):
            for other, rows in losses.items():
                # Inside the panel, and too many for the layout to measure each.
                axes.plot(rows["step"], smoothed[other], color=PALE, linewidth=0.7, in_layout=False)
            axes.plot(losses[run]["step"], losses[run]["loss"], color=BLUE, alpha=0.35, linewidth=0.5)
            axes.plot(losses[run]["step"], smoothed[run], color=BLUE)
            if run in flows:
                axes.axhline(flows[run], color=ORANGE, linewidth=0.8, linestyle=DASHED)
            axes.set_title(label)
        grid[0].set_ylim(low - 0.05 * (high - low), high + 0.1 * (high - low))
        page.supxlabel("training step", fontsize=8)
        page.supylabel("loss", fontsize=8)
        pages.append(page)
    return pages
