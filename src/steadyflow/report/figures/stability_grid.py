"""Samples from the same noise, grouped by what was changed; a column starts from one noise in all rows."""

from collections.abc import Mapping, Sequence
from string import ascii_lowercase

import numpy as np
from matplotlib.figure import Figure

from steadyflow.report import style
from steadyflow.report.images import Images
from steadyflow.report.mosaics import label_width, row_height, show_mosaic
from steadyflow.report.style import FULL_WIDTH, GREY, PAGE_HEIGHT, styled

TITLE = "Samples from the same noise, by what was changed"
CATEGORY = "Stability"
NEEDS = "runs"

_HEADING, _GAP = 0.2, 0.06  # inches


@styled
def figure(samples: Mapping[str, Images], perturbations: Mapping[str, Mapping[str, str]]) -> list[Figure]:
    """Samples of the same noises, under a heading for each kind of perturbation, as in the papers' Fig. 1, 3 and 4; as
    many groups on a page as it holds.

    `samples`: run -> [columns, H, W, C], of one size all; `perturbations`: heading -> run -> label.
    """
    left = label_width([label for labels in perturbations.values() for label in labels.values()])
    row = row_height(next(iter(samples.values()))[None], left)
    lettered = {
        f"({ascii_lowercase[place % 26]}) {heading}" if heading else "": labels
        for place, (heading, labels) in enumerate(perturbations.items())
    }
    blocks = style.pages_of(lettered, int((PAGE_HEIGHT - _HEADING - _GAP) / row))
    return [_page(samples, page, left, row) for page in _packed(blocks, row)]


Block = tuple[str, dict[str, str]]


def _packed(blocks: Sequence[Block], row: float) -> list[list[Block]]:
    """Blocks of rows in their order, as many on each page as it holds."""
    pages: list[list[Block]] = [[]]
    taken = 0.0
    for block in blocks:
        height = _HEADING + _GAP + row * len(block[1])
        if pages[-1] and taken + height > PAGE_HEIGHT:
            pages.append([])
            taken = 0.0
        pages[-1].append(block)
        taken += height
    return pages


def _page(samples: Mapping[str, Images], blocks: Sequence[Block], left: float, row: float) -> Figure:
    whole = sum(_HEADING + _GAP + row * len(labels) for _, labels in blocks)
    page = style.new_figure(FULL_WIDTH, whole)
    page.set_layout_engine("none")
    top = whole
    for heading, labels in blocks:
        height = row * len(labels)
        top -= _HEADING + height
        axes = page.add_axes((left / FULL_WIDTH, top / whole, 1 - left / FULL_WIDTH, height / whole))
        show_mosaic(axes, np.stack([samples[run] for run in labels]), list(labels.values()))
        axes.set_title(heading, color=GREY)
        top -= _GAP
    return page
