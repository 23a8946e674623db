"""Images on disk: Arrow IPC streams of (id, PNG bytes), which `datasets.Dataset.from_file` opens too."""

import io
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from steadyflow.data.records import Picture

SHARD_SIZE = 50_000
BATCH_SIZE = 500


def write_shards(folder: Path, pictures: Iterator[Picture | None]) -> None:
    """data-00000.arrow, data-00001.arrow..., `SHARD_SIZE` images each; empty bytes stand for None. Ids count from 0."""
    import pyarrow as pa

    schema = pa.schema([("id", pa.int64()), ("image", pa.binary())])
    encoded = (b"" if picture is None else encode_picture(picture) for picture in pictures)
    written = 0
    while batch := list(islice(encoded, BATCH_SIZE)):
        path = folder / f"data-{written // SHARD_SIZE:05d}.arrow"
        with pa.ipc.new_stream(str(path), schema) as writer:
            while batch:
                ids = np.arange(written, written + len(batch), dtype=np.int64)
                writer.write_batch(pa.record_batch([pa.array(ids), pa.array(batch, pa.binary())], schema))
                written += len(batch)
                batch = list(islice(encoded, BATCH_SIZE)) if written % SHARD_SIZE else []


def encode_picture(picture: Picture) -> bytes:
    """uint8 [H, W, C] -> PNG."""
    buffer = io.BytesIO()
    # Level 1 is much faster than the default, for files a little larger.
    Image.fromarray(picture.squeeze(-1) if picture.shape[2] == 1 else picture).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def decode_picture(encoded: bytes) -> Picture:
    """PNG -> uint8 [H, W, C]."""
    with Image.open(io.BytesIO(encoded)) as image:
        pixels: Picture = np.asarray(image)
    return pixels if pixels.ndim == 3 else pixels[:, :, None]
