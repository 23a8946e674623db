"""CelebA: aligned faces with 40 attributes, as its authors give them out."""

import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from threading import Lock

from steadyflow.artifacts import UserError
from steadyflow.data.decode import decode_image
from steadyflow.data.records import Picture, Record, Records, Source

IMAGES = "img_align_celeba"
ATTRIBUTES = "list_attr_celeba.txt"
PARTITION = "list_eval_partition.txt"
SPLITS = {"0": "train", "1": "val"}
TEST = "2"
VALUES = {"-1": "no", "1": "yes"}


def celeba(path: Path | str) -> Source:
    """The training and validation images, RGB uint8 [218, 178, 3] as a rule, in the order of the authors' list.

    `path` holds img_align_celeba/ or img_align_celeba.zip (read as it is, never extracted), list_attr_celeba.txt and
    list_eval_partition.txt. Keys are file names; the attributes are the list's, 'no' or 'yes'; no classes. The test
    images are left out.

    Raises UserError naming the file, and the line, that is missing or not as expected.
    """
    path = Path(path).resolve()
    names = _attribute_names(path / ATTRIBUTES)
    # Both lists are read twice rather than held.
    count = sum(1 for _ in _rows(path, names))
    load = _loader(path)

    def records() -> Iterator[Record]:
        for file, split, values in _rows(path, names):
            yield Record(file, partial(load, file), attributes=dict(zip(names, values, strict=True)), split=split)

    return Source(path.name, Records(records), count, attributes={name: list(VALUES.values()) for name in names})


def _lines(file: Path) -> Iterator[tuple[str, list[str]]]:
    """'FILE, line 3' and the line's words, without empty lines."""
    try:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if words := line.split():
                    yield f"{file}, line {number}", words
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: cannot be read ({error}); get it where the images came from") from error


def _attribute_names(file: Path) -> list[str]:
    head = [words for _, words in islice(_lines(file), 2)]
    if len(head) < 2 or len(head[0]) != 1 or len(set(head[1])) != len(head[1]):
        raise UserError(f"{file}: expected the number of images in line 1 and the attributes' names in line 2")
    return head[1]


def _rows(path: Path, names: list[str]) -> Iterator[tuple[str, str, list[str]]]:
    """File name, split and values of the images that are not for testing."""
    attributes, partition = _lines(path / ATTRIBUTES), _lines(path / PARTITION)
    (_, head), _ = next(attributes), next(attributes)
    count = 0
    for where, (file, *values) in attributes:
        count += 1
        if len(values) != len(names) or not set(values) <= set(VALUES):
            raise UserError(f"{where}: expected a file name and {len(names)} times 1 or -1; get the file again")
        place, assigned = next(partition, (f"{path / PARTITION}, at its end", []))
        if assigned[:1] != [file] or assigned[1:] not in [[split] for split in (*SPLITS, TEST)]:
            raise UserError(f"{place}: expected `{file}` and 0, 1 or 2; get the file again")
        if assigned[1] != TEST:
            yield file, SPLITS[assigned[1]], [VALUES[value] for value in values]
    if head != [str(count)]:
        raise UserError(f"{path / ATTRIBUTES}: {count} images, but line 1 says {head[0]}; get the file again")
    for place, assigned in partition:
        raise UserError(f"{place}: {assigned[0]} is not in {path / ATTRIBUTES}; get the files again")


def _loader(path: Path) -> Callable[[str], Picture]:
    folder, archive = path / IMAGES, path / f"{IMAGES}.zip"
    if folder.is_dir():
        return lambda file: decode_image(folder / file, str(folder / file), 3)
    try:
        opened = zipfile.ZipFile(archive)
    except (OSError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: no folder {IMAGES}, and {archive.name} cannot be read ({error})") from error
    # One reader at a time: the file has one position. Decoding runs side by side.
    lock = Lock()

    def load(file: str) -> Picture:
        try:
            with lock:
                content = opened.read(f"{IMAGES}/{file}")
        except (KeyError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
            raise UserError(f"{archive}: {IMAGES}/{file} cannot be read ({error})") from error
        return decode_image(content, f"{archive}/{file}", 3)

    return load
