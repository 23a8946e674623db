"""What every encoder is."""

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
    """A network and the way to it.

    protocol: how images are brought to the network, and what is taken from it, in a few words
    dim: of the features
    features: uint8 [B,H,W,C], C 1 or 3 -> float32 [B,dim], each row of its own image alone, none of them normalised;
        NaN for an image that the encoder finds nothing in
    """

    protocol: str
    dim: int
    features: Callable[[Picture], Tensor]


@dataclass(frozen=True)
class Encoder:
    """An extractor, and where its weights are from.

    kind: as studies call it
    weights_hash: of the file of weights, 16 hex digits; of several files, joined by '+'
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
        """uint8 [B,H,W,C], C 1 or 3 -> float32 [B,dim]. Raises UserError for anything else."""
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3):
            raise UserError(
                f"images {images.dtype} {list(images.shape)}: an encoder takes uint8 [images, height, width, 1 or 3], "
                "0 black and 255 white"
            )
        return self.extractor.features(images).float().cpu().numpy()
