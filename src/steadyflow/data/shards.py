"""Shards of images: memory-mapped Arrow IPC streams of (id, pixels), which `datasets.Dataset.from_file` can open.

Pixels are not compressed: at 256x256 decoding PNG takes longer than reading 1.6 times the bytes (docs/scaling.md).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from steadyflow.data.records import Picture
from steadyflow.ground.artifacts import UserError

if TYPE_CHECKING:
    import pyarrow as pa

# In bytes, so that the memory of the writer does not grow with the resolution.
BATCH_BYTES = 16 << 20
SHARD_BYTES = 1 << 30


def write_shards(folder: Path, pictures: Iterator[Picture | None], *, resolution: int, channels: int) -> None:
    """Writes data-00000.arrow, ... of about `SHARD_BYTES`, in record batches of at most `BATCH_BYTES`.

    Columns are `id`, counted from 0, and `image`, the pixels of uint8 [resolution, resolution, channels] as a
    fixed-size list, null for None. All shards and batches but the last have equally many images. The schema's metadata
    has the shape: `height`, `width`, `channels`.
    """
    import pyarrow as pa

    shape = {"height": resolution, "width": resolution, "channels": channels}
    size = resolution * resolution * channels
    rows = max(1, BATCH_BYTES // size)
    batches_per_shard = max(1, SHARD_BYTES // (rows * size))
    schema = pa.schema(
        [("id", pa.int64()), ("image", pa.list_(pa.uint8(), size))],
        metadata={name: str(value) for name, value in shape.items()},
    )
    batches = _record_batches(pictures, np.empty((rows, *shape.values()), np.uint8), schema)
    number = 0
    while batch := next(batches, None):
        with pa.ipc.new_stream(str(folder / f"data-{number:05d}.arrow"), schema) as writer:
            writer.write_batch(batch)
            for batch in islice(batches, batches_per_shard - 1):
                writer.write_batch(batch)
        number += 1


def _record_batches(
    pictures: Iterator[Picture | None], pixels: Picture, schema: "pa.Schema"
) -> Iterator["pa.RecordBatch"]:
    """Record batches in the buffer `pixels`, uint8 [rows, H, W, C], which each one overwrites."""
    import pyarrow as pa

    missing, first = np.empty(len(pixels), bool), 0
    while True:
        filled = 0
        for picture in islice(pictures, len(pixels)):
            missing[filled] = picture is None
            pixels[filled] = 0 if picture is None else picture
            filled += 1
        if not filled:
            return
        images = pa.FixedSizeListArray.from_arrays(
            pa.array(pixels[:filled].reshape(-1)), type=schema.field("image").type, mask=pa.array(missing[:filled])
        )
        yield pa.record_batch([pa.array(np.arange(first, first + filled)), images], schema)
        first += filled


@dataclass(frozen=True)
class Batch:
    """Consecutive images: pixels uint8 [rows, H, W, C] in the memory map, missing bool [rows]."""

    pixels: Picture
    missing: npt.NDArray[np.bool_]


def map_shard(path: Path, first_id: int) -> list[Batch]:
    """The batches of a shard as memory maps; only headers are read.

    Raises UserError for an incomplete shard, and if the first id is not `first_id`.
    """
    import pyarrow as pa

    try:
        # The file is closed, which the mapping outlives, so that thousands of shards do not need as many open files.
        with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as stream:
            height, width, channels = (int(stream.schema.metadata[name]) for name in (b"height", b"width", b"channels"))
            batches = list(stream)
        found = batches[0].column("id")[0].as_py()
    except (pa.ArrowInvalid, OSError, TypeError, KeyError, IndexError) as error:
        raise UserError(f"{path}: no complete shard of images ({error}); run the dataset stage again") from error
    if found != first_id:
        raise UserError(
            f"{path}: begins with image {found}, expected {first_id}: a shard before it is gone or of another dataset; "
            "run the dataset stage again"
        )
    return [
        Batch(
            # `values` ignores the offset of a slice, but arrays of a stream are never slices.
            column.values.to_numpy(zero_copy_only=True).reshape(len(column), height, width, channels),
            column.is_null().to_numpy(zero_copy_only=False),
        )
        for column in (batch.column("image") for batch in batches)
    ]
