"""Images of the dataset, as the tokenizer sees them."""

from matplotlib.figure import Figure

from steadyflow.report import style
from steadyflow.report.images import Images
from steadyflow.report.mosaics import aspect, show_mosaic
from steadyflow.report.style import FULL_WIDTH, styled

TITLE = "Images of the dataset"
CATEGORY = "Data"
NEEDS = "dataset"

_COLUMNS = 12


@styled
def figure(dataset_images: Images) -> list[Figure]:
    """Images [n, H, W, C] in rows of 12; a last row that is not full is left out."""
    columns = min(_COLUMNS, len(dataset_images))
    rows = len(dataset_images) // columns
    grid = dataset_images[: rows * columns].reshape(rows, columns, *dataset_images.shape[1:])
    page = style.new_figure(FULL_WIDTH, FULL_WIDTH * aspect(grid))
    show_mosaic(page.add_subplot(), grid)
    return [page]
