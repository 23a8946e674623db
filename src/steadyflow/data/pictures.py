"""Pictures by row, of a dataset or of a run's samples, as the input of encoders and classifiers."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from steadyflow.data.images import ImageStore, read_dataset_info, read_manifest
from steadyflow.data.records import Picture
from steadyflow.ground.artifacts import file_hash, read_array

Read = Callable[[npt.NDArray[np.int64]], Picture]


@dataclass(frozen=True)
class Pictures:
    """`count` rows, of which those in `usable`, int64 [m], increasing, have a picture.

    open: returns a reader, rows int64 [b] -> uint8 [b,H,W,C]
    content_hash: returns the hash of all pictures, 16 hex digits
    """

    count: int
    usable: npt.NDArray[np.int64]
    open: Callable[[], Read]
    content_hash: Callable[[], str]


def dataset_pictures(folder: Path) -> Pictures:
    """The pictures of a dataset's folder, row = id; skipped images are not usable."""
    split = read_manifest(folder / "manifest.parquet", ["split"])["split"].to_numpy()
    return Pictures(
        len(split),
        np.flatnonzero(split != "skipped"),
        lambda: ImageStore(folder / "images").read,
        lambda: read_dataset_info(folder / "dataset.json").content_hash,
    )


def array_pictures(path: Path) -> Pictures:
    """The pictures of a .npy file, uint8 [n,H,W,C]."""
    pictures = read_array(path)
    return Pictures(
        len(pictures), np.arange(len(pictures)), lambda: lambda rows: np.array(pictures[rows]), lambda: file_hash(path)
    )
