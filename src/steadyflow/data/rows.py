"""Arrays with one row per image (latents, embeddings), computed in batches by one or several processes."""

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from steadyflow.ground import distributed
from steadyflow.ground.artifacts import atomic_array, spec_hash
from steadyflow.ground.resumable import missing_batches, resumable_table


def compute_rows(
    compute: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.floating]],
    ids: npt.NDArray[np.int64],
    state: Path,
    shape: Sequence[int],
    dtype: npt.DTypeLike,
    *,
    inputs: Any,
    batch_size: int,
    device: torch.device,
    name: str,
    seconds: float = 10.0,
) -> None:
    """Computes the rows `ids` of the .npy file `state` of shape `shape` by `compute`, in batches; other rows are NaN.

    A killed call resumes, having lost at most `seconds`, or a batch that takes longer. The caller publishes the file by
    `publish_table`. `inputs`, JSON-serialisable, are the hashes of everything that the rows depend on. Under torchrun
    the batches are sharded; their composition does not depend on the number of processes, and so on equal devices
    neither does the result. Memory holds one batch.

    Raises UserError if `state` exists with other `inputs`, ids, shape or dtype.
    """
    identity = spec_hash([inputs, hashlib.sha256(ids.astype(np.int64).tobytes()).hexdigest()])
    table = resumable_table(state, shape, identity, items=len(ids), dtype=dtype, seconds=seconds)
    with distributed.process_group(device), table as rows:
        for batch in missing_batches(rows, batch_size, name):
            rows.values[ids[batch]] = compute(ids[batch])
        if distributed.rank() == 0:
            # NaN, so that a row of a skipped image cannot be used unnoticed.
            rows.values[np.setdiff1d(np.arange(shape[0]), ids, assume_unique=True)] = np.nan


@contextlib.contextmanager
def shared_array(path: Path | str, shape: Sequence[int], dtype: npt.DTypeLike) -> Iterator[np.memmap]:
    """`artifacts.atomic_array`, shared by the processes of a `distributed.process_group` on one machine."""
    if distributed.rank() == 0:
        with atomic_array(path, shape, dtype) as array:
            distributed.broadcast(str(array.filename))
            yield array
            distributed.barrier()
    else:
        array = np.lib.format.open_memmap(distributed.broadcast(""), "r+")
        yield array
        array.flush()
        distributed.barrier()
