"""Writes a source of images as a dataset: a manifest, Arrow shards of images at one resolution, a summary."""

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

from steadyflow.data.fit import Fit, fit_image
from steadyflow.data.manifest import ManifestWriter, key_hash
from steadyflow.data.records import Picture, Record, Source
from steadyflow.data.shards import write_shards
from steadyflow.ground.artifacts import UserError, atomic_directory, atomic_path, delete_leftovers, write_json
from steadyflow.ground.progress import progress

BadImages = Literal["error", "skip"]
SKIPPED_LISTED = 1000

A = TypeVar("A")
B = TypeVar("B")


def split_of(key: str, val_fraction: float) -> str:
    """'val' or 'train', by a hash of the key, so that it does not depend on the other images."""
    return "val" if key_hash(key) / 2**64 < val_fraction else "train"


def write_dataset(
    source: Source,
    directory: Path | str,
    *,
    resolution: int,
    channels: int,
    val_fraction: float,
    fit: Fit = "crop",
    bad_images: BadImages = "error",
    threads: int = 1,
    details: Mapping[str, Any],
) -> None:
    """Streams `source` to `directory`: images/data-00000.arrow, ... (`write_shards`), manifest.parquet, dataset.json.

    Ids number the source's records from 0. The split is the source's own, otherwise `split_of(key, val_fraction)`, and
    'skipped' for records that cannot be loaded. `details` is written to dataset.json. `threads` records are loaded and
    resized in parallel, without effect on the result. Memory: a few source images per thread, two record batches, and
    8 bytes per image.

    Files appear under their final names only after all are written. A killed process leaves the former files, and
    temporary `.images.*` and `.manifest.*` that the next one deletes; if killed while renaming, it leaves no
    dataset.json, without which the other files are invalid. There must be only one writer per folder at a time.

    Raises UserError for an image that cannot be loaded (unless `bad_images` is 'skip'), has another number of channels
    or cannot be resized, an unknown value of an attribute, a duplicate key, and a dataset without training or
    validation images.
    """
    directory = Path(directory)
    # Up to 250 GB, at the size of ImageNet.
    for name in ("images", "manifest.parquet"):
        delete_leftovers(directory / name)
    prepare = partial(
        _prepare,
        source.attributes,
        resolution=resolution,
        channels=channels,
        val_fraction=val_fraction,
        fit=fit,
        bad_images=bad_images,
    )
    skipped: list[dict[str, str]] = []
    content = hashlib.sha256()
    with atomic_directory(directory / "images") as folder, atomic_path(directory / "manifest.parquet") as table:
        with ManifestWriter(table, source) as manifest:

            def pictures() -> Iterator[Picture | None]:
                entries = map_in_order(prepare, source.records, threads)
                for entry in progress(entries, f"write {source.name}", total=source.count, unit="image"):
                    record = entry.record
                    manifest.add(
                        key=record.key,
                        split=entry.split,
                        label=record.label,
                        attributes=entry.attributes,
                        size=entry.size,
                    )
                    content.update(entry.digest)
                    if entry.problem is not None and len(skipped) < SKIPPED_LISTED:
                        skipped.append({"key": record.key, "problem": entry.problem})
                    yield entry.picture

            write_shards(folder, pictures(), resolution=resolution, channels=channels)
        counts = {split: manifest.counts[split] for split in ("train", "val", "skipped")}
        _check_counts(source.name, counts)
        (directory / "dataset.json").unlink(missing_ok=True)
    summary = {
        "name": source.name,
        "n": sum(counts.values()),
        "counts": counts,
        "classes": source.classes,
        "attributes": dict(source.attributes),
        "resolution": resolution,
        "channels": channels,
        "skipped": skipped,
        "content_hash": content.hexdigest()[:16],
        "details": dict(details),
    }
    write_json(directory / "dataset.json", summary)


def _check_counts(name: str, counts: Mapping[str, int]) -> None:
    for split in ("train", "val"):
        if not counts[split]:
            raise UserError(
                f"{name}: no {split} images among {sum(counts.values())} ({counts['skipped']} skipped); "
                "change val_fraction, or add images"
            )


@dataclass(frozen=True)
class _Entry:
    """A loaded record. size: (height, width) in the source; digest: sha256 of everything that is written."""

    record: Record
    split: str
    attributes: Mapping[str, str]
    picture: Picture | None
    size: tuple[int, int]
    problem: str | None
    digest: bytes


def _prepare(
    known: Mapping[str, list[str]],
    record: Record,
    *,
    resolution: int,
    channels: int,
    val_fraction: float,
    fit: Fit,
    bad_images: BadImages,
) -> _Entry:
    picture, size, problem = None, (0, 0), None
    try:
        image = record.load()
    except UserError as error:
        if bad_images == "error":
            raise
        problem = str(error)
    else:
        picture, size = _fitted(record.key, image, resolution, channels, fit), (image.shape[0], image.shape[1])
    split = "skipped" if picture is None else record.split or split_of(record.key, val_fraction)
    attributes = {name: record.attributes.get(name, "") for name in known}
    for name, value in attributes.items():
        if value and value not in known[name]:
            raise UserError(f"{record.key}: {name} is {value!r}, expected one of {', '.join(known[name])}")
    digest = hashlib.sha256(json.dumps([record.key, record.label, list(attributes.values()), split]).encode())
    digest.update(b"" if picture is None else picture.tobytes())
    return _Entry(record, split, attributes, picture, size, problem, digest.digest())


def _fitted(key: str, image: Picture, resolution: int, channels: int, fit: Fit) -> Picture:
    if image.shape[2] != channels:
        raise UserError(f"{key}: {image.shape[2]} channels, expected {channels}; set channels accordingly")
    try:
        return fit_image(image, resolution, fit)
    except UserError as error:
        raise UserError(f"{key}: {error}") from error


def map_in_order(function: Callable[[A], B], items: Iterable[A], threads: int) -> Iterator[B]:
    """`function` of each item, in order, by `threads` threads; at most 8 results per thread are held in memory."""
    if threads == 1:
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(threads)
    waiting: deque[Future[B]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) == 8 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
