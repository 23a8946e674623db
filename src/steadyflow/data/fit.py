"""Resizes images of any shape to square pictures of one size.

This is done once, when the dataset is written, so training, encoding and evaluation use the same pixels. The input is
the image at full size: decoders that reduce it while decoding (JPEG's `draft`, `thumbnail`) are faster, but their
pixels differ by up to 36 of 255 on photographs.
"""

from typing import Literal

import numpy as np
from PIL import Image

from steadyflow.data.records import Picture
from steadyflow.ground.artifacts import UserError

Fit = Literal["crop", "pad"]

MOST_ASPECT = 16
"""Images of larger aspect are cropped to this one before they are resized, which bounds the memory."""


def fit_image(image: Picture, resolution: int, fit: Fit = "crop") -> Picture:
    """Image uint8 [H, W, C] -> square picture uint8 [resolution, resolution, C].

    'crop': the shorter side is resized to `resolution`, and the centre is cropped. Pillow's bicubic with antialiasing
    on 8 bits, as in torchvision's `Resize` of a PIL image. It equals `Resize` and `CenterCrop` unless the longer side
    or the margins have to be rounded: then the longer side is rounded here and truncated there, and the margins are
    truncated here and rounded there, so that torchvision's crop may lie one pixel further right or below. Parts further
    than MOST_ASPECT / 2 shorter sides from the centre, which is outside the filter's support, are cropped beforehand.
    'pad': the image is surrounded by zeros. Raises UserError if it is larger than `resolution`.
    Images of the right size are unchanged. If margins are odd, the smaller one is left and above.
    """
    return _FITS[fit](image, resolution)


def _crop(image: Picture, resolution: int) -> Picture:
    shorter = min(image.shape[:2])
    image = _middle(image, min(image.shape[0], MOST_ASPECT * shorter), min(image.shape[1], MOST_ASPECT * shorter))
    if shorter != resolution:
        height, width = image.shape[:2]
        # Only the longer side is rounded: shorter * resolution / shorter is exact.
        size = (round(width * resolution / shorter), round(height * resolution / shorter))
        squeezed = Image.fromarray(image.squeeze(-1) if image.shape[2] == 1 else image)
        image = np.asarray(squeezed.resize(size, Image.Resampling.BICUBIC)).reshape(size[1], size[0], image.shape[2])
    return _middle(image, resolution, resolution)


def _middle(image: Picture, height: int, width: int) -> Picture:
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return image[top : top + height, left : left + width]


def _pad(image: Picture, resolution: int) -> Picture:
    height, width, channels = image.shape
    if max(height, width) > resolution:
        raise UserError(f"an image of {width}x{height} cannot be padded to {resolution}: set fit to 'crop'")
    padded = np.zeros((resolution, resolution, channels), np.uint8)
    top, left = (resolution - height) // 2, (resolution - width) // 2
    padded[top : top + height, left : left + width] = image
    return padded


_FITS = {"crop": _crop, "pad": _pad}
