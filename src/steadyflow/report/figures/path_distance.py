"""Distance in latent space between the paths of two models at each time, median and 5th to 95th percentile: of paths
from the same noise (blue) and of all pairs from different noises (orange)."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from steadyflow.report import style
from steadyflow.report.drawing import legend_above
from steadyflow.report.style import BLUE, FULL_WIDTH, ORANGE, styled

TITLE = "Distance of paths over time"
CATEGORY = "Stability"
NEEDS = "path comparisons"

_ROW, _MARGIN = 1.3, 0.55  # inches


@styled
def figure(path_distances: pd.DataFrame, path_comparisons: Mapping[str, Mapping[tuple[str, str], str]]) -> list[Figure]:
    """A panel per comparison: how far paths from the same noise, and from different noises, lie apart at each time.

    `path_distances`: columns run, reference, t, and matched_ and unmatched_ low, median, high, which make a line in a
    band. `path_comparisons`: heading -> (run, reference) -> label.
    """
    pages = []
    for heading, pairs in style.pages_of(path_comparisons, 3 * style.rows_that_fit(_ROW, _MARGIN)):
        page = style.new_figure(FULL_WIDTH, _ROW * -(-len(pairs) // 3) + _MARGIN, heading)
        grid = style.panels(page, len(pairs))
        for axes, ((run, reference), label) in zip(grid, pairs.items(), strict=True):
            chosen = (path_distances["run"] == run) & (path_distances["reference"] == reference)
            rows = path_distances[chosen].sort_values("t")
            for kind, colour in (("unmatched", ORANGE), ("matched", BLUE)):
                band = (rows[f"{kind}_low"], rows[f"{kind}_high"])
                axes.fill_between(rows["t"], *band, color=colour, alpha=0.25, linewidth=0)
                axes.plot(rows["t"], rows[f"{kind}_median"], color=colour)
            # A pair of long names would run into the panel beside it.
            axes.set_title(label.replace(" / ", " /\n"))
            axes.grid(axis="y")
        grid[0].set_xlim(0, 1)
        grid[0].set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        grid[0].set_ylim(bottom=0)
        page.supxlabel("time t, from noise to data", fontsize=8)
        page.supylabel("distance (latent L2)", fontsize=8)
        legend_above(page, {"same noise": (BLUE, "s"), "different noise": (ORANGE, "s")})
        pages.append(page)
    style.share_limits([page.axes[0] for page in pages], "y")
    return pages
