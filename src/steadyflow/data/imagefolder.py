"""ImageNet's layout: a folder per split with a folder per class."""

import os
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from steadyflow.data.decode import decode_image
from steadyflow.data.files import class_folders, image_files, split_folders
from steadyflow.data.records import Record, Records, Source
from steadyflow.ground.artifacts import UserError


def imagefolder(path: Path | str, class_names: Path | str | None = None, channels: int = 3) -> Source:
    """The images of `path`/train/CLASS and `path`/val/CLASS (or validation), uint8 [H, W, channels].

    Classes are numbered in sorted order of their folders; images are in the order of torchvision, train before val.
    Keys are paths relative to `path`. Images of other modes are converted (`decode_image`). The files are listed class
    by class, so that memory does not grow with the dataset.

    `class_names` is a file with a line `n01440764 tench, Tinca tinca` per class folder. The name of a class is the
    first one ("tench"), followed by the folder if several classes share it ("crane (n03126707)"). Without the file,
    class names are those of the folders.

    Raises UserError if a split or its classes are missing, if the splits have different classes, and for a class
    without images or without a name.
    """
    path = Path(path).resolve()
    folders = split_folders(path)
    classes = class_folders(folders["train"])
    _check_same(classes, folders["train"], class_folders(folders["val"]), folders["val"])
    count = sum(_count(folder / name) for folder in folders.values() for name in classes)

    def records() -> Iterator[Record]:
        for split, folder in folders.items():
            for label, name in enumerate(classes):
                # The order of torchvision: by folder, then by file.
                for key in sorted((key for key, _ in image_files(folder / name)), key=os.path.split):
                    file = folder / name / key
                    load = partial(decode_image, file, str(file), channels, convert=True)
                    yield Record(f"{folder.name}/{name}/{key}", load, label, split=split)

    names = classes if class_names is None else _readable(Path(class_names), classes)
    return Source(path.name, Records(records), count, names)


def _check_same(train: list[str], train_folder: Path, val: list[str], val_folder: Path) -> None:
    for name in sorted(set(train) ^ set(val)):
        there, missing = (train_folder, val_folder) if name in train else (val_folder, train_folder)
        raise UserError(f"{missing}: no class folder {name}, which is in {there}; both splits need the same classes")


def _count(folder: Path) -> int:
    count = sum(1 for _ in image_files(folder))
    if not count:
        raise UserError(f"{folder}: no images of this class; add some, or remove the class from both splits")
    return count


def _readable(path: Path, classes: list[str]) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); class_names names a text file") from error
    named: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        folder, _, synonyms = line.strip().partition(" ")
        if folder in named:
            raise UserError(f"{path}, line {number}: {folder} is named a second time; keep one line for each class")
        if folder:
            named[folder] = synonyms.split(",")[0].strip()
    for folder in classes:
        if not named.get(folder):
            raise UserError(f"{path}: no name for the class folder {folder}; add a line `{folder} its name`")
    shared = Counter(named[folder] for folder in classes)
    return [named[folder] if shared[named[folder]] == 1 else f"{named[folder]} ({folder})" for folder in classes]
