"""From stored images to the input of networks."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from steadyflow.data.records import Picture

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def rgb(images: Picture) -> Picture:
    """uint8 [B,H,W,C] -> [B,H,W,3]; grey images are repeated."""
    return np.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images


def planes(images: Picture, device: torch.device) -> Tensor:
    """uint8 [B,H,W,C] -> float32 [B,3,H,W] in 0..255."""
    return torch.from_numpy(rgb(images)).to(device).movedim(-1, 1).float()


def normalised(x: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Normalises [B,3,H,W] in 0..255 by `mean` and `std` per channel, which refer to values in 0..1."""
    per_channel = [255 * torch.tensor(values, device=x.device)[:, None, None] for values in (mean, std)]
    return (x - per_channel[0]) / per_channel[1]


def one_by_one(transform: Callable[[Image.Image], Tensor], images: Picture, device: torch.device) -> Tensor:
    """Applies a transform of PIL images to each of uint8 [B,H,W,C] -> [B,3,side,side]."""
    return torch.stack([transform(Image.fromarray(image)) for image in rgb(images)]).to(device)
