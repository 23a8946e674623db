"""Any folder of images, with classes from its subfolders or from a CSV."""

import csv
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

from steadyflow.artifacts import UserError
from steadyflow.data.records import Picture, Record, Records, Source

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
MODES = {1: "L", 3: "RGB"}


@dataclass(frozen=True)
class _Labels:
    """What is known about the images besides their pixels: a class index by key, attributes by key, and their names."""

    classes: list[str] | None = None
    label: Mapping[str, int] = field(default_factory=dict)
    attributes: Mapping[str, list[str]] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def folder(
    path: Path | str,
    labels_csv: Path | str | None = None,
    channels: int = 3,
    bad_images: Literal["error", "skip"] = "error",
) -> Source:
    """All images under `path`, uint8 [H, W, channels], turned upright as their EXIF data say.

    Keys are relative posix paths, sorted; links are followed, hidden files and folders left out. `labels_csv` has a
    column `file` (relative to `path`), if wanted a column `label` (the class), and every other column is a categorical
    attribute; empty cells mean unknown. Without it the first subfolders are the classes, unless some images lie
    directly in `path`: then there are none.

    Nothing is converted silently: an image must be of mode RGB (`channels` 3) or L (`channels` 1). One that is not, or
    cannot be decoded, raises UserError while records are read, or with `bad_images` 'skip' becomes a record without an
    image that says why; the ids of the others do not move.

    Raises UserError when there are no images, and when folder and CSV do not list the same files.
    """
    path = Path(path).resolve()
    keys = sorted(_image_keys(path))
    if not keys:
        raise UserError(f"{path}: no images ({', '.join(sorted(SUFFIXES))}) in this folder; check the path")
    labels = _from_subfolders(keys) if labels_csv is None else _from_csv(Path(labels_csv), path, keys)

    def records() -> Iterator[Record]:
        for key in keys:
            label, attributes = labels.label.get(key, -1), labels.values.get(key, {})
            try:
                yield Record(key, _decode(path / key, channels), label, attributes)
            except UserError as error:
                if bad_images == "error":
                    raise
                yield Record(key, None, label, attributes, problem=str(error))

    return Source(path.name, Records(records), len(keys), labels.classes, labels.attributes)


def _image_keys(path: Path) -> Iterator[str]:
    # Not rglob: it passes over folders that are links, and large data sets are often assembled from links.
    for parent, folders, files in os.walk(path, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for file in (Path(parent, name) for name in files if not name.startswith(".")):
            if file.suffix.lower() in SUFFIXES:
                yield file.relative_to(path).as_posix()


def _decode(file: Path, channels: int) -> Picture:
    try:
        with Image.open(file) as image:
            mode = image.mode
            pixels = np.asarray(ImageOps.exif_transpose(image))
    # Pillow's decoders raise nearly anything on broken files, and its own error on decompression bombs.
    except Exception as error:
        raise UserError(
            f"{file}: cannot be decoded ({error}); mend or remove it, or set bad_images to 'skip'"
        ) from error
    if mode != MODES[channels]:
        raise UserError(f"{file}: mode {mode}, expected {MODES[channels]}; convert it, or set bad_images to 'skip'")
    return pixels.reshape(*pixels.shape[:2], channels)


def _from_subfolders(keys: list[str]) -> _Labels:
    if any("/" not in key for key in keys):
        return _Labels()
    folders = {key: key.split("/", 1)[0] for key in keys}
    classes = sorted(set(folders.values()))
    codes = {name: code for code, name in enumerate(classes)}
    return _Labels(classes, {key: codes[name] for key, name in folders.items()})


def _from_csv(path: Path, images: Path, keys: list[str]) -> _Labels:
    rows = _read_rows(path, images, frozenset(keys))
    for key in keys:
        if key not in rows:
            raise UserError(f"{path}: lacks {key}, which is in {images}; add a line for it, or remove the image")
    columns = list(next(iter(rows.values())))
    names = [name for name in columns if name not in ("file", "label")]
    classes = _values(rows, "label") if "label" in columns else None
    codes = {name: code for code, name in enumerate(classes or [])}
    return _Labels(
        classes,
        {key: codes.get(row.get("label", ""), -1) for key, row in rows.items()},
        {name: _values(rows, name) for name in names},
        {key: {name: row[name] for name in names} for key, row in rows.items()},
    )


def _read_rows(path: Path, images: Path, keys: frozenset[str]) -> dict[str, dict[str, str]]:
    """The CSV's rows by their file. Errors name the line."""
    if not path.is_file():
        raise UserError(f"{path}: no such file; labels_csv must name a CSV with a column `file`")
    rows: dict[str, dict[str, str]] = {}
    with path.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines)
        columns = reader.fieldnames or []
        if "file" not in columns:
            raise UserError(f"{path}: no column `file` (found: {', '.join(columns)}); name the images' column so")
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            if None in row or None in row.values():
                raise UserError(f"{where}: {len(columns)} columns expected; mend this line")
            key = row["file"]
            if key not in keys:
                raise UserError(f"{where}: {key} is not an image in {images}; remove the line, or add the image")
            if key in rows:
                raise UserError(f"{where}: {key} is listed a second time; keep one line for each image")
            rows[key] = row
    return rows


def _values(rows: Mapping[str, Mapping[str, str]], column: str) -> list[str]:
    """The values of a column but the empty one, sorted; whole numbers by size."""
    values = {row[column] for row in rows.values()} - {""}
    return sorted(values, key=lambda value: (not value.isdecimal(), int(value) if value.isdecimal() else 0, value))
