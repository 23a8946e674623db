"""The one rule by which images of any shape become square pictures of one size.

It is applied once, when the dataset is written, so training, encoding and evaluation see the same pixels. It is given
whole images: a decoder that shrinks while it decodes (JPEG's `draft`, `thumbnail`) is faster, but gives other pixels,
up to 36 of 255 away on photographs.
"""

from typing import Literal

import numpy as np
from PIL import Image

from steadyflow.data.records import Picture
from steadyflow.ground.artifacts import UserError

Fit = Literal["crop", "pad"]

MOST_ASPECT = 16
"""Of a longer image 'crop' resizes only a middle of this aspect: a row of pixels would else be resized to gigabytes."""


def fit_image(image: Picture, resolution: int, fit: Fit = "crop") -> Picture:
    """A square picture, uint8 [H, W, C] -> uint8 [resolution, resolution, C].

    'crop': the shorter side becomes `resolution`, and the centre is kept. Pillow's bicubic with antialiasing on 8 bits,
    as in torchvision's `Resize` of a PIL image; in floats it is 0.15 of 255 away on average. Where nothing is left to
    round, `Resize` and `CenterCrop` give the same picture. Else not always: the longer side is rounded here and cut
    there, and the margins are cut here and rounded there, so that theirs may lie a pixel further right or below.
    What lies further out than MOST_ASPECT / 2 shorter sides from the centre is cut off beforehand: it is several times
    further from the square than the filter sees.
    'pad': the pixels stay as they are, with zeros around them; UserError when the image is too large for that.
    Either leaves an image of the right size as it is. Where the margins are odd, the smaller is left and above.
    """
    return _FITS[fit](image, resolution)


def _crop(image: Picture, resolution: int) -> Picture:
    shorter = min(image.shape[:2])
    image = _middle(image, min(image.shape[0], MOST_ASPECT * shorter), min(image.shape[1], MOST_ASPECT * shorter))
    if shorter != resolution:
        height, width = image.shape[:2]
        # round(shorter * resolution / shorter) is exact, so only the longer side is rounded.
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
