"""The files that each source of images reads, found by name. Standard library only: used by the sources and by
`listing`, which runs while Snakemake plans."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from steadyflow.ground.artifacts import UserError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})

IMAGENET_SPLITS = {"train": ("train",), "val": ("val", "validation")}
"""Split -> possible names of its folder."""

IDX_SPLITS = {"train": "train", "t10k": "val"}
IDX_KINDS = ("images-idx3", "labels-idx1")
DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
_HOW_TO_GET_IDX = (
    f"install it (`apt install dataset-fashion-mnist` puts Fashion-MNIST in {DEBIAN_FASHION_MNIST}), or run "
    "`steadyflow.data.idx.download_fashion_mnist(folder)` on a machine with network"
)

CIFAR10_ARCHIVE = "cifar-10-binary.tar.gz"
CIFAR10_FOLDER = "cifar-10-batches-bin"
CIFAR10_CLASSES = "batches.meta.txt"
CIFAR10_BATCHES = {**{f"data_batch_{number}": "train" for number in range(1, 6)}, "test_batch": "val"}


def check_name(path: Path, key: str) -> None:
    """Raises UserError if the path `key` inside a folder or archive is not UTF-8, as the manifest's keys are, or has a
    line break, since lists of kept images have one key per line."""
    try:
        key.encode()
    except UnicodeEncodeError as error:
        # Shown as bytes, from which the name in another encoding can be recognised.
        raise UserError(f"{path}: the name {os.fsencode(key)!r} in it is not UTF-8; rename it") from error
    if "\n" in key or "\r" in key:
        raise UserError(f"{path}: the name {key!r} in it holds a line break, and lists of names are lines; rename it")


def image_files(path: Path) -> Iterator[tuple[str, "os.DirEntry[str]"]]:
    """All images under `path` with their keys (relative posix paths), unordered. Links are followed; hidden files and
    folders are ignored, which includes those of macOS (.DS_Store, ._*).

    Raises UserError for a folder that cannot be listed, a circular link, and a name that `check_name` rejects.
    """
    # rglob ignores folders that are links, from which large datasets are often assembled.
    pending = [""]
    while pending:
        inner = pending.pop()
        try:
            with os.scandir(path / inner) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if _is_folder(entry):
                        if entry.is_symlink() and _leads_back(Path(entry.path), path):
                            raise UserError(f"{entry.path}: a link to a folder that it lies in; remove it")
                        pending.append(f"{inner}{entry.name}/")
                    elif os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES:  # noqa: PTH122 (there may be a million)
                        key = f"{inner}{entry.name}"
                        check_name(path, key)
                        yield key, entry
        except OSError as error:
            raise UserError(
                f"{error.filename}: cannot be listed ({error.strerror}); check the path and its links"
            ) from error


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    # A link to itself.
    except OSError:
        return False


def _leads_back(link: Path, path: Path) -> bool:
    """Whether a link under `path` points to one of its parent folders, which may be links themselves."""
    way = [folder for folder in link.parents if folder.is_relative_to(path)]
    return link.resolve() in [folder.resolve() for folder in way]


def split_folders(path: Path) -> dict[str, Path]:
    """The folder of each split in ImageNet's layout. Raises UserError if there is none, or more than one."""
    return {split: _split_folder(path, names) for split, names in IMAGENET_SPLITS.items()}


def _split_folder(path: Path, names: tuple[str, ...]) -> Path:
    found = [path / name for name in names if (path / name).is_dir()]
    if len(found) != 1:
        problem = "no" if not found else "more than one"
        raise UserError(f"{path}: {problem} folder {' or '.join(names)} in it; expected train/CLASS/* and val/CLASS/*")
    return found[0]


def class_folders(folder: Path) -> list[str]:
    """The names of a split's class folders, sorted. Raises UserError if there are none, and as `check_name`."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    if not names:
        raise UserError(
            f"{folder}: no class folders in it; sort the images into folders named by their class "
            "(ImageNet's validation images come unsorted)"
        )
    for name in names:
        check_name(folder, name)
    return names


def matching_shards(path: Path, pattern: str, listed: Collection[str] | None = None) -> list[Path]:
    """The files under `path` that match `pattern`, sorted, restricted to those `listed` (paths relative to `path`) if
    given. Raises UserError if there are none, and as `check_name`."""
    found = {file.relative_to(path).as_posix(): file for file in path.glob(pattern) if file.is_file()}
    names = sorted(name for name in found if listed is None or name in listed)
    if not names:
        raise UserError(f"{path}: no file matches {pattern}; correct the pattern, or run `snakemake fetch` again")
    for name in names:
        check_name(path, name)
    return [found[name] for name in names]


def idx_files(folder: Path) -> dict[tuple[str, str], Path]:
    """(part, kind) -> its file. Raises UserError if one is missing, with instructions for getting it."""
    return {(part, kind): _idx_file(folder, f"{part}-{kind}-ubyte") for part in IDX_SPLITS for kind in IDX_KINDS}


def _idx_file(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise UserError(f"{folder}: no {name} and no {name}.gz; {_HOW_TO_GET_IDX}")


def cifar10_files(path: Path) -> dict[str, Path]:
    """Name -> file, for the classes and each batch; if the files are not extracted, all are the archive.

    Raises UserError if neither the file of classes nor the archive exists.
    """
    names = [CIFAR10_CLASSES, *(f"{name}.bin" for name in CIFAR10_BATCHES)]
    for folder in (path, path / CIFAR10_FOLDER):
        if (folder / CIFAR10_CLASSES).is_file():
            return {name: folder / name for name in names}
    archive = path / CIFAR10_ARCHIVE
    if archive.is_file():
        return dict.fromkeys(names, archive)
    raise UserError(
        f"{path}: neither {CIFAR10_CLASSES} and the .bin files nor {CIFAR10_ARCHIVE} in it; get CIFAR-10's binary "
        "version, or leave out `path` and run `snakemake fetch`"
    )
