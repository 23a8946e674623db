"""Arranging images, without matplotlib: mosaics that stay crisp on paper."""

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]


def mosaic(images: Images, *, gap: int = 1, scale: int = 4, background: int = 255) -> Images:
    """Images [rows, columns, H, W, C] as one picture, uint8 RGB, with `gap` original pixels between them.

    Every pixel becomes a block of `scale` x `scale`, since viewers of PDF files blur small images. C is 1 or 3.
    """
    rows, columns, height, width, channels = images.shape
    if channels not in (1, 3):
        raise ValueError(f"expected images with 1 or 3 channels, got shape {images.shape}")
    canvas = np.full((rows, height + gap, columns, width + gap, 3), background, np.uint8)
    canvas[:, :height, :, :width] = images.transpose(0, 2, 1, 3, 4)
    flat = canvas.reshape(rows * (height + gap), columns * (width + gap), 3)
    inner = flat[: flat.shape[0] - gap, : flat.shape[1] - gap]
    return inner.repeat(scale, axis=0).repeat(scale, axis=1)
