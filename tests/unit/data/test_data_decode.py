import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from steadyflow.data.decode import decode_image
from steadyflow.ground.artifacts import UserError


def noise(shape=(6, 9, 3), seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_a_path_and_its_bytes_give_the_same_pixels(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(Image.fromarray(noise())))
    np.testing.assert_array_equal(decode_image(tmp_path / "a.png", "a", 3), noise())
    np.testing.assert_array_equal(decode_image((tmp_path / "a.png").read_bytes(), "a", 3), noise())


def test_grey_pixels_have_a_channel():
    assert decode_image(encoded(Image.fromarray(noise((6, 9)))), "a", 1).shape == (6, 9, 1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_upright(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(Image.fromarray(noise()), exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(content))))
    np.testing.assert_array_equal(decode_image(content, "a", 3), expected)
    assert expected.shape[:2] == ((6, 9) if orientation < 5 else (9, 6))


def test_broken_exif_data_are_no_fault_of_the_pixels():
    content = encoded(Image.fromarray(noise()), "JPEG", exif=b"Exif\0\0nothing that TIFF knows", dpi=(72, 72))
    expected = decode_image(encoded(Image.fromarray(noise()), "JPEG"), "a", 3)
    np.testing.assert_array_equal(decode_image(content, "a", 3), expected)


# Bitmap, grey, palette, alpha, printing colours.
@pytest.mark.parametrize(
    ("mode", "kind"),
    [("1", "PNG"), ("L", "JPEG"), ("LA", "PNG"), ("P", "PNG"), ("RGBA", "PNG"), ("CMYK", "JPEG")],
)
def test_only_conversion_makes_colours_of_other_modes(mode, kind):
    content = encoded(Image.fromarray(noise()).convert(mode), kind)
    assert Image.open(io.BytesIO(content)).mode == mode
    with pytest.raises(UserError, match=rf"^a\.jpg: mode {mode}, expected RGB$"):
        decode_image(content, "a.jpg", 3)
    expected = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    np.testing.assert_array_equal(decode_image(content, "a.jpg", 3, convert=True), expected)


@pytest.mark.parametrize(
    ("image", "channels"), [(Image.fromarray(noise()), 1), (Image.fromarray(noise((4, 4)).astype(np.uint16)), 3)]
)
def test_what_would_lose_colours_or_depth_is_never_converted(image, channels):
    with pytest.raises(UserError, match=f"mode {image.mode}, expected"):
        decode_image(encoded(image), "a", channels, convert=True)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_a_file_cut_short_is_named(kind):
    content = encoded(Image.fromarray(noise((64, 64, 3))), kind)
    for length in (len(content) * 2 // 3, 10, 0):
        with pytest.raises(UserError, match=r"^data/a\.img: cannot be decoded \("):
            decode_image(content[:length], "data/a.img", 3)


def test_a_message_is_the_same_every_time():
    messages = set()
    for _ in range(2):
        with pytest.raises(UserError) as caught:
            decode_image(bytes(bytearray(b"no image")), "a", 3)
        messages.add(str(caught.value))
    assert messages == {"a: cannot be decoded (not of the formats JPEG, PNG, WEBP, BMP, TIFF)"}


def test_formats_that_other_programs_decode_are_not_opened():
    postscript = encoded(Image.fromarray(noise()), "EPS")
    assert Image.open(io.BytesIO(postscript)).format == "EPS"
    with pytest.raises(UserError, match="not of the formats"):
        decode_image(postscript, "a.jpg", 3)


def test_decompression_bombs_are_refused(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5)
    with pytest.raises(UserError, match=r"a: cannot be decoded .*bomb"):
        decode_image(encoded(Image.fromarray(noise())), "a", 3)
