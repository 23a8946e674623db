"""What stages leave behind: atomic writes, hashes, provenance.

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
    """Something the user can mend. The message names the file, key or id, what was expected and what to do."""


class Unfinished(Exception):
    """A stage saved what it has done and stopped, before a time limit or on request: started again, it goes on."""


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yields a temporary path beside `path`; on success it becomes `path`, on any error it vanishes.

    What lay under `path` stays untouched until the rename. The suffix is kept, since writers choose by it.
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
    """Deletes what kills in the midst of writing `path`, a file or a folder, left behind: each as large as itself."""
    path = Path(path)
    for left in path.parent.glob(f".{glob.escape(path.name)}.????????{path.suffix}"):
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_directory(path: Path | str) -> Iterator[Path]:
    """The same for a whole folder. A folder already at `path` is replaced when the new one is complete."""
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
    """Every row of a CSV file as a dataclass of texts. Raises UserError when its columns are not the fields."""
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

    # Open for reading too: into a file open for writing alone numpy writes past Python, and its error on a full disk
    # does not say so.
    with atomic_path(path) as temporary, temporary.open("w+b") as file:
        np.save(file, array, allow_pickle=False)


@contextlib.contextmanager
def atomic_array(path: Path | str, shape: Sequence[int], dtype: "npt.DTypeLike") -> Iterator["np.memmap"]:
    """A .npy file of zeros to be filled in place through a memory map: however large, it never lies in memory."""
    import numpy as np

    delete_leftovers(path)
    with atomic_path(path) as temporary:
        array = np.lib.format.open_memmap(temporary, "w+", dtype, tuple(shape))
        _take_room(temporary)
        yield array
        array.flush()


def _take_room(path: Path) -> None:
    """The disk's room for a sparse file is taken now, by an error that says so: a write to the memory map of a file on
    a full disk would kill the process."""
    with path.open("r+b") as file:
        size = path.stat().st_size
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
            return
        # macOS has no such call.
        kept = file.read(4096)
        for start in range(0, size, 1 << 24):
            file.seek(start)
            file.write(bytes(min(1 << 24, size - start)))
        file.seek(0)
        file.write(kept)


def link_file(source: Path, path: Path | str) -> None:
    """A finished file is found under `path` too, whole or not at all; copied where hard links cannot be had."""
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
    """Named tensors as safetensors."""
    from safetensors.torch import save_file

    with atomic_path(path) as temporary:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, temporary)


def read_weights(path: Path | str) -> dict[str, "Tensor"]:
    """Named tensors on the CPU. Raises UserError when the file is no complete safetensors file."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise UserError(
            f"{path}: not a complete safetensors file ({error}); delete it and run its stage again"
        ) from error


def spec_hash(spec: Any) -> str:
    """The identity of a spec (anything JSON can hold): 16 hex digits, independent of the order of keys."""
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:16]


def file_hash(path: Path | str) -> str:
    """sha256 of a file's bytes, 16 hex digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def provenance() -> dict[str, str]:
    """Versions and machine, to be written beside results. They never enter an identity."""
    packages = ("steadyflow", "torch", "numpy", "snakemake")
    return {
        **{name: _version(name) for name in packages},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "commit": _commit(),
    }


def _version(package: str) -> str:
    # In conda's environment and in the container the library is read from src/.
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
