import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from steadyflow.data import imagefolder as module
from steadyflow.data.files import image_files
from steadyflow.data.imagefolder import imagefolder
from steadyflow.ground.artifacts import UserError

CLASSES = ("n03126707", "n01440764", "n02012849")


def picture(path, mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(len(str(path))).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(path, "JPEG")


@pytest.fixture
def imagenet(tmp_path):
    root = tmp_path / "imagenet"
    for name in CLASSES:
        for number in (10, 9, 100):
            picture(root / "train" / name / f"{name}_{number}.JPEG")
        picture(root / "val" / name / f"ILSVRC2012_val_{name}.JPEG")
    picture(root / "train" / CLASSES[0] / "more" / "a.jpg")
    picture(root / "train" / CLASSES[0] / "more-of" / "b.jpg")
    picture(root / "train" / CLASSES[0] / "more" / "deep" / "c.jpg")
    return root


@pytest.mark.parametrize("val", ["val", "validation"])
def test_classes_files_and_pixels_are_torchvisions(imagenet, val):
    datasets = pytest.importorskip("torchvision.datasets")
    (imagenet / "val").rename(imagenet / val)
    source = imagefolder(imagenet)
    records = list(source.records)
    expected = []
    for split, folder in (("train", "train"), ("val", val)):
        oracle = datasets.ImageFolder(imagenet / folder)
        assert source.classes == oracle.classes
        expected += [(Path(path).relative_to(imagenet).as_posix(), label, split) for path, label in oracle.samples]
        for record, (image, _) in zip([r for r in records if r.split == split], oracle, strict=True):
            np.testing.assert_array_equal(record.load(), np.asarray(image))
    assert [(record.key, record.label, record.split) for record in records] == expected
    assert source.count == len(records) == 15


def test_grey_and_cmyk_images_become_rgb(imagenet):
    for mode in ("L", "CMYK"):
        picture(imagenet / "val" / CLASSES[0] / f"{mode}.JPEG", mode)
    assert {record.load().shape for record in imagefolder(imagenet).records} == {(5, 7, 3)}


def test_class_names_are_readable_and_unique(imagenet, tmp_path):
    names = tmp_path / "LOC_synset_mapping.txt"
    names.write_text("n01440764 tench, Tinca tinca\nn02012849 crane\nn09999999 left over\nn03126707 crane\n\n")
    assert imagefolder(imagenet, names).classes == ["tench", "crane (n02012849)", "crane (n03126707)"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("n01440764 tench\nn02012849 crane\n", "no name for the class folder n03126707"),
        ("n01440764 tench\nn01440764 crane\n", "line 2: n01440764 is named a second time"),
        (None, "cannot be read"),
    ],
)
def test_wrong_class_names_are_named(imagenet, tmp_path, content, message):
    names = tmp_path / "names.txt"
    if content is not None:
        names.write_text(content)
    with pytest.raises(UserError, match=message) as caught:
        imagefolder(imagenet, names)
    assert str(names) in str(caught.value)


@pytest.mark.parametrize(("split", "missing"), [("train", "val"), ("val", "train")])
def test_a_class_of_one_split_alone_is_named(imagenet, split, missing):
    picture(imagenet / split / "n00000001" / "a.JPEG")
    with pytest.raises(UserError, match=rf"{missing}: no class folder n00000001, which is in .*{split}"):
        imagefolder(imagenet)


def test_a_class_without_images_is_named(imagenet):
    (imagenet / "train" / "n00000001").mkdir()
    (imagenet / "val" / "n00000001").mkdir()
    with pytest.raises(UserError, match="train/n00000001: no images of this class"):
        imagefolder(imagenet)


@pytest.mark.parametrize("name", [b"train/caf\xe9/1.png", b"train/n03126707/caf\xe9.png"])
def test_names_that_are_not_utf8_are_named(imagenet, name):
    path = imagenet / os.fsdecode(name)
    path.parent.mkdir(exist_ok=True)
    path.touch()
    with pytest.raises(UserError, match=r"the name b'caf\\xe9(\.png)?' in it is not UTF-8; rename it"):
        imagefolder(imagenet)


def test_unsorted_validation_images_are_explained(imagenet):
    (imagenet / "val").rename(imagenet / "sorted")
    picture(imagenet / "val" / "ILSVRC2012_val_00000001.JPEG")
    with pytest.raises(UserError, match=r"val: no class folders in it; .*come unsorted"):
        imagefolder(imagenet)


def test_missing_and_doubled_splits_are_named(imagenet, tmp_path):
    with pytest.raises(UserError, match="no folder train in it"):
        imagefolder(tmp_path)
    (imagenet / "validation").mkdir()
    with pytest.raises(UserError, match="more than one folder val or validation"):
        imagefolder(imagenet)


def test_files_are_listed_a_class_at_a_time(imagenet, monkeypatch):
    listed = []

    def counted(folder):
        listed.append(folder.name)
        return image_files(folder)

    source = imagefolder(imagenet)
    monkeypatch.setattr(module, "image_files", counted)
    next(iter(source.records))
    assert listed == ["n01440764"]
