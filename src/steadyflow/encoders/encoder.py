"""The interface of encoders."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from steadyflow.data.records import Picture
from steadyflow.ground.artifacts import UserError


@dataclass(frozen=True)
class Extractor:
    """A network with its preprocessing.

    protocol: short description of the preprocessing and of the layer
    dim: dimension of the features
    features: images uint8 [B,H,W,C], C 1 or 3 -> float32 [B,dim], not normalised, independent of the other images of
        the batch; NaN for images without features (no detected face)
    """

    protocol: str
    dim: int
    features: Callable[[Picture], Tensor]


@dataclass(frozen=True)
class Encoder:
    """An extractor, and the origin of its weights.

    kind: its name in studies
    weights_hash: of the file of weights, 16 hex digits; those of several files are joined by '+'
    licence: of the weights
    """

    kind: str
    weights_hash: str
    licence: str
    extractor: Extractor

    @property
    def protocol(self) -> str:
        return self.extractor.protocol

    @property
    def dim(self) -> int:
        return self.extractor.dim

    @torch.no_grad()
    def encode(self, images: Picture) -> npt.NDArray[np.float32]:
        """Images uint8 [B,H,W,C], C 1 or 3 -> features float32 [B,dim]. Raises UserError for other arrays."""
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3):
            raise UserError(
                f"images {images.dtype} {list(images.shape)}: an encoder takes uint8 [images, height, width, 1 or 3], "
                "0 black and 255 white"
            )
        return self.extractor.features(images).float().cpu().numpy()
