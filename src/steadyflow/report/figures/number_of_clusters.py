"""Spherical k-means in the clustering encoder's features with other numbers of clusters: inertia, the sum of the cosine
distances to the own centre, and the mean silhouette by cosine distance, of all training images. Marked are the
study's number and the elbow, the point furthest below the chord from the curve's first point to its last."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from steadyflow.report import style
from steadyflow.report.drawing import legend_above
from steadyflow.report.style import BLUE, FULL_WIDTH, INK, ORANGE, styled

TITLE = "Number of clusters"
CATEGORY = "Pruning"
NEEDS = "clustering"


@styled
def figure(cluster_numbers: pd.DataFrame, chosen_k: int, elbow_k: int | None) -> list[Figure]:
    """Inertia and silhouette (a panel each) against the number of clusters; the study's and the elbow are marked.

    `cluster_numbers`: columns k, inertia, silhouette, of increasing k, `chosen_k` among them.
    """
    page = style.new_figure(FULL_WIDTH * 0.8, 2.1)
    place = cluster_numbers["k"].tolist().index
    for axes, measure in zip(style.panels(page, 2, share_y=False), ("inertia", "silhouette"), strict=True):
        values = cluster_numbers[measure].to_numpy(np.float64)
        axes.plot(cluster_numbers["k"], values, color=BLUE, marker="o", markersize=3)
        if elbow_k is not None:
            axes.plot(elbow_k, values[place(elbow_k)], "o", color=INK, markersize=9, markerfacecolor="none", zorder=3)
        axes.plot(chosen_k, values[place(chosen_k)], "o", color=ORANGE, markersize=5, zorder=4)
        axes.set_title(measure if measure == "inertia" else "mean silhouette (cosine)")
        axes.set_ylim(bottom=min(0, 1.1 * values.min()))
        axes.grid(axis="y")
    page.supxlabel("number of clusters k", fontsize=8)
    marks = {f"this study's, k = {chosen_k}": (ORANGE, "o")}
    if elbow_k is not None:
        marks[f"elbow of the inertia, k = {elbow_k}"] = (INK, "$\\bigcirc$")
    legend_above(page, marks)
    return [page]
