"""One image file becomes pixels: upright, in the channels asked for, or an error that names it."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from steadyflow.data.records import Picture
from steadyflow.ground.artifacts import UserError

MODES = {1: "L", 3: "RGB"}
# What becomes the mode without losing a colour.
_CONVERTED = {1: {"1", "LA"}, 3: {"1", "L", "LA", "P", "PA", "RGBA", "CMYK", "YCbCr"}}
# Pillow knows more, and hands some of them to other programs.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")


def decode_image(content: Path | bytes, name: str, channels: int, *, convert: bool = False) -> Picture:
    """uint8 [H, W, channels] of an image file or its bytes, turned upright as its EXIF data say.

    The image must be of mode RGB (`channels` 3) or L (`channels` 1). With `convert`, images of palette, grey, CMYK or
    YCbCr become RGB, bitmaps L, and transparency is dropped: what Pillow's `convert` makes of them, as in the
    loaders that the papers' models were trained with (ImageNet has grey and CMYK JPEGs). Depths over 8 bits, and
    colours where `channels` is 1, are refused in either case.

    Raises UserError naming `name` when the file is broken, cut short, of another format or mode, or so large that
    Pillow takes it for a decompression bomb.
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
    # Pillow's decoders raise nearly anything on broken files, and its own error on decompression bombs.
    except Exception as error:
        raise UserError(f"{name}: cannot be decoded ({error})") from error
    if mode != MODES[channels]:
        raise UserError(f"{name}: mode {mode}, expected {MODES[channels]}")
    return pixels.reshape(*pixels.shape[:2], channels)


def _upright(image: Image.Image) -> Image.Image:
    try:
        image.getexif()
    # Broken EXIF data say nothing of the orientation, and are no fault of the pixels.
    except Exception:
        return image
    return ImageOps.exif_transpose(image)
