"""One row for every image, computed in batches, by one process or several: latents, embeddings."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from steadyflow import distributed
from steadyflow.artifacts import atomic_array
from steadyflow.progress import progress


def compute_rows(
    compute: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.floating]],
    ids: npt.NDArray[np.int64],
    path: Path | str,
    shape: Sequence[int],
    dtype: npt.DTypeLike,
    *,
    batch_size: int,
    device: torch.device,
    name: str,
) -> None:
    """Writes a .npy [n, ...] whose rows `ids` are what `compute` gives for batches of them, and whose others are NaN.

    Under torchrun each process computes some of the same batches: an image stands beside the same others however
    many processes there are, so on equal devices their number changes no bit. Memory holds a batch, not the file.
    """
    batches = distributed.part(torch.arange(-(-len(ids) // batch_size))).tolist()
    with distributed.joined(device), shared_array(path, shape, dtype) as rows:
        for batch in progress(batches, name, unit="batch"):
            part = ids[batch * batch_size : (batch + 1) * batch_size]
            rows[part] = compute(part)
        if distributed.rank() == 0:
            # So that using a skipped image by mistake cannot pass unseen.
            rows[np.setdiff1d(np.arange(shape[0]), ids, assume_unique=True)] = np.nan


@contextlib.contextmanager
def shared_array(path: Path | str, shape: Sequence[int], dtype: npt.DTypeLike) -> Iterator[np.memmap]:
    """`artifacts.atomic_array`, one for all processes of a machine, which have joined; each fills rows of its own."""
    if distributed.rank() == 0:
        with atomic_array(path, shape, dtype) as array:
            distributed.shared(str(array.filename))
            yield array
            distributed.wait()
    else:
        array = np.lib.format.open_memmap(distributed.shared(""), "r+")
        yield array
        array.flush()
        distributed.wait()
