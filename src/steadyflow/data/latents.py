"""Cached latents: a memory map and the scale that gives them unit standard deviation."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from steadyflow.ground.artifacts import read_array, read_json


class Latents:
    """The .npy file `path` of latents float16 [n,C,h,w], row = id, and the scale in the JSON beside it.

    Rows of skipped images are NaN.
    """

    def __init__(self, path: Path | str) -> None:
        self.array = read_array(path)
        self.scale = float(read_json(Path(path).with_suffix(".json"))["scale"])

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, h, w) of one image."""
        channels, height, width = self.array.shape[1:]
        return channels, height, width

    def read(self, ids: np.ndarray) -> Tensor:
        """Scaled latents x1 float32 [len(ids), C, h, w] on the CPU."""
        return torch.from_numpy(self.array[ids].astype(np.float32)) * self.scale


def latent_scale(latents: np.ndarray, ids: np.ndarray, chunk: int = 4096) -> float:
    """1 / standard deviation (about the mean, float64) over all elements of the rows `ids`, `chunk` rows at a time."""
    count, total, squares = 0, 0.0, 0.0
    for start in range(0, len(ids), chunk):
        part = latents[ids[start : start + chunk]].astype(np.float64)
        count, total, squares = count + part.size, total + float(part.sum()), squares + float(np.square(part).sum())
    return float(1 / np.sqrt(squares / count - (total / count) ** 2))
