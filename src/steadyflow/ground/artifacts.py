"""Reading and writing result files: atomic writes, hashes, versions.

A file appears under its final name only when it is complete: it is written under a temporary name in the same
folder, flushed to the disk, and renamed.
"""

import contextlib
import csv
import errno
import functools
import glob
import hashlib
import json
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd
    from torch import Tensor

Row = TypeVar("Row", bound=Any)


class UserError(Exception):
    """An error that the user can correct. The message names the file, key or id, what was expected and what to do."""


class Unfinished(Exception):
    """A stage saved a checkpoint and stopped, before a time limit or on request; the same command resumes it."""


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yields a temporary path in the folder of `path`; on success it is renamed to `path`, on any error deleted.

    An existing file at `path` stays untouched until the rename. The temporary path has the same suffix, since some
    writers choose the format by it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(descriptor)
    temporary = Path(name)
    temporary.chmod(0o666 & ~_umask())
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def delete_leftovers(path: Path | str) -> None:
    """Deletes temporary files and folders that processes killed while writing `path` left behind."""
    path = Path(path)
    for left in path.parent.glob(f".{glob.escape(path.name)}.????????{path.suffix}"):
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_directory(path: Path | str) -> Iterator[Path]:
    """`atomic_path` for a whole folder. A folder already at `path` is replaced when the new one is complete."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    temporary.chmod(0o777 & ~_umask())
    try:
        yield temporary
        for file in temporary.iterdir():
            _sync(file)
        if path.exists():
            shutil.rmtree(path)
        temporary.replace(path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: Path | str, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, content: Any) -> None:
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path | str) -> Any:
    return json.loads(Path(path).read_text(encoding="utf-8"))


def read_rows(path: Path | str, kind: type[Row]) -> list[Row]:
    """The rows of a CSV file as instances of the dataclass `kind`, whose fields are strings.

    Raises UserError if the columns are not those fields, in their order.
    """
    columns = [field.name for field in fields(kind)]
    with Path(path).open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames != columns:
            raise UserError(f"{path}: expected the columns {', '.join(columns)}, found {reader.fieldnames}")
        return [kind(**row) for row in reader]


def write_parquet(path: Path | str, table: "pd.DataFrame") -> None:
    with atomic_path(path) as temporary:
        table.to_parquet(temporary, index=False)


def write_array(path: Path | str, array: "np.ndarray") -> None:
    """One .npy file, never pickled."""
    import numpy as np

    # "w+b": to a file that is open for writing only, numpy writes with C's stdio, whose error on a full disk does not
    # mention the disk.
    with atomic_path(path) as temporary, temporary.open("w+b") as file:
        np.save(file, array, allow_pickle=False)


@contextlib.contextmanager
def atomic_array(path: Path | str, shape: Sequence[int], dtype: "npt.DTypeLike") -> Iterator["np.memmap"]:
    """A .npy file of zeros, written in place through a memory map, so that its size is not limited by memory."""
    import numpy as np

    delete_leftovers(path)
    with atomic_path(path) as temporary:
        array = np.lib.format.open_memmap(temporary, "w+", dtype, tuple(shape))
        _allocate(temporary)
        yield array
        array.flush()


def _allocate(path: Path) -> None:
    """Allocates the disk blocks of a sparse file, so that a full disk raises OSError here; a later write through the
    memory map would kill the process (SIGBUS)."""
    with path.open("r+b") as file:
        size = path.stat().st_size
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
            return
        # macOS has no posix_fallocate.
        kept = file.read(4096)
        for start in range(0, size, 1 << 24):
            file.seek(start)
            file.write(bytes(min(1 << 24, size - start)))
        file.seek(0)
        file.write(kept)


def link_file(source: Path, path: Path | str) -> None:
    """Makes `path` a hard link to the finished file `source`, atomically; a copy where hard links are not possible."""
    _sync(source)
    with atomic_path(path) as temporary:
        temporary.unlink()
        try:
            temporary.hardlink_to(source)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK):
                raise
            shutil.copyfile(source, temporary)


def read_array(path: Path | str) -> "np.ndarray":
    """A .npy file as a read-only memory map."""
    import numpy as np

    return np.load(path, mmap_mode="r", allow_pickle=False)


def write_weights(path: Path | str, tensors: Mapping[str, "Tensor"]) -> None:
    """Tensors by name, as safetensors."""
    from safetensors.torch import save_file

    with atomic_path(path) as temporary:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, temporary)


def read_weights(path: Path | str) -> dict[str, "Tensor"]:
    """Tensors by name, on the CPU. Raises UserError if the file is not a complete safetensors file."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise UserError(
            f"{path}: not a complete safetensors file ({error}); delete it and run its stage again"
        ) from error


def spec_hash(spec: Any) -> str:
    """sha256 of a JSON-serialisable spec, its first 16 hex digits; independent of the order of keys."""
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:16]


def file_hash(path: Path | str) -> str:
    """sha256 of a file's bytes, its first 16 hex digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def provenance() -> dict[str, str]:
    """Versions of the software, and the machine, to be recorded with results. They never enter an identity."""
    packages = ("steadyflow", "torch", "numpy", "snakemake")
    return {
        **{name: _version(name) for name in packages},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "commit": _commit(),
    }


def _version(package: str) -> str:
    # In the conda environment and in the container the library is imported from src/ and not installed.
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


@functools.cache
def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short=12", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
