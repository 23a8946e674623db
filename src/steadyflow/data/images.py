"""Reads a dataset: its summary, its manifest, and its images by id."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from steadyflow.data.records import Picture
from steadyflow.data.shards import Batch, map_shard
from steadyflow.ground.artifacts import UserError, read_json

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Skipped:
    """An image that was skipped, and the reason."""

    key: str
    problem: str


@dataclass(frozen=True)
class DatasetInfo:
    """dataset.json.

    n: number of ids, including skipped ones
    counts: number of 'train', 'val' and 'skipped' images
    classes: names of the labels, None if there are none
    attributes: name -> its values in the order of their codes
    skipped: the first thousand of them; all are in the manifest
    content_hash: of keys, labels, attributes, splits and pixels in the order of ids
    details: how the dataset was made
    """

    name: str
    n: int
    counts: dict[str, int]
    classes: list[str] | None
    attributes: dict[str, list[str]]
    resolution: int
    channels: int
    skipped: list[Skipped]
    content_hash: str
    details: dict[str, Any]

    @property
    def num_classes(self) -> int:
        """1 of images without labels."""
        return 1 if self.classes is None else len(self.classes)


def read_dataset_info(path: Path | str) -> DatasetInfo:
    """Reads the dataset.json that `write_dataset` wrote."""
    content = read_json(path)
    return DatasetInfo(**{**content, "skipped": [Skipped(**entry) for entry in content["skipped"]]})


def train_ids(manifest: "pd.DataFrame") -> np.ndarray:
    """The ids of the training split, int64, increasing."""
    return manifest.loc[manifest["split"] == "train", "id"].to_numpy()


def read_manifest(path: Path | str, columns: Sequence[str] | None = None) -> "pd.DataFrame":
    """manifest.parquet, one row per id from 0: id, key, split, label, one column per attribute, width, height.

    With all columns it takes 270 MB for ImageNet, with the `columns` id and split 80 MB.
    """
    import pandas as pd

    return pd.read_parquet(path, columns=None if columns is None else list(columns))


def attribute_codes(manifest: "pd.DataFrame", info: DatasetInfo) -> dict[str, npt.NDArray[np.int64]]:
    """Name -> codes int64 [n] by id, -1 if unknown, for every attribute, and for 'label' if there are classes."""
    import pandas as pd

    codes = {
        name: pd.Index(values).get_indexer(pd.Index(manifest[name])).astype(np.int64)
        for name, values in info.attributes.items()
    }
    return codes if info.classes is None else {**codes, "label": manifest["label"].to_numpy(np.int64)}


def held_out_ids(manifest: "pd.DataFrame", info: DatasetInfo, having: Mapping[str, str]) -> npt.NDArray[np.int64]:
    """The ids of the validation split whose attributes (`label`: their class) have the values `having`; all for {}."""
    values, codes = {**info.attributes, "label": info.classes or []}, attribute_codes(manifest, info)
    matches = [codes[attribute] == values[attribute].index(value) for attribute, value in having.items()]
    return np.flatnonzero(np.logical_and.reduce([(manifest["split"] == "val").to_numpy(), *matches]))


class ImageStore:
    """The images of a dataset by id, from memory-mapped shards; any number of processes may open it at once."""

    def __init__(self, directory: Path | str):
        """`directory` is a dataset's images/. Opens the first and last shard; the others are opened on first use.

        Raises UserError if it has no shards, or broken ones.
        """
        self._paths = sorted(Path(directory).glob("data-*.arrow"))
        if not self._paths:
            raise UserError(f"{directory}: no data-*.arrow in it; run the dataset stage first")
        first = map_shard(self._paths[0], 0)
        self._rows, self._shard_batches = len(first[0].pixels), len(first)
        self._batches = dict(enumerate(first))
        last = self._open(len(self._paths) - 1)
        before = (len(self._paths) - 1) * self._shard_batches * self._rows
        self._count = before + sum(len(batch.pixels) for batch in last)

    def __len__(self) -> int:
        return self._count

    def read(self, ids: Sequence[int] | npt.NDArray[np.int64]) -> Picture:
        """The images `ids`, uint8 [len(ids), H, W, C]. Raises UserError for an id that is skipped or out of range."""
        pictures = np.empty((len(ids), *self._batches[0].pixels.shape[1:]), np.uint8)
        for place, index in enumerate(np.asarray(ids, np.int64).tolist()):
            if not 0 <= index < self._count:
                raise UserError(f"image {index}: the dataset's ids are 0 to {self._count - 1}")
            number, row = divmod(index, self._rows)
            batch = self._batches.get(number) or self._open(number // self._shard_batches)[number % self._shard_batches]
            if batch.missing[row]:
                raise UserError(
                    f"image {index}: was skipped when the dataset was written; leave out ids of the split 'skipped'"
                )
            pictures[place] = batch.pixels[row]
        return pictures

    def _open(self, shard: int) -> list[Batch]:
        first = shard * self._shard_batches
        batches = map_shard(self._paths[shard], first * self._rows)
        self._batches.update(enumerate(batches, first))
        return batches
