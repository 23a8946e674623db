"""From a source of images to the dataset on disk: a manifest, Arrow shards of images at one resolution, a summary."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from steadyflow.artifacts import UserError, atomic_directory, write_json, write_parquet
from steadyflow.data.fit import Fit, fit_image
from steadyflow.data.records import Picture, Record, Source
from steadyflow.data.shards import write_shards
from steadyflow.progress import progress

if TYPE_CHECKING:
    import pandas as pd

MANIFEST_COLUMNS = ("id", "key", "split", "label", "width", "height")


def split_of(key: str, val_fraction: float) -> str:
    """'val' or 'train', by a hash of the key: an image stays where it is when others come or go."""
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    return "val" if int.from_bytes(digest, "big") / 2**64 < val_fraction else "train"


def write_dataset(
    source: Source,
    directory: Path | str,
    *,
    resolution: int,
    channels: int,
    val_fraction: float,
    fit: Fit = "crop",
    details: Mapping[str, Any],
) -> None:
    """Streams `source` to `directory`: images/data-00000.arrow..., then manifest.parquet, then dataset.json.

    Ids count the source's records from 0. The split is the source's own, else `split_of(key, val_fraction)`, and
    'skipped' for records without an image. The shards are Arrow IPC streams with columns `id` and `image` (PNG bytes;
    empty when skipped). `details` is written into dataset.json as it is.

    Raises UserError for a repeated key, an image of other channels, a wrong attribute, and for a dataset without
    training or validation images; what lay in `directory` before is then untouched.
    """
    directory = Path(directory)
    _check_attribute_names(source)
    ledger = _Ledger(source)

    def pictures() -> Iterator[Picture | None]:
        for record in progress(source.records, f"write {source.name}", total=source.count, unit="image"):
            picture = _fitted(record, resolution, channels, fit)
            split = "skipped" if picture is None else record.split or split_of(record.key, val_fraction)
            ledger.enter(record, split, picture)
            yield picture

    with atomic_directory(directory / "images") as folder:
        write_shards(folder, pictures())
        ledger.check()
    write_parquet(directory / "manifest.parquet", ledger.manifest())
    summary = {
        "name": source.name,
        "n": len(ledger.key),
        "counts": ledger.counts(),
        "classes": source.classes,
        "attributes": dict(source.attributes),
        "resolution": resolution,
        "channels": channels,
        "skipped": ledger.skipped,
        "content_hash": ledger.digest.hexdigest()[:16],
        "details": dict(details),
    }
    write_json(directory / "dataset.json", summary)


def _check_attribute_names(source: Source) -> None:
    for name in source.attributes:
        if name in MANIFEST_COLUMNS:
            raise UserError(
                f"{source.name}: an attribute cannot be called {name!r}, a column of the manifest; rename it"
            )


def _fitted(record: Record, resolution: int, channels: int, fit: Fit) -> Picture | None:
    if record.image is None:
        return None
    if record.image.shape[2] != channels:
        raise UserError(
            f"{record.key}: {record.image.shape[2]} channels, expected {channels}; set channels accordingly"
        )
    try:
        return fit_image(record.image, resolution, fit)
    except UserError as error:
        raise UserError(f"{record.key}: {error}") from error


class _Ledger:
    """The manifest's columns and the running hash, entered record by record."""

    def __init__(self, source: Source):
        self._source = source
        self.key: list[str] = []
        self.split: list[str] = []
        self.label: list[int] = []
        self.size: list[tuple[int, int]] = []
        self.attributes: dict[str, list[str]] = {name: [] for name in source.attributes}
        self.skipped: list[dict[str, str]] = []
        self.digest = hashlib.sha256()
        self._seen: set[str] = set()

    def enter(self, record: Record, split: str, picture: Picture | None) -> None:
        if record.key in self._seen:
            raise UserError(f"{self._source.name}: the key {record.key!r} comes twice; keys must be unique")
        self._seen.add(record.key)
        self.key.append(record.key)
        self.split.append(split)
        self.label.append(record.label)
        self.size.append((0, 0) if record.image is None else record.image.shape[:2])
        for name, known in self._source.attributes.items():
            value = record.attributes.get(name, "")
            if value and value not in known:
                raise UserError(f"{record.key}: {name} is {value!r}, expected one of {', '.join(known)}")
            self.attributes[name].append(value)
        if picture is None:
            self.skipped.append({"key": record.key, "problem": record.problem})
        values = [column[-1] for column in self.attributes.values()]
        self.digest.update(json.dumps([record.key, record.label, values, split]).encode())
        # Pixels rather than PNG bytes: the hash must outlive a change of compression library.
        self.digest.update(b"" if picture is None else picture.tobytes())

    def counts(self) -> dict[str, int]:
        counted = Counter(self.split)
        return {split: counted[split] for split in ("train", "val", "skipped")}

    def check(self) -> None:
        for split in ("train", "val"):
            if not self.counts()[split]:
                raise UserError(
                    f"{self._source.name}: no {split} images among {len(self.key)} ({len(self.skipped)} skipped); "
                    "change val_fraction, or add images"
                )

    def manifest(self) -> "pd.DataFrame":
        import pandas as pd

        size = np.array(self.size, dtype=np.int64)
        return pd.DataFrame(
            {
                "id": np.arange(len(self.key), dtype=np.int64),
                "key": self.key,
                "split": self.split,
                "label": np.array(self.label, dtype=np.int64),
                **self.attributes,
                "width": size[:, 1],
                "height": size[:, 0],
            }
        )
