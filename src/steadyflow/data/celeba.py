"""CelebA: aligned faces with 40 attributes, in the files that its authors distribute."""

import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from threading import Lock

from steadyflow.data.celeba_files import (
    IMAGES,
    VALUES,
    attribute_names,
    images_archive,
    images_folder,
    labelled_images,
)
from steadyflow.data.decode import decode_image
from steadyflow.data.records import Picture, Record, Records, Source
from steadyflow.ground.artifacts import UserError


def celeba(path: Path | str) -> Source:
    """The training and validation images, RGB uint8, usually [218, 178, 3], in the order of the authors' list.

    `path` contains img_align_celeba/ or img_align_celeba.zip (which is not extracted), list_attr_celeba.txt and
    list_eval_partition.txt. Keys are file names; attributes have the values 'no' and 'yes'; there are no classes. The
    test images are excluded.

    Raises UserError naming the file, and the line, that is missing or malformed.
    """
    path = Path(path).resolve()
    names = attribute_names(path)
    # The lists are read twice, so as not to hold them in memory.
    count = sum(1 for _ in labelled_images(path, names))
    load = _loader(path)

    def records() -> Iterator[Record]:
        for file, split, values in labelled_images(path, names):
            yield Record(file, partial(load, file), attributes=dict(zip(names, values, strict=True)), split=split)

    return Source(path.name, Records(records), count, attributes={name: list(VALUES.values()) for name in names})


def _loader(path: Path) -> Callable[[str], Picture]:
    folder, archive = images_folder(path), images_archive(path)
    if folder is not None:
        return lambda file: decode_image(folder / file, str(folder / file), 3)
    try:
        opened = zipfile.ZipFile(archive)
    except (OSError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: no folder {IMAGES}, and {archive.name} cannot be read ({error})") from error
    # Reading is serialised, since the file has one position; decoding runs in parallel.
    lock = Lock()

    def load(file: str) -> Picture:
        try:
            with lock:
                content = opened.read(f"{IMAGES}/{file}")
        except (KeyError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
            raise UserError(f"{archive}: {IMAGES}/{file} cannot be read ({error})") from error
        return decode_image(content, f"{archive}/{file}", 3)

    return load
