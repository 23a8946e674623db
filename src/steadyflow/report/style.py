"""How every figure looks, fits a page, and is written.

A figure is a list of pages. No pyplot: a Figure of its own needs no backend, no display and no closing.
"""

import functools
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from PIL import Image

from steadyflow.ground.artifacts import atomic_path

# Okabe and Ito's colours, which stay apart for every kind of colour vision.
BLUE, ORANGE, LIGHT_BLUE = "#0072B2", "#D55E00", "#8EC1E0"
SERIES = (BLUE, ORANGE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
INK, GREY, PALE = "#222222", "#8C8C8C", "#D9D9D9"

# Inches: the text width of an ICML or NeurIPS page, and one column of two.
FULL_WIDTH, COLUMN_WIDTH = 6.75, 3.25
# What a page of them holds in height, without a caption. No page of a figure is taller.
PAGE_HEIGHT = 9.5
HEADING = 0.22  # inches: what the heading of a group of runs needs
_PAGES_BESIDE = 4  # of a figure of several pages, in one row of its PNG

_RC: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.grid": False,
    "axes.labelcolor": INK,
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 8,
    "figure.dpi": 200,
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "grid.color": PALE,
    "grid.linewidth": 0.5,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "pdf.fonttype": 42,
    "text.color": INK,
    # Hinted text is a little wider at some resolutions than at others, and what was laid out for one is cut in another.
    "text.hinting": "none",
    "xtick.color": INK,
    "xtick.labelsize": 7.5,
    "xtick.major.width": 0.6,
    "ytick.color": INK,
    "ytick.labelsize": 7.5,
    "ytick.major.width": 0.6,
}

_Arguments = ParamSpec("_Arguments")
Key = TypeVar("Key")


@contextmanager
def _style() -> Iterator[None]:
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_RC)
        yield


def styled(draw: Callable[_Arguments, list[Figure]]) -> Callable[_Arguments, list[Figure]]:
    """A figure function under the house style, whatever the reader's own matplotlibrc says."""

    @functools.wraps(draw)
    def drawn(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> list[Figure]:
        with _style():
            return draw(*args, **kwargs)

    return drawn


def new_figure(width: float, height: float, heading: str = "") -> Figure:
    """An empty page, in inches, that lays itself out; taller by HEADING where there is a heading."""
    figure = Figure(figsize=(width, height + (HEADING if heading else 0)), layout="constrained")
    if heading:
        figure.suptitle(heading, x=0.01, ha="left", fontsize=8.5, fontweight="bold")
    return figure


def rows_that_fit(row: float, beside: float) -> int:
    """How many rows of `row` inches a page holds next to what takes `beside` inches, and a heading; 1 at least."""
    return max(1, int((PAGE_HEIGHT - HEADING - beside) / row))


def pages_of(groups: Mapping[str, Mapping[Key, str]], most: int) -> list[tuple[str, dict[Key, str]]]:
    """(heading, entries) of each page of `groups`, heading -> entry -> label. Every group begins a page, and goes on on
    others where it has more than `most` entries."""
    pages = []
    for heading, entries in groups.items():
        items = list(entries.items())
        parts = [dict(items[start : start + most]) for start in range(0, len(items), most)]
        for number, part in enumerate(parts, start=1):
            numbered = f"{heading} ({number} of {len(parts)})" if heading and len(parts) > 1 else heading
            pages.append((numbered, part))
    return pages


def share_limits(axes: Sequence[Axes], axis: Literal["x", "y"]) -> None:
    """Panels of several pages have the same limits, those of all of them."""
    limits = [getattr(each, f"get_{axis}lim")() for each in axes]
    lows, highs = zip(*limits, strict=True)
    if len(set(limits)) > 1:
        for each in axes:
            getattr(each, f"set_{axis}lim")(min(lows), max(highs))


def panels(figure: Figure, count: int, *, most_columns: int = 3, share_y: bool = True) -> list[Axes]:
    """`count` panels that share axes, in rows as full as can be; the lowest of each column has tick labels."""
    rows = -(-count // most_columns)
    columns = -(-count // rows)
    grid = figure.subplots(rows, columns, sharex=True, sharey=share_y, squeeze=False)
    for position, axes in enumerate(grid.flat):
        axes.set_visible(position < count)
        axes.tick_params(labelbottom=position < count <= position + columns)
    return list(grid.flat[:count])


def rows_axis(axes: Axes, labels: list[str]) -> None:
    """A categorical y axis: the first label on top, no ticks."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def write_figure(pages: Sequence[Figure], stem: Path | str) -> None:
    """Writes `stem`.pdf, page by page, and `stem`.png (200 dpi), pages beside each other. The same figure gives the
    same bytes. Raises ValueError where a page is taller than PAGE_HEIGHT."""
    for number, page in enumerate(pages, start=1):
        height = page.get_size_inches()[1]
        if height > PAGE_HEIGHT + 1e-6:
            raise ValueError(
                f"{stem}: page {number} is {height:.1f} inches tall, and a page holds {PAGE_HEIGHT}; cut what it "
                "shows by style.pages_of"
            )
    with _style():
        for page in pages:
            # Laid out once: a second pass may move things by a hair, and then the two files would differ.
            page.draw_without_rendering()
            page.set_layout_engine("none")
        with (
            atomic_path(f"{stem}.pdf") as temporary,
            PdfPages(temporary, metadata={"CreationDate": None}) as pdf,
        ):
            for page in pages:
                pdf.savefig(page)
        with atomic_path(f"{stem}.png") as temporary:
            if len(pages) == 1:
                pages[0].savefig(temporary, format="png", dpi=200, metadata={"Software": None})
            else:
                _beside_each_other([_picture(page) for page in pages]).save(temporary, format="png", dpi=(200, 200))


def _picture(page: Figure) -> Image.Image:
    buffer = io.BytesIO()
    page.savefig(buffer, format="png", dpi=200)
    return Image.open(buffer).convert("RGB")


def _beside_each_other(pictures: Sequence[Image.Image]) -> Image.Image:
    """In rows of _PAGES_BESIDE, each from its upper edge."""
    rows = [pictures[start : start + _PAGES_BESIDE] for start in range(0, len(pictures), _PAGES_BESIDE)]
    heights = [max(picture.height for picture in row) for row in rows]
    whole = Image.new("RGB", (max(sum(picture.width for picture in row) for row in rows), sum(heights)), "white")
    for number, row in enumerate(rows):
        left = 0
        for picture in row:
            whole.paste(picture, (left, sum(heights[:number])))
            left += picture.width
    return whole
