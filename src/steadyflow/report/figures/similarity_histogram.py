"""Cosine similarity, in the features of each encoder, of samples that start from the same noise and of all pairs that
do not; every histogram is scaled to the same height."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from steadyflow.report import style
from steadyflow.report.drawing import MARGIN, legend_above
from steadyflow.report.style import BLUE, FULL_WIDTH, ORANGE, styled

TITLE = "Distribution of similarity"
CATEGORY = "Stability"
NEEDS = "comparisons"

_ROW, _LEGEND = 0.42, 0.25  # inches
Pair = tuple[str, str]


@styled
def figure(
    similarity_histograms: pd.DataFrame,
    comparisons: Mapping[str, Mapping[Pair, str]],
    similarity_encoders: Sequence[str],
) -> list[Figure]:
    """A row per comparison, a column per encoder: cosine similarity of matched pairs and of all unmatched pairs, each
    scaled to one height.

    `similarity_histograms`: columns run, reference, encoder, bin_low, bin_high, matched and unmatched (counts), a row
    per bin, rising. `comparisons`: heading -> (run, reference) -> label.
    """
    by_comparison = similarity_histograms.groupby(["run", "reference", "encoder"], sort=False)
    limits = {
        encoder: _limits(
            [
                by_comparison.get_group((*pair, encoder))
                for pairs in comparisons.values()
                for pair in pairs
                if (*pair, encoder) in by_comparison.groups
            ]
        )
        for encoder in similarity_encoders
    }
    width = FULL_WIDTH * (0.75 if len(similarity_encoders) == 1 else 1)
    pages = []
    for heading, pairs in style.pages_of(comparisons, style.rows_that_fit(_ROW, MARGIN + _LEGEND)):
        page = style.new_figure(width, _ROW * len(pairs) + MARGIN + _LEGEND, heading)
        grid = page.subplots(len(pairs), len(similarity_encoders), sharex="col", squeeze=False)
        for column, encoder in zip(grid.T, similarity_encoders, strict=True):
            for axes, (pair, label) in zip(column, pairs.items(), strict=True):
                # An encoder that finds no face has no features of decoded noise.
                if (*pair, encoder) in by_comparison.groups:
                    _histogram(axes, by_comparison.get_group((*pair, encoder)))
                if encoder == similarity_encoders[0]:
                    axes.set_ylabel(label, rotation=0, ha="right", va="bottom", y=0)
            column[0].set_xlim(*limits[encoder])
            column[-1].tick_params(axis="x", length=3)
            column[-1].set_xlabel(f"cosine similarity ({encoder} features)")
        legend_above(page, {"same noise": (BLUE, "s"), "different noise, all pairs": (ORANGE, "s")})
        pages.append(page)
    return pages


def _histogram(axes: Axes, bins: pd.DataFrame) -> None:
    edges = _edges(bins)
    for counts, colour in ((bins["unmatched"].to_numpy(), ORANGE), (bins["matched"].to_numpy(), BLUE)):
        # Each to its own height: a peak of matched pairs would flatten the broad unmatched ones to nothing.
        height = counts / counts.max()
        axes.stairs(height, edges, fill=True, color=colour, alpha=0.35)
        axes.stairs(height, edges, color=colour, linewidth=0.9)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="x", length=0)


def _edges(bins: pd.DataFrame) -> np.ndarray:
    return np.append(bins["bin_low"], bins["bin_high"].iloc[-1])


def _limits(histograms: Sequence[pd.DataFrame]) -> tuple[float, float]:
    """Of x, around the bins that show anything: a thousandth of the highest bar, or more."""
    filled = [
        bins["bin_low"].to_numpy()[
            (bins["matched"] > bins["matched"].max() / 1000) | (bins["unmatched"] > bins["unmatched"].max() / 1000)
        ]
        for bins in histograms
    ]
    width = max(float(np.diff(_edges(bins)).max()) for bins in histograms)
    return min(f.min() for f in filled) - width, max(f.max() for f in filled) + 2 * width
