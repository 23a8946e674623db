"""How every figure looks, and how it is written. Matplotlib is imported when a figure is made, not before.

No pyplot: a Figure of its own needs no backend, no display and no closing.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

from steadyflow.artifacts import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which stay apart for every kind of colour vision.
BLUE, ORANGE, LIGHT_BLUE = "#0072B2", "#D55E00", "#8EC1E0"
SERIES = (BLUE, ORANGE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
INK, GREY, PALE = "#222222", "#8C8C8C", "#D9D9D9"

# Inches: the text width of an ICML or NeurIPS page, and one column of two.
FULL_WIDTH, COLUMN_WIDTH = 6.75, 3.25

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


@contextmanager
def _style() -> Iterator[None]:
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_RC)
        yield


def styled(draw: Callable[_Arguments, "Figure"]) -> Callable[_Arguments, "Figure"]:
    """A figure function under the house style, whatever the reader's own matplotlibrc says."""

    @functools.wraps(draw)
    def drawn(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> "Figure":
        with _style():
            return draw(*args, **kwargs)

    return drawn


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure, in inches, that lays itself out."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def panels(figure: "Figure", count: int, *, most_columns: int = 3, share_y: bool = True) -> list["Axes"]:
    """`count` panels that share axes, in rows as full as can be; the lowest of each column has tick labels."""
    rows = -(-count // most_columns)
    columns = -(-count // rows)
    grid = figure.subplots(rows, columns, sharex=True, sharey=share_y, squeeze=False)
    for position, axes in enumerate(grid.flat):
        axes.set_visible(position < count)
        axes.tick_params(labelbottom=position < count <= position + columns)
    return list(grid.flat[:count])


def rows_axis(axes: "Axes", labels: list[str]) -> None:
    """A categorical y axis: the first label on top, no ticks."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def write_figure(figure: "Figure", stem: Path | str) -> None:
    """Writes `stem`.pdf and `stem`.png (200 dpi). The same figure gives the same bytes."""
    with _style():
        # Laid out once: a second pass may move things by a hair, and then the two files would differ.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        with atomic_path(f"{stem}.pdf") as temporary:
            figure.savefig(temporary, metadata={"CreationDate": None})
        with atomic_path(f"{stem}.png") as temporary:
            figure.savefig(temporary, dpi=200, metadata={"Software": None})
