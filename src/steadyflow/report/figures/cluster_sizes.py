"""Images per cluster before pruning (grey) and after it (blue), largest cluster first: proportional rules keep the
shape, balanced rules level it."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from steadyflow.report import style
from steadyflow.report.style import BLUE, FULL_WIDTH, PALE, styled

TITLE = "Cluster sizes before and after pruning"
CATEGORY = "Pruning"
NEEDS = "clustering and subsets"

_ROW, _MARGIN = 1.45, 0.35  # inches


@styled
def figure(
    cluster_sizes: NDArray[np.int64],
    kept_sizes: Mapping[str, NDArray[np.int64]],
    subset_groups: Mapping[str, Mapping[str, str]],
) -> list[Figure]:
    """Images per cluster, of all training images [k] and, in a panel each, of every subset (`kept_sizes`: subset ->
    [k]); largest cluster first. `subset_groups`: heading -> subset -> label."""
    order = np.argsort(-cluster_sizes, kind="stable")
    place = np.arange(len(cluster_sizes))
    pages = []
    for heading, labels in style.pages_of(subset_groups, 3 * style.rows_that_fit(_ROW, _MARGIN)):
        page = style.new_figure(FULL_WIDTH, _ROW * -(-len(labels) // 3) + _MARGIN, heading)
        grid = style.panels(page, len(labels))
        for axes, (subset, label) in zip(grid, labels.items(), strict=True):
            axes.bar(place, cluster_sizes[order], width=0.9, color=PALE, label="all training images")
            axes.bar(place, kept_sizes[subset][order], width=0.9, color=BLUE, label="kept")
            axes.set_title(label)
            axes.set_xticks([])
        page.supxlabel("clusters, largest first", fontsize=8)
        page.supylabel("images", fontsize=8)
        page.legend(*grid[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
        pages.append(page)
    style.share_limits([page.axes[0] for page in pages], "y")
    return pages
