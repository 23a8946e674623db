"""Reading a dataset back: its summary, its manifest, and its images by id."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from steadyflow.artifacts import UserError, read_json
from steadyflow.data.records import Picture
from steadyflow.data.shards import decode_picture

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Skipped:
    """An image left out, and why."""

    key: str
    problem: str


@dataclass(frozen=True)
class DatasetInfo:
    """dataset.json.

    n: number of ids, skipped ones included
    counts: how many are 'train', 'val' and 'skipped'
    classes: names of the labels, None when there are none
    attributes: name -> its values in the order of their codes
    content_hash: of keys, labels, attributes, splits and pixels in id order
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


def read_dataset_info(path: Path | str) -> DatasetInfo:
    """The summary that `write_dataset` left in dataset.json."""
    content = read_json(path)
    return DatasetInfo(**{**content, "skipped": [Skipped(**entry) for entry in content["skipped"]]})


def read_manifest(path: Path | str) -> "pd.DataFrame":
    """manifest.parquet, one row per id from 0: id, key, split, label, an attribute a column, width, height."""
    import pandas as pd

    return pd.read_parquet(path)


def attribute_codes(manifest: "pd.DataFrame", info: DatasetInfo) -> dict[str, npt.NDArray[np.int64]]:
    """Name -> int64 [n] in id order, -1 where unknown: every attribute, and 'label' where there are classes."""
    import pandas as pd

    codes = {
        name: pd.Index(values).get_indexer(pd.Index(manifest[name])).astype(np.int64)
        for name, values in info.attributes.items()
    }
    return codes if info.classes is None else {**codes, "label": manifest["label"].to_numpy(np.int64)}


class ImageStore:
    """The images of a dataset by id, from memory-mapped shards; any number of processes may open it at once."""

    def __init__(self, directory: Path | str):
        """`directory` is a dataset's images/. Raises UserError when it holds no shards."""
        import pyarrow as pa

        paths = sorted(Path(directory).glob("data-*.arrow"))
        if not paths:
            raise UserError(f"{directory}: no data-*.arrow in it; run the dataset stage first")
        self._chunks = []
        for path in paths:
            table = pa.ipc.open_stream(pa.memory_map(str(path))).read_all()
            self._chunks += table.column("image").chunks
        self._starts = np.cumsum([0] + [len(chunk) for chunk in self._chunks])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def read(self, ids: Sequence[int] | npt.NDArray[np.int64]) -> Picture:
        """uint8 [len(ids), H, W, C], in the order asked. Raises UserError for an id that is skipped or out of range."""
        return np.stack([self._decode(int(index)) for index in ids])

    def _decode(self, index: int) -> Picture:
        if not 0 <= index < len(self):
            raise UserError(f"image {index}: the dataset's ids are 0 to {len(self) - 1}")
        chunk = int(np.searchsorted(self._starts, index, side="right")) - 1
        encoded = self._chunks[chunk][index - self._starts[chunk]].as_py()
        if not encoded:
            raise UserError(f"image {index}: was skipped when the dataset was written; leave out ids whose split is so")
        return decode_picture(encoded)
