import io
import resource
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from steadyflow.data.fit import MOST_ASPECT, fit_image
from steadyflow.ground.artifacts import UserError


def noise(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_crop_resizes_the_shorter_side_and_keeps_the_centre():
    bands = np.zeros((20, 60, 3), np.uint8)
    bands[:, :20], bands[:, 20:40], bands[:, 40:] = 10, 100, 200
    for picture in (bands, bands.transpose(1, 0, 2)):
        fitted = fit_image(picture, 10)
        assert fitted.shape == (10, 10, 3)
        assert np.abs(fitted[3:7, 3:7].astype(int) - 100).max() == 0
        assert abs(fitted.mean() - 100) < 3
    assert fit_image(bands[:, :, :1], 31).shape == (31, 31, 1)


def test_crop_is_what_torchvision_does_to_a_pil_image_where_nothing_is_rounded():
    # 2:1 and 3:1, and even margins.
    for shape in ((40, 80, 3), (90, 30, 3)):
        image = noise(shape)
        resize = v2.Compose([v2.Resize(20, v2.InterpolationMode.BICUBIC), v2.CenterCrop(20)])
        np.testing.assert_array_equal(fit_image(image, 20), np.asarray(resize(Image.fromarray(image))))


def test_crop_is_antialiased():
    """Against torch's float implementation of the same filter. Stripes a pixel wide become grey, not stripes."""
    image = noise((64, 64, 3)) // 2 + 64
    floats = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    oracle = torch.nn.functional.interpolate(floats, (16, 16), mode="bicubic", antialias=True, align_corners=False)
    assert np.abs(fit_image(image, 16) - oracle[0].permute(1, 2, 0).numpy()).max() < 1.5
    stripes = np.zeros((64, 64, 1), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(fit_image(stripes, 16)[:, 2:-2].astype(int) - 127).max() <= 2


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_fit_is_the_identity_on_the_right_size(fit):
    np.testing.assert_array_equal(fit_image(noise((8, 8, 3)), 8, fit), noise((8, 8, 3)))


def test_pad_keeps_the_pixels_in_the_middle():
    fitted = fit_image(noise((5, 6, 1)), 9, "pad")
    np.testing.assert_array_equal(fitted[2:7, 1:7], noise((5, 6, 1)))
    assert fitted.sum() == noise((5, 6, 1)).sum()


def test_pad_refuses_larger_images():
    with pytest.raises(UserError, match="9x8 cannot be padded to 8"):
        fit_image(noise((8, 9, 3)), 8, "pad")


def test_a_jpeg_decoded_small_would_be_another_picture():
    """Why no decoder may shrink: the rule's pixels are those of the whole image."""
    buffer = io.BytesIO()
    Image.fromarray(noise((128, 128, 3))).save(buffer, "JPEG", quality=92)
    whole, drafted = Image.open(io.BytesIO(buffer.getvalue())), Image.open(io.BytesIO(buffer.getvalue()))
    drafted.draft("RGB", (32, 32))
    assert drafted.size == (32, 32)
    difference = fit_image(np.asarray(whole), 32).astype(int) - fit_image(np.asarray(drafted), 32)
    assert np.abs(difference).max() > 10


def resized_whole(image, resolution):
    """The rule without a limit of the aspect."""
    height, width = image.shape[:2]
    size = round(width * resolution / min(height, width)), round(height * resolution / min(height, width))
    whole = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
    top, left = (size[1] - resolution) // 2, (size[0] - resolution) // 2
    return whole[top : top + resolution, left : left + resolution]


@pytest.mark.parametrize("shape", [(7, 7 * MOST_ASPECT, 3), (50, 61, 3), (99, 14, 3), (1, MOST_ASPECT, 3), (33, 33, 3)])
@pytest.mark.parametrize("resolution", [8, 13, 64])
def test_images_of_ordinary_aspects_have_the_pixels_of_the_whole_resized_image(shape, resolution):
    np.testing.assert_array_equal(fit_image(noise(shape), resolution), resized_whole(noise(shape), resolution))


@pytest.mark.parametrize("shape", [(1, 1000, 3), (4, 300, 3), (900, 2, 3), (32, 1600, 3)])
def test_of_extreme_aspects_the_middle_has_the_pixels_of_the_whole_resized_image(shape):
    """Margins and sizes are whole numbers here; else the square may lie a pixel elsewhere."""
    np.testing.assert_array_equal(fit_image(noise(shape), 16), resized_whole(noise(shape), 16))


def test_a_row_of_pixels_needs_no_gigabytes():
    """Resized as a whole it would be 512 x 10,240,000 pixels."""
    code = "import numpy as np; from steadyflow.data.fit import fit_image; "
    code += "assert fit_image(np.zeros((1, 20000, 3), np.uint8), 512).shape == (512, 512, 3)"

    def limited():
        resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))

    done = subprocess.run([sys.executable, "-c", code], preexec_fn=limited, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
