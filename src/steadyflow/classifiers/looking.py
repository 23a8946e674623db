"""A classifier that looks at images, over many of them: by one process or several, and on from where a kill left it."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from steadyflow import distributed
from steadyflow.classifiers.classifier import Classifier
from steadyflow.progress import progress


def look(
    classifier: Classifier,
    read: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.uint8]],
    table: np.ndarray,
    batch: int,
) -> None:
    """Fills the rows of `table` [n, attributes] that are NaN with codes; `read` gives the images of some rows.

    Batches are the same ones whatever is missing and however many processes share them (inside `distributed.joined`),
    so an image always stands beside the same others.
    """
    rows = np.arange(len(table))
    missing = [start for start in range(0, len(table), batch) if np.isnan(table[start : start + batch]).any()]
    # Before any is written: all have to see the same ones.
    distributed.wait()
    mine = distributed.part(torch.tensor(missing)).tolist()
    done = -(-len(table) // batch) - len(missing)
    for start in progress(mine, "classify", total=done + len(mine), done=done, unit="batch"):
        part = rows[start : start + batch]
        codes = classifier.classify(read(part))
        table[part] = np.stack([codes[attribute] for attribute in classifier.values], axis=1)
