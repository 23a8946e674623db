"""Parquet shards of a dataset on the Hugging Face hub, one row per image, read in batches."""

import contextlib
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steadyflow.data.decode import decode_image
from steadyflow.data.files import matching_shards
from steadyflow.data.records import Picture, Record, Records, Source
from steadyflow.ground.artifacts import UserError

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_SIZE = 64
"""Rows in memory at once, in addition to Arrow's buffers of the row group."""


@dataclass(frozen=True)
class _Columns:
    """The columns that are read; `label` is None if there are no labels."""

    image: str
    label: str | None


def huggingface(
    path: Path | str,
    train: str = "data/train-*.parquet",
    val: str | None = None,
    image_column: str = "image",
    label_column: str | None = "label",
    channels: int = 3,
    listed: Collection[str] | None = None,
) -> Source:
    """The rows of the Parquet files under `path` that match `train` and `val`, uint8 [H, W, channels], file by file.

    The image column contains encoded images, directly or as the field `bytes` of a struct; other modes are converted
    (`decode_image`). The label column contains integers; class names are those in the shards' metadata (written by
    `datasets`), otherwise the numbers from 0. Negative and missing labels are unknown. Keys are the file's path without
    suffix and the row: `data/train-00000-of-00006/00042`. Without `val` the records have no split of their own. If
    `listed` is given, only those files (paths relative to `path`) are read.

    Raises UserError if no file matches, for a name that is not UTF-8, an incomplete Parquet file, and a column that is
    missing or of another type.
    """
    path = Path(path).resolve()
    columns = _Columns(image_column, label_column)
    patterns: dict[str, str] = {"train": train} if val is None else {"train": train, "val": val}
    shards = {split: matching_shards(path, pattern, listed) for split, pattern in patterns.items()}
    files = [file for found in shards.values() for file in found]
    if len(set(files)) < len(files):
        raise UserError(f"{path}: {train} and {val} match the same files; a file belongs to one split")
    count = sum(_check(file, columns) for file in files)
    classes = None if label_column is None else _classes(files, label_column)

    def records() -> Iterator[Record]:
        for split, found in shards.items():
            for file in found:
                stem = file.relative_to(path).with_suffix("").as_posix()
                for i, (content, label) in enumerate(_rows(file, columns)):
                    load = partial(_load, content, f"{file}, row {i}", channels)
                    own = None if val is None else split
                    yield Record(f"{stem}/{i:05d}", load, _known(label, classes, file, i), split=own)

    return Source(path.name, Records(records), count, classes)


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[Any]:
    """The file as pyarrow's ParquetFile; errors of pyarrow inside the context become UserError."""
    import pyarrow as pa
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(file) as opened:
            yield opened
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"{file}: not a complete Parquet file ({error}); delete it and run `snakemake fetch` again"
        ) from error


def _check(file: Path, columns: _Columns) -> int:
    """The number of rows, from the file's footer, which detects truncated files before any image is read."""
    import pyarrow as pa

    with _opened(file) as opened:
        schema, rows = opened.schema_arrow, int(opened.metadata.num_rows)
    expected = [(columns.image, "encoded images", lambda kind: pa.types.is_binary(_bytes_type(kind)))]
    if columns.label is not None:
        expected.append((columns.label, "whole numbers", pa.types.is_integer))
    for name, content, fits in expected:
        if name not in schema.names:
            raise UserError(f"{file}: no column `{name}` (it has {', '.join(schema.names)}); name it in the study")
        if not fits(schema.field(name).type):
            raise UserError(f"{file}: the column `{name}` holds {schema.field(name).type}, expected {content}")
    return rows


def _bytes_type(kind: "pa.DataType") -> "pa.DataType":
    """The type of a struct's `bytes`, or the type itself."""
    import pyarrow as pa

    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        kind = kind.field("bytes").type
    return pa.binary() if pa.types.is_large_binary(kind) else kind


def _rows(file: Path, columns: _Columns) -> Iterator[tuple[bytes | None, int | None]]:
    """The encoded image and the label of each row."""
    import pyarrow as pa

    names = [columns.image] if columns.label is None else [columns.image, columns.label]
    with _opened(file) as opened:
        for batch in opened.iter_batches(batch_size=BATCH_SIZE, columns=names):
            images = batch.column(columns.image)
            if pa.types.is_struct(images.type):
                images = images.field("bytes")
            labels = pa.nulls(len(batch)) if columns.label is None else batch.column(columns.label)
            for content, label in zip(images, labels, strict=True):
                yield content.as_py(), label.as_py()


def _load(content: bytes | None, name: str, channels: int) -> Picture:
    if not content:
        raise UserError(f"{name}: no image in it, or only its path")
    return decode_image(content, name, channels, convert=True)


def _known(label: int | None, classes: list[str] | None, file: Path, row: int) -> int:
    if classes is None or label is None or label < 0:
        return -1
    if label >= len(classes):
        raise UserError(f"{file}, row {row}: label {label}, but there are {len(classes)} classes; get the file again")
    return label


def _classes(files: list[Path], column: str) -> list[str]:
    """The class names in the shards' metadata, or the numbers up to the largest label."""
    named = {file: names for file in files if (names := _class_names(file, column))}
    for file, names in named.items():
        if names != next(iter(named.values())):
            raise UserError(f"{file}: other class names than in {next(iter(named))}; are both of the same dataset?")
    if named:
        return next(iter(named.values()))
    largest = max(_largest(file, column) for file in files)
    if largest < 0:
        raise UserError(f"{files[0].parent}: no label in the column `{column}`; set `label_column: null`")
    return [str(number) for number in range(largest + 1)]


def _class_names(file: Path, column: str) -> list[str] | None:
    with _opened(file) as opened:
        metadata = opened.schema_arrow.metadata or {}
    try:
        feature = json.loads(metadata[b"huggingface"])["info"]["features"][column]
        names = feature["names"] if feature["_type"] == "ClassLabel" else None
    # Metadata of other writers have no class names.
    except (KeyError, TypeError, ValueError):
        return None
    return None if names is None else [str(name) for name in names]


def _largest(file: Path, column: str) -> int:
    """The largest label, -1 if there is none."""
    import pyarrow.compute

    with _opened(file) as opened:
        largest = (pyarrow.compute.max(batch.column(0)).as_py() for batch in opened.iter_batches(columns=[column]))
        return max((label for label in largest if label is not None), default=-1)
