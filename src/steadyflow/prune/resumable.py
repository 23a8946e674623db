"""A table that outlives kills: a memory-mapped file, with NaN wherever nothing was written yet."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from steadyflow import distributed
from steadyflow.artifacts import UserError, atomic_array, read_json, write_json


@contextlib.contextmanager
def resumable_table(path: Path, shape: Sequence[int], identity: str) -> Iterator[np.memmap]:
    """float64 of `shape` in the .npy file `path`: NaN, but for what an earlier process has written there.

    Under torchrun (inside `distributed.joined`) all processes share it, and afterwards each finds what all wrote. What
    is written survives a kill at once. `identity` is the hash of all that defines the values, and stands in a .json
    beside it. The caller deletes both, by `delete_table`, once the results are safe.
    Raises UserError for the table of another identity.
    """
    if distributed.rank() == 0 and not path.exists():
        write_json(_note(path), {"identity": identity})
        with atomic_array(path, shape, np.float64) as empty:
            empty[...] = np.nan
    distributed.wait()
    found = read_json(_note(path))["identity"]
    if found != identity:
        raise UserError(
            f"{path}: state of another scoring (identity {found}, expected {identity}): its spec or its inputs have "
            "changed; delete the file to start anew"
        )
    table = np.lib.format.open_memmap(path, "r+")
    yield table
    table.flush()
    distributed.wait()


def delete_table(path: Path) -> None:
    path.unlink(missing_ok=True)
    _note(path).unlink(missing_ok=True)


def _note(path: Path) -> Path:
    return path.with_suffix(".json")
