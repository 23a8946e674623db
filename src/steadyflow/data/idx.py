"""Datasets in MNIST's idx format, such as Fashion-MNIST from the Debian package."""

import gzip
import math
import shutil
import struct
import tempfile
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from steadyflow.data.files import DEBIAN_FASHION_MNIST, IDX_SPLITS, idx_files
from steadyflow.data.records import Picture, Record, Records, Source
from steadyflow.ground.artifacts import UserError, atomic_path

FASHION_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
_MAGIC_UINT8 = 0x0800


def idx(folder: Path | str = DEBIAN_FASHION_MNIST) -> Source:
    """The images of `{train,t10k}-{images-idx3,labels-idx1}-ubyte[.gz]` in `folder`, uint8 [H, W, 1], in file order.

    Keys are `train-00042` and `t10k-00042`; the split of t10k is 'val'. Class names are those of Fashion-MNIST if the
    folder's name contains "fashion", otherwise '0' to '9'. Files without .gz are memory-mapped. Needs no network.

    Raises UserError if a file is missing, with instructions for getting it, or corrupt.
    """
    folder = Path(folder).resolve()
    files = idx_files(folder)
    parts = {part: (_read(files[part, "images-idx3"], 3), _read(files[part, "labels-idx1"], 1)) for part in IDX_SPLITS}
    for part, (images, labels) in parts.items():
        path = files[part, "labels-idx1"]
        if len(images) != len(labels):
            raise UserError(f"{path}: {len(labels)} labels for {len(images)} images; get the files again")
        if labels.max(initial=0) > 9:
            raise UserError(f"{path}: holds the label {labels.max()}, expected 0 to 9; get the file again")

    def records() -> Iterator[Record]:
        for part, (images, labels) in parts.items():
            for i, (image, label) in enumerate(zip(images, labels, strict=True)):
                yield Record(f"{part}-{i:05d}", partial(np.expand_dims, image, 2), int(label), split=IDX_SPLITS[part])

    classes = list(FASHION_CLASSES) if "fashion" in folder.name.lower() else [str(digit) for digit in range(10)]
    return Source(folder.name, Records(records), sum(len(labels) for _, labels in parts.values()), classes)


def download_fashion_mnist(folder: Path | str) -> None:
    """Downloads Fashion-MNIST's four .gz files to `folder`; torchvision verifies the checksums."""
    from torchvision.datasets import FashionMNIST

    folder = Path(folder)
    with tempfile.TemporaryDirectory() as root:
        FashionMNIST(root, download=True)
        for downloaded in sorted(Path(root).rglob("*-ubyte.gz")):
            with atomic_path(folder / downloaded.name) as temporary:
                shutil.copyfile(downloaded, temporary)


def _read(path: Path, rank: int) -> Picture:
    """An idx file of unsigned bytes with `rank` dimensions: a magic number, the sizes (big-endian), the bytes."""
    try:
        if path.suffix == ".gz":
            content = np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8)
        else:
            content = np.asarray(np.memmap(path, np.uint8, "r"))
    except (EOFError, OSError, ValueError, zlib.error) as error:
        raise UserError(f"{path}: cannot be read ({error}); get the file again") from error
    start = 4 + 4 * rank
    if len(content) < start:
        raise UserError(f"{path}: {len(content)} bytes, too short for an idx file; get the file again")
    magic, *shape = struct.unpack(f">{1 + rank}I", content[:start].tobytes())
    if magic != _MAGIC_UINT8 + rank:
        raise UserError(f"{path}: magic number {magic:#06x}, expected {_MAGIC_UINT8 + rank:#06x}; is this an idx file?")
    if len(content) - start != math.prod(shape):
        raise UserError(f"{path}: {len(content) - start} bytes of data, expected {shape}; get the file again")
    return content[start:].reshape(shape)
