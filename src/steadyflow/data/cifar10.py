"""CIFAR-10's binary version: records of a label byte and 3072 bytes of pixels."""

import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from steadyflow.data.files import CIFAR10_ARCHIVE, CIFAR10_BATCHES, CIFAR10_CLASSES, cifar10_files
from steadyflow.data.records import Record, Records, Source
from steadyflow.ground.artifacts import UserError

SIDE = 32
_RECORD = 1 + 3 * SIDE * SIDE

_Read = Callable[[str], bytes]


def cifar10(path: Path | str) -> Source:
    """The images of data_batch_1.bin to data_batch_5.bin ('train') and test_batch.bin ('val'), uint8 [32, 32, 3].

    `path` is a folder with these files and batches.meta.txt (the classes), or with cifar-10-batches-bin/ that contains
    them, or with cifar-10-binary.tar.gz, which is not extracted. Keys are `data_batch_1/00042`. No pickles are read.

    Raises UserError if a file is missing or malformed.
    """
    path = Path(path).resolve()
    read = _reader(path)
    classes = read(CIFAR10_CLASSES).decode(errors="replace").split()
    batches = {name: _batch(path / f"{name}.bin", read(f"{name}.bin"), len(classes)) for name in CIFAR10_BATCHES}

    def records() -> Iterator[Record]:
        for name, rows in batches.items():
            for i, row in enumerate(rows):
                yield Record(f"{name}/{i:05d}", partial(_picture, row), int(row[0]), split=CIFAR10_BATCHES[name])

    return Source("cifar10", Records(records), sum(len(rows) for rows in batches.values()), classes)


def _picture(row: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    # Channels first: planes of red, green and blue.
    return np.ascontiguousarray(row[1:].reshape(3, SIDE, SIDE).transpose(1, 2, 0))


def _batch(path: Path, content: bytes, classes: int) -> npt.NDArray[np.uint8]:
    """The records of a batch, uint8 [n, 3073]."""
    if not content or len(content) % _RECORD:
        raise UserError(f"{path}: {len(content)} bytes, expected a multiple of {_RECORD}; get the file again")
    rows = np.frombuffer(content, np.uint8).reshape(-1, _RECORD)
    if rows[:, 0].max() >= classes:
        raise UserError(
            f"{path}: holds the label {rows[:, 0].max()}, but {CIFAR10_CLASSES} names {classes} classes; get the files "
            "again"
        )
    return rows


def _reader(path: Path) -> _Read:
    """A function that returns the bytes of a file by its name."""
    files = cifar10_files(path)
    archive = next((file for file in files.values() if file.name == CIFAR10_ARCHIVE), None)
    return partial(_from_folder, files) if archive is None else _from_archive(archive).__getitem__


def _from_folder(files: Mapping[str, Path], name: str) -> bytes:
    try:
        return files[name].read_bytes()
    except OSError as error:
        raise UserError(f"{files[name]}: cannot be read ({error.strerror}); get CIFAR-10's binary version") from error


def _from_archive(archive: Path) -> dict[str, bytes]:
    wanted = {CIFAR10_CLASSES, *(f"{name}.bin" for name in CIFAR10_BATCHES)}
    found: dict[str, bytes] = {}
    try:
        # In one pass, since the archive is compressed as a whole.
        with tarfile.open(archive) as tar:
            for member in tar:
                name = member.name.rsplit("/", 1)[-1]
                if member.isfile() and name in wanted:
                    found[name] = tar.extractfile(member).read()  # type: ignore[union-attr]  # a file has content
    except (EOFError, OSError, tarfile.TarError, zlib.error, lzma.LZMAError) as error:
        raise UserError(f"{archive}: cannot be read ({error}); delete it and get it again") from error
    if missing := sorted(wanted - set(found)):
        raise UserError(f"{archive}: holds no {', '.join(missing)}; delete it and get CIFAR-10's binary version")
    return found
