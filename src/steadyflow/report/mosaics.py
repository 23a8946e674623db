"""Rows of images as pages of a figure, each row with a label. Laid out by hand: the pictures' aspect is fixed."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from steadyflow.report import style
from steadyflow.report.images import Images, mosaic
from steadyflow.report.style import FULL_WIDTH, GREY

TITLE_HEIGHT = 0.25  # inches


def label_width(labels: Sequence[str]) -> float:
    """What the labels need to the left of the images, in inches."""
    return 0.062 * max(map(len, labels)) + 0.1


def row_height(images: Images, left: float) -> float:
    """Of one of the rows of images [rows, columns, H, W, C] that fill the page beside `left` inches."""
    return (FULL_WIDTH - left) * aspect(images[:1])


def labelled_mosaic(images: Images, labels: Sequence[str], left: float, title: str) -> Figure:
    """A page: images [rows, columns, H, W, C], a label of each row in `left` inches, and a title above."""
    height = (FULL_WIDTH - left) * aspect(images)
    figure = style.new_figure(FULL_WIDTH, height + TITLE_HEIGHT)
    figure.set_layout_engine("none")
    axes = figure.add_axes((left / FULL_WIDTH, 0, 1 - left / FULL_WIDTH, height / (height + TITLE_HEIGHT)))
    show_mosaic(axes, images, labels)
    axes.set_title(title, color=GREY)
    return figure


def show_mosaic(axes: Axes, images: Images, labels: Sequence[str] = ()) -> None:
    picture = mosaic(images)
    axes.imshow(picture, interpolation="none")
    pitch = (picture.shape[0] + 4) / images.shape[0]
    axes.set_xticks([])
    axes.set_yticks([pitch * (row + 0.5) for row in range(len(labels))], labels)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def aspect(images: Images) -> float:
    """Height over width of the mosaic of [rows, columns, H, W, C]."""
    rows, columns, height, width, _ = images.shape
    return (rows * (height + 1)) / (columns * (width + 1))
