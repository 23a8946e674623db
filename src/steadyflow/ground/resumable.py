"""A table that is filled in batches and resumed after a kill: memory-mapped values, and marks of the finished items."""

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
    """The table and its progress.

    values: of any shape; an item is a row or a single entry, as the caller defines it
    done: uint8 [items], 1 where an item's values are on the disk
    seconds: minimum time between two updates of `done`
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
    """The table in the .npy file `path`: that of an earlier process, or a new one of zeros with no item done.

    Under torchrun (inside `distributed.process_group`) it is shared by all processes, and complete for each of them
    after the context. `identity` is the hash of everything that defines the values; with shape and dtype it is stored
    in a .json beside the table. The caller finishes with `publish_table` and `delete_table`.

    Raises UserError if the existing table has another identity, and OSError if the disk is too full for a new one.
    """
    wanted = spec_hash([identity, list(shape), items, np.dtype(dtype).str])
    if distributed.rank() == 0 and not path.exists():
        write_json(_note(path), {"identity": wanted})
        with atomic_array(_marks(path), (items,), np.uint8):
            pass
        # Last, since its existence means that the other two files exist.
        with atomic_array(path, shape, dtype):
            pass
    distributed.barrier()
    found = read_json(_note(path))["identity"]
    if found != wanted:
        raise UserError(
            f"{path}: checkpoint of another job (identity {found}, expected {wanted}): its spec or its inputs have "
            "changed; delete the file to start from the beginning"
        )
    table = ResumableTable(
        np.lib.format.open_memmap(path, "r+"), np.lib.format.open_memmap(_marks(path), "r+"), seconds
    )
    yield table
    table.values.flush()
    distributed.barrier()


def missing_batches(table: ResumableTable, batch_size: int, name: str) -> Iterator[slice]:
    """This process's shard of the batches of consecutive items that are not all done.

    The caller writes the values of a batch before it requests the next one, which marks the batch as done. A kill loses
    at most the batches of the last `table.seconds`, or one batch that takes longer. Which items form a batch depends on
    `batch_size` alone, not on kills or the number of processes.
    """
    starts = range(0, len(table.done), batch_size)
    missing = [start for start in starts if not table.done[start : start + batch_size].all()]
    # All processes have to compute the same list, so none may mark a batch before all have done so.
    distributed.barrier()
    mine = distributed.shard(torch.tensor(missing)).tolist()
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
        # Also after an exception in the caller.
        _mark(table, written)


def publish_table(path: Path, output: Path) -> None:
    """Links the finished table to `output`. The checkpoint itself, which takes no more space, is kept until
    `delete_table`, so that a kill before the stage's other outputs are written loses nothing."""
    link_file(path, output)


def delete_table(path: Path) -> None:
    for file in (path, _marks(path), _note(path)):
        file.unlink(missing_ok=True)


def items_done(path: Path) -> tuple[int, int, float] | None:
    """(items done, items, time of the last mark in seconds since the epoch) of the table at `path`, read-only; None if
    there is no table."""
    try:
        done = np.load(_marks(path), mmap_mode="r", allow_pickle=False)
        return int(np.count_nonzero(done)), len(done), _marks(path).stat().st_mtime
    except FileNotFoundError:
        return None


def _mark(table: ResumableTable, batches: list[slice]) -> None:
    """Values are flushed before marks, so that after a crash of the machine no item is marked without its values."""
    table.values.flush()
    for batch in batches:
        table.done[batch] = 1
    table.done.flush()


def _marks(path: Path) -> Path:
    return path.with_suffix(".done.npy")


def _note(path: Path) -> Path:
    return path.with_suffix(".json")
