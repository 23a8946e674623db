"""A table that outlives kills: values in a memory-mapped file, and beside them which of them are there."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from steadyflow.ground import distributed
from steadyflow.ground.artifacts import UserError, atomic_array, link_file, read_json, spec_hash, write_json
from steadyflow.ground.progress import progress


@dataclass(frozen=True)
class ResumableTable:
    """`values` of any shape, filled item by item; `done` uint8 [items]: 1 where an item's values are on the disk.

    What an item is, the caller says: a row, or an entry. At least `seconds` lie between two marks.
    """

    values: np.memmap
    done: np.memmap
    seconds: float


@contextlib.contextmanager
def resumable_table(
    path: Path,
    shape: Sequence[int],
    identity: str,
    *,
    items: int,
    dtype: npt.DTypeLike = np.float64,
    seconds: float = 10.0,
) -> Iterator[ResumableTable]:
    """The table in the .npy file `path`, as an earlier process left it; a new one holds zeros, and nothing is done.

    Under torchrun (inside `distributed.joined`) all processes share it, and afterwards each finds what all wrote.
    `identity` is the hash of all that defines the values; with shape and type it stands in a .json beside the table.
    The caller ends the table's life by `publish_table` or `delete_table`.
    Raises UserError for the table of another identity, and OSError where the disk has no room for a new one.
    """
    wanted = spec_hash([identity, list(shape), items, np.dtype(dtype).str])
    if distributed.rank() == 0 and not path.exists():
        write_json(_note(path), {"identity": wanted})
        with atomic_array(_marks(path), (items,), np.uint8):
            pass
        # Last: where it is, the others are.
        with atomic_array(path, shape, dtype):
            pass
    distributed.wait()
    found = read_json(_note(path))["identity"]
    if found != wanted:
        raise UserError(
            f"{path}: state of other work (identity {found}, expected {wanted}): its spec or its inputs have changed; "
            "delete the file to start anew"
        )
    table = ResumableTable(
        np.lib.format.open_memmap(path, "r+"), np.lib.format.open_memmap(_marks(path), "r+"), seconds
    )
    yield table
    table.values.flush()
    distributed.wait()


def missing_batches(table: ResumableTable, batch_size: int, name: str) -> Iterator[slice]:
    """The batches of consecutive items of which some are not done, this process's part of them.

    A batch counts as done when the caller, who has written its values, asks for the next one; a kill loses what came
    in the `seconds` before, or one batch that takes longer. Batches are cut alike whatever was done, and shared among
    the processes anew at each start: neither kills nor the number of processes change what stands in a batch.
    """
    starts = range(0, len(table.done), batch_size)
    missing = [start for start in starts if not table.done[start : start + batch_size].all()]
    # Before any is marked: all have to see the same ones.
    distributed.wait()
    mine = distributed.part(torch.tensor(missing)).tolist()
    before = len(starts) - len(missing)
    written: list[slice] = []
    marked = time.monotonic()
    try:
        for start in progress(mine, name, total=before + len(mine), done=before, unit="batch"):
            batch = slice(start, min(start + batch_size, len(table.done)))
            yield batch
            written.append(batch)
            if time.monotonic() - marked >= table.seconds:
                _mark(table, written)
                written.clear()
                marked = time.monotonic()
    finally:
        # After an error of the caller's too.
        _mark(table, written)


def publish_table(path: Path, output: Path) -> None:
    """The finished table becomes the file `output`. Its state stays, without taking room, until `delete_table`: a kill
    before all else is written loses nothing."""
    link_file(path, output)


def delete_table(path: Path) -> None:
    for file in (path, _marks(path), _note(path)):
        file.unlink(missing_ok=True)


def items_done(path: Path) -> tuple[int, int, float] | None:
    """How many items of the table at `path` are done, of how many, and when one was marked last (seconds since the
    epoch). None where there is no table. For whoever watches: nothing is opened for writing."""
    try:
        done = np.load(_marks(path), mmap_mode="r", allow_pickle=False)
        return int(np.count_nonzero(done)), len(done), _marks(path).stat().st_mtime
    except FileNotFoundError:
        return None


def _mark(table: ResumableTable, batches: list[slice]) -> None:
    """First the values, then the marks: whatever a machine that breaks down loses, no mark is without its values."""
    table.values.flush()
    for batch in batches:
        table.done[batch] = 1
    table.done.flush()


def _marks(path: Path) -> Path:
    return path.with_suffix(".done.npy")


def _note(path: Path) -> Path:
    return path.with_suffix(".json")
