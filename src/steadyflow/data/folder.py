"""A folder of images, with classes from its subfolders or a CSV file."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from steadyflow.data.decode import decode_image
from steadyflow.data.files import IMAGE_SUFFIXES, image_files
from steadyflow.data.records import Record, Records, Source
from steadyflow.ground.artifacts import UserError


@dataclass(frozen=True)
class _Labels:
    """Names of the classes and attributes' values, and of each image, by key, the class index and the attributes."""

    classes: list[str] | None = None
    label: Mapping[str, int] = field(default_factory=dict)
    attributes: Mapping[str, list[str]] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def folder(
    path: Path | str,
    labels_csv: Path | str | None = None,
    channels: int = 3,
    classes: Literal["subfolders", "none"] = "subfolders",
) -> Source:
    """All images under `path`, uint8 [H, W, channels], rotated according to their EXIF orientation.

    Keys are relative posix paths, sorted; links are followed, hidden files and folders ignored. `labels_csv` has a
    column `file` (relative to `path`), optionally a column `label` (the class), and every other column is a categorical
    attribute; empty cells are unknown values. Without it the top-level subfolders are the classes; there are none if
    some images lie directly in `path` or `classes` is 'none'.

    Images are not converted: loading a record raises UserError unless its mode is RGB (`channels` 3) or L (`channels`
    1), and if it cannot be decoded.

    Raises UserError if there are no images, and if folder and CSV do not list the same files.
    """
    path = Path(path).resolve()
    keys = sorted(key for key, _ in image_files(path))
    if not keys:
        raise UserError(f"{path}: no images ({', '.join(sorted(IMAGE_SUFFIXES))}) in this folder; check the path")
    if labels_csv is not None:
        labels = _from_csv(Path(labels_csv), path, keys)
    else:
        labels = _from_subfolders(keys) if classes == "subfolders" else _Labels()

    def records() -> Iterator[Record]:
        for key in keys:
            load = partial(decode_image, path / key, str(path / key), channels)
            yield Record(key, load, labels.label.get(key, -1), labels.values.get(key, {}))

    return Source(path.name, Records(records), len(keys), labels.classes, labels.attributes)


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
            raise UserError(f"{path}: no column `file` (found: {', '.join(columns)}); rename the column of the images")
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            if None in row or None in row.values():
                raise UserError(f"{where}: {len(columns)} columns expected; correct this line")
            key = row["file"]
            if key not in keys:
                raise UserError(f"{where}: {key} is not an image in {images}; remove the line, or add the image")
            if key in rows:
                raise UserError(f"{where}: {key} is listed a second time; keep one line for each image")
            rows[key] = row
    return rows


def _values(rows: Mapping[str, Mapping[str, str]], column: str) -> list[str]:
    """The values of a column, without the empty one, sorted; integers numerically and first."""
    values = {row[column] for row in rows.values()} - {""}
    return sorted(values, key=lambda value: (not value.isdecimal(), int(value) if value.isdecimal() else 0, value))
