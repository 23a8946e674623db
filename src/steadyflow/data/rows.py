"""One row for every image, computed in batches, by one process or several: latents, embeddings."""

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
    """Fills the .npy [n, ...] `state`, whose rows `ids` are what `compute` gives for batches of them, others are NaN.

    Killed and called again it goes on, having lost `seconds`, or a batch that takes longer; the caller makes the file a
    result by `publish_table`. `inputs`, which JSON can hold, are the hashes of all that rows are computed from; a state
    of others is refused.
    Under torchrun each process computes some of the same batches: an image stands beside the same others however
    many processes there are, so on equal devices their number changes no bit. Memory holds a batch, not the file.
    """
    identity = spec_hash([inputs, hashlib.sha256(ids.astype(np.int64).tobytes()).hexdigest()])
    table = resumable_table(state, shape, identity, items=len(ids), dtype=dtype, seconds=seconds)
    with distributed.process_group(device), table as rows:
        for batch in missing_batches(rows, batch_size, name):
            rows.values[ids[batch]] = compute(ids[batch])
        if distributed.rank() == 0:
            # So that using a skipped image by mistake cannot pass unseen.
            rows.values[np.setdiff1d(np.arange(shape[0]), ids, assume_unique=True)] = np.nan


@contextlib.contextmanager
def shared_array(path: Path | str, shape: Sequence[int], dtype: npt.DTypeLike) -> Iterator[np.memmap]:
    """`artifacts.atomic_array`, one for all processes of a machine, which have joined; each fills rows of its own."""
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
