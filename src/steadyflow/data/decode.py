"""Decodes an image file to upright pixels with a given number of channels, or raises an error that names it."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from steadyflow.data.records import Picture
from steadyflow.ground.artifacts import UserError

MODES = {1: "L", 3: "RGB"}
# Modes that can be converted without losing colours.
_CONVERTED = {1: {"1", "LA"}, 3: {"1", "L", "LA", "P", "PA", "RGBA", "CMYK", "YCbCr"}}
# Pillow supports more formats, some by calling external programs.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")


def decode_image(content: Path | bytes, name: str, channels: int, *, convert: bool = False) -> Picture:
    """uint8 [H, W, channels] of an image file or its bytes, rotated according to its EXIF orientation.

    The mode must be RGB (`channels` 3) or L (`channels` 1). With `convert`, palette, grey, CMYK and YCbCr images are
    converted to RGB, bitmaps to L, and transparency is dropped, by Pillow's `convert`, as in the loaders with which the
    papers' models were trained (ImageNet has grey and CMYK JPEGs). Depths over 8 bits, and colour images
    if `channels` is 1, are never converted.

    Raises UserError naming `name` if the file is broken, truncated, of another format or mode, or so large that Pillow
    considers it a decompression bomb.
    """
    try:
        with Image.open(io.BytesIO(content) if isinstance(content, bytes) else content, formats=_FORMATS) as image:
            mode = image.mode
            image.load()
            upright = _upright(image)
            if convert and mode in _CONVERTED[channels]:
                upright, mode = upright.convert(MODES[channels]), MODES[channels]
            pixels = np.asarray(upright)
    except UnidentifiedImageError as error:
        raise UserError(f"{name}: cannot be decoded (not of the formats {', '.join(_FORMATS)})") from error
    # Pillow's decoders raise errors of many types on broken files, and their own on decompression bombs.
    except Exception as error:
        raise UserError(f"{name}: cannot be decoded ({error})") from error
    if mode != MODES[channels]:
        raise UserError(f"{name}: mode {mode}, expected {MODES[channels]}")
    return pixels.reshape(*pixels.shape[:2], channels)


def _upright(image: Image.Image) -> Image.Image:
    try:
        image.getexif()
    # Broken EXIF data do not affect the pixels.
    except Exception:
        return image
    return ImageOps.exif_transpose(image)
