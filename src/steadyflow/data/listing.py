"""A hash of the local files that a source of images reads, on which a dataset depends. Standard library only, since it
runs while Snakemake plans."""

import hashlib
import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from steadyflow.data import celeba_files
from steadyflow.data.files import cifar10_files, class_folders, idx_files, image_files, matching_shards, split_folders
from steadyflow.ground.artifacts import file_hash


class _File(Protocol):
    def stat(self) -> os.stat_result: ...


_Files = Iterator[tuple[str, _File]]
"""(key, file), unordered."""


def source_listing(source: str, arguments: Mapping[str, Any]) -> str:
    """sha256, 16 hex digits, of the files that the source named `source` reads if it is called with `arguments`; '' if
    it reads no local files (generated images, and downloads, which are listed in files.json).

    It covers key, size and modification time in ns of each image, shard or archive, and the content of `labels_csv` and
    `class_names`. It does not depend on files that the source ignores (hidden, of other types) or on the times of
    folders. No image is opened: 100,000 take about a second. Raises UserError as the source does if there are no files.
    """
    find = LISTINGS.get(source)
    if find is None:
        return ""
    parameters = list(inspect.signature(find).parameters)
    given = {name: arguments[name] for name in parameters if arguments.get(name) is not None}
    if parameters[0] not in given:
        return ""
    path = Path(given.pop(parameters[0])).resolve()
    files = iter([(path.name, path)]) if path.is_file() else find(path, **given)
    lines = [_state(key, file) for key, file in files]
    lines += [f"{name}\0{_content(arguments[name])}" for name in ("labels_csv", "class_names") if arguments.get(name)]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:16]


def _folder(path: Path) -> _Files:
    return image_files(path)


def _imagefolder(path: Path) -> _Files:
    for folder in split_folders(path).values():
        for name in class_folders(folder):
            for key, file in image_files(folder / name):
                yield f"{folder.name}/{name}/{key}", file


def _huggingface(path: Path, train: str, val: str = "") -> _Files:
    for pattern in filter(None, (train, val)):
        for file in matching_shards(path, pattern):
            yield file.relative_to(path).as_posix(), file


def _celeba(path: Path) -> _Files:
    for name in (celeba_files.ATTRIBUTES, celeba_files.PARTITION):
        yield name, path / name
    folder, archive = celeba_files.images_folder(path), celeba_files.images_archive(path)
    if folder is None:
        yield archive.name, archive
    else:
        for name in celeba_files.read_images(path):
            yield f"{folder.name}/{name}", folder / name


def _cifar10(path: Path) -> _Files:
    return ((file.relative_to(path).as_posix(), file) for file in set(cifar10_files(path).values()))


def _idx(folder: Path) -> _Files:
    return ((file.name, file) for file in idx_files(folder).values())


LISTINGS: Mapping[str, Callable[..., _Files]] = {
    "folder": _folder,
    "imagefolder": _imagefolder,
    "huggingface": _huggingface,
    "celeba": _celeba,
    "cifar10": _cifar10,
    "idx": _idx,
}
"""Source -> function that lists the files it reads, with the folder as first argument and other arguments of the
source."""


def _state(key: str, file: _File) -> str:
    try:
        found = file.stat()
    # Missing, or a broken link; the source raises an error when it reads the file.
    except OSError:
        return f"{key}\0missing"
    return f"{key}\0{found.st_size}\0{found.st_mtime_ns}"


def _content(path: Path | str) -> str:
    return file_hash(path) if Path(path).is_file() else "missing"
