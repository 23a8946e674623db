"""Training of the tokenizers: reconstruction error, adversarial terms where there are any, and how many codes a batch
uses."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from steadyflow.report import style
from steadyflow.report.drawing import LEGEND_ROW, smooth
from steadyflow.report.style import FULL_WIDTH, SERIES, styled

TITLE = "Training of the tokenizers"
CATEGORY = "Data"
NEEDS = "tokenizers"

_TERMS = {
    "mse": "reconstruction error (MSE)",
    "perceptual": "perceptual term",
    "adversarial": "adversarial term",
    "discriminator": "discriminator's loss",
    "codes_used": "codes used in a batch",
}
_DASHES = ("-", "--", ":")
_LEGEND_COLUMNS = 4


@styled
def figure(tokenizer_curves: pd.DataFrame, tokenizer_labels: Mapping[str, str]) -> list[Figure]:
    """A panel per term of the tokenizers' losses, raw and smoothed, and one for the codes that a batch uses; so many
    tokenizers on a page as have lines of their own.

    `tokenizer_curves`: columns tokenizer, step, mse, codes_used, and perceptual, adversarial and discriminator where a
    tokenizer has them; NaN before a term starts. A term that none has gets no panel.
    """
    curves = tokenizer_curves
    terms = {term: words for term, words in _TERMS.items() if term in curves and curves[term].notna().any()}
    each_page = style.pages_of({"": tokenizer_labels}, len(SERIES) * len(_DASHES))
    pages = [_page(curves, labels, terms) for _, labels in each_page]
    for panels in zip(*(page.axes for page in pages), strict=True):
        style.share_limits(panels, "y")
    return pages


def _page(curves: pd.DataFrame, labels: Mapping[str, str], terms: Mapping[str, str]) -> Figure:
    legend_rows = -(-len(labels) // _LEGEND_COLUMNS)
    page = style.new_figure(FULL_WIDTH, 1.5 * -(-len(terms) // 3) + 0.5 + LEGEND_ROW * (legend_rows - 1))
    grid = style.panels(page, len(terms), share_y=False)
    for axes, (term, words) in zip(grid, terms.items(), strict=True):
        for place, (tokenizer, label) in enumerate(labels.items()):
            rows = curves[curves["tokenizer"] == tokenizer].sort_values("step").dropna(subset=term)
            if rows.empty:
                continue
            colour, dashes = SERIES[place % len(SERIES)], _DASHES[place // len(SERIES)]
            values = rows[term].to_numpy(np.float64)
            axes.plot(rows["step"], values, color=colour, alpha=0.25, linewidth=0.5)
            axes.plot(rows["step"], smooth(values), color=colour, linestyle=dashes, label=label)
        axes.set_title(words)
    grid[0].set_yscale("log")
    grid[-1].set_ylim(bottom=0)
    page.supxlabel("training step", fontsize=8)
    handles = grid[0].get_legend_handles_labels()
    page.legend(*handles, loc="outside upper right", ncols=min(len(labels), _LEGEND_COLUMNS))
    return page
