"""The training data of a velocity model: latents of a dataset's images, with their labels."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from steadyflow.data.images import read_dataset_info, read_manifest, train_ids
from steadyflow.data.latents import Latents
from steadyflow.flow import channel_matrix, transform_channels
from steadyflow.flow.transform import Matrix
from steadyflow.ground.artifacts import UserError, file_hash, spec_hash

VALIDATION_SAMPLES = 64
"""Number of validation images, the first ones, for the validation loss of every run."""


@dataclass(frozen=True)
class Samples:
    """The data x1 of a training; `rows` are indices 0..size-1.

    size: number of samples
    shape: (C, h, w) of one sample
    load: rows int64 [B] on the CPU -> x1 float32 [B, C, h, w] on the CPU
    labels: int64 [size], 0..num_classes-1, on the device of the computation; None for an unconditional model
    num_classes: None for an unconditional model
    """

    size: int
    shape: tuple[int, ...]
    load: Callable[[Tensor], Tensor]
    labels: Tensor | None = None
    num_classes: int | None = None

    @property
    def no_label(self) -> int:
        """The label that stands for "no label"."""
        return self.num_classes or 0


def latent_samples(
    latents: Latents,
    matrix: Tensor,
    ids: npt.NDArray[np.int64],
    *,
    labels: npt.NDArray[np.int64] | None,
    num_classes: int | None,
    device: torch.device,
) -> Samples:
    """The latents x1' = A x1 of the images `ids` [n], in this order, which may contain repeats.

    `matrix` is A, float64 [C, C] (`flow.channel_matrix`); `labels` [images of the dataset] and `num_classes` are None
    for an unconditional model.
    """

    def load(rows: Tensor) -> Tensor:
        return transform_channels(matrix, latents.read(ids[rows.numpy()]))

    chosen = None if labels is None else torch.from_numpy(labels[ids]).to(device)
    return Samples(len(ids), latents.shape, load, chosen, num_classes)


@dataclass(frozen=True)
class VelocityData:
    """The data of one training of a velocity model.

    samples: training samples, each image repeated by its multiplicity
    validation: the first images of the validation split, VALIDATION_SAMPLES by default
    images: number of distinct training images
    hashes: of the file of latents, the ids, and, for a conditional model, the labels
    """

    samples: Samples
    validation: Samples
    images: int
    hashes: dict[str, str]


def open_velocity_data(
    dataset: Path,
    latents: Path,
    subset: Path | None,
    *,
    transform: str | Matrix,
    conditional: bool,
    device: torch.device,
    place: str = "run",
    validation_samples: int = VALIDATION_SAMPLES,
) -> VelocityData:
    """Opens the folder of a dataset, the .npy of its latents, and a subset's table (None: all training images).

    `transform` as in `flow.channel_matrix`. Raises UserError, whose message begins with `place`, if the transform does
    not fit the latents, or if the model is `conditional` and the dataset has no classes.
    """
    info = read_dataset_info(dataset / "dataset.json")
    manifest = read_manifest(dataset / "manifest.parquet", ["id", "split", "label"])
    store, ids = Latents(latents), training_ids(manifest, subset)
    try:
        matrix = channel_matrix(transform, store.shape[0])
    except UserError as error:
        raise UserError(f"{place}.latent_transform: {error}") from error
    hashes = {"latents": file_hash(latents), "ids": spec_hash(ids.tolist())}
    labels = num_classes = None
    if conditional:
        if info.classes is None:
            raise UserError(f"{place}.conditional: the dataset has no classes ({dataset / 'dataset.json'})")
        labels, num_classes = manifest["label"].to_numpy(), len(info.classes)
        hashes["labels"] = spec_hash([num_classes, labels.tolist()])

    def samples(ids: npt.NDArray[np.int64]) -> Samples:
        return latent_samples(store, matrix, ids, labels=labels, num_classes=num_classes, device=device)

    validation_ids = manifest.loc[manifest["split"] == "val", "id"].to_numpy()[:validation_samples]
    return VelocityData(samples(ids), samples(validation_ids), len(np.unique(ids)), hashes)


def training_ids(manifest: pd.DataFrame, subset: Path | None) -> npt.NDArray[np.int64]:
    """The ids of a subset's table (columns id, multiplicity), each repeated by its multiplicity; without a subset those
    of the manifest's training split."""
    if subset is None:
        return train_ids(manifest)
    table = pd.read_parquet(subset)
    return np.repeat(table["id"].to_numpy(), table["multiplicity"].to_numpy())
