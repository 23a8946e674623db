"""Predictions of a classifier for many images, with their sidecar: the stage classify_images."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from steadyflow.classifiers.classifier import UNKNOWN, Classifier, Codes
from steadyflow.data.pictures import Pictures
from steadyflow.ground.artifacts import spec_hash

if TYPE_CHECKING:
    import pandas as pd
    import torch

FEATURES = 4096
"""Rows of features per batch."""


def classify_features(
    classifier: Classifier, features: npt.NDArray[np.generic], usable: npt.NDArray[np.int64]
) -> Codes:
    """The codes [m] of the rows `usable` int64 [m] of `features` [n,d], in one process."""
    parts = [usable[start : start + FEATURES] for start in range(0, len(usable), FEATURES)]
    found = [classifier.classify(features[part]) for part in parts]
    return {name: np.concatenate([part[name] for part in found]) for name in classifier.values}


def classify_pictures(
    classifier: Classifier,
    pictures: Pictures,
    state: Path,
    *,
    batch_size: int,
    device: "torch.device",
    seconds: float = 10.0,
) -> Codes:
    """The codes [m] of the usable pictures, by one process or several under torchrun.

    A killed call resumes from `state`, a `resumable_table` that the caller deletes.
    """
    from steadyflow.ground import distributed
    from steadyflow.ground.resumable import missing_batches, resumable_table

    read, usable = pictures.open(), pictures.usable
    shape, identity = (len(usable), len(classifier.values)), spec_hash([classifier.hash, pictures.content_hash()])
    opened = resumable_table(state, shape, identity, items=len(usable), dtype=np.int8, seconds=seconds)
    with distributed.process_group(device), opened as table:
        for batch in missing_batches(table, batch_size, "classify"):
            codes = classifier.classify(read(usable[batch]))
            table.values[batch] = np.stack([codes[attribute] for attribute in classifier.values], axis=1)
    return dict(zip(classifier.values, table.values.T, strict=True))


@dataclass(frozen=True)
class Predictions:
    """The codes of each attribute as a column, int8 [count], their JSON `sidecar`, and the number of `unknown` codes of
    each attribute among the classified images."""

    codes: "pd.DataFrame"
    sidecar: dict[str, Any]
    unknown: dict[str, int]


def predictions(
    classifier: Classifier,
    codes: Codes,
    pictures: Pictures,
    *,
    spec: Mapping[str, Any],
    hashes: Mapping[str, str],
) -> Predictions:
    """Expands the `codes` [m] of the usable pictures to all rows, UNKNOWN elsewhere, and writes the sidecar; `spec` is
    the classifier's identity, `hashes` are those of its inputs."""
    import pandas as pd

    table = {name: np.full(pictures.count, UNKNOWN, np.int8) for name in codes}
    for name, column in codes.items():
        table[name][pictures.usable] = column
    unknown = {name: int((column == UNKNOWN).sum()) for name, column in codes.items()}
    sidecar = {
        "classifier": classifier.kind,
        "spec": spec,
        "protocol": classifier.protocol,
        "classifier_hash": classifier.hash,
        "licence": classifier.licence,
        "values": classifier.values,
        **hashes,
        "images": len(pictures.usable),
        "unknown": unknown,
    }
    return Predictions(pd.DataFrame(table), sidecar, unknown)
