"""The facts of a study's datasets as one HTML file that contains its pictures."""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from steadyflow.data.fit import fit_image
from steadyflow.prune_page.bars import bar_columns
from steadyflow.prune_page.facts import DatasetFacts

THUMBNAIL = 64
"""Side in pixels, at most: some 10 kB for a photograph."""


@dataclass(frozen=True)
class Thumbnail:
    """A picture as a data URI, and the key of its image."""

    uri: str
    key: str


def thumbnails(
    ids: Sequence[int],
    read: Callable[[Sequence[int]], npt.NDArray[np.uint8]],
    keys: Mapping[int, str],
) -> dict[int, Thumbnail]:
    """The images `ids` as PNG, at most THUMBNAIL pixels a side; `read` returns uint8 [1, H, W, C] for one id."""
    return {index: Thumbnail(_data_uri(read([index])[0]), keys[index]) for index in ids}


def prune_page(study: str, datasets: Sequence[tuple[DatasetFacts, Mapping[int, Thumbnail]]]) -> str:
    """The whole page. The same arguments give the same text; every name in it is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"bar_columns": bar_columns}
    return environment.get_template("page.html").render(study=study, datasets=datasets)


def _data_uri(picture: npt.NDArray[np.uint8]) -> str:
    if max(picture.shape[:2]) > THUMBNAIL:
        picture = fit_image(picture, THUMBNAIL)
    file = io.BytesIO()
    Image.fromarray(picture.squeeze(-1) if picture.shape[-1] == 1 else picture).save(file, "png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
