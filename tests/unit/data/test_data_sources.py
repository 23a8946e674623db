import gzip
import inspect
import os
import struct
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from steadyflow.data.digits import digits
from steadyflow.data.files import DEBIAN_FASHION_MNIST
from steadyflow.data.folder import folder
from steadyflow.data.idx import idx
from steadyflow.data.sources import SOURCES
from steadyflow.ground.artifacts import UserError
from steadyflow.study.specs import Dataset


def write_idx(path, array):
    header = struct.pack(f">{1 + array.ndim}I", 0x0800 + array.ndim, *array.shape)
    content = header + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.fixture
def idx_folder(tmp_path):
    where = tmp_path / "mnist"
    where.mkdir()
    write_idx(where / "train-images-idx3-ubyte.gz", np.arange(3 * 2 * 4).reshape(3, 2, 4))
    write_idx(where / "train-labels-idx1-ubyte.gz", np.array([5, 0, 4]))
    write_idx(where / "t10k-images-idx3-ubyte", np.full((1, 2, 4), 9))
    write_idx(where / "t10k-labels-idx1-ubyte", np.array([7]))
    return where


def test_idx_reads_plain_and_gzipped_files(idx_folder):
    source = idx(idx_folder)
    records = list(source.records)
    assert source.count == 4 and source.classes == list("0123456789")
    assert [record.key for record in records] == ["train-00000", "train-00001", "train-00002", "t10k-00000"]
    assert [record.label for record in records] == [5, 0, 4, 7]
    assert [record.split for record in records] == ["train", "train", "train", "val"]
    np.testing.assert_array_equal(records[1].load()[:, :, 0], [[8, 9, 10, 11], [12, 13, 14, 15]])


def test_idx_missing_folder_says_how_to_get_it(tmp_path):
    with pytest.raises(UserError, match="apt install dataset-fashion-mnist"):
        idx(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("t10k-labels-idx1-ubyte", lambda content: b"\0\0\x09\x01" + content[4:], "magic number 0x0901"),
        ("t10k-labels-idx1-ubyte", lambda content: content + b"\0", "2 bytes of data, expected"),
        ("t10k-labels-idx1-ubyte", lambda content: content[:3], "too short"),
        ("t10k-labels-idx1-ubyte", lambda content: content[:-1] + b"\x0b", "label 11"),
        ("train-images-idx3-ubyte.gz", lambda content: content[:-12], "cannot be read"),
        ("train-images-idx3-ubyte.gz", lambda content: content[:10] + b"\xff" + content[11:], "cannot be read"),
    ],
)
def test_idx_corrupt_files_are_named(idx_folder, name, damage, message):
    path = idx_folder / name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=message) as caught:
        idx(idx_folder)
    assert str(path) in str(caught.value)


@pytest.mark.skipif(not DEBIAN_FASHION_MNIST.is_dir(), reason="dataset-fashion-mnist is not installed")
def test_idx_fashion_mnist():
    source = idx()
    first = next(iter(source.records))
    assert source.count == 70_000 and first.load().shape == (28, 28, 1)
    assert first.label == 9 and source.classes[9] == "Ankle boot"


def test_digits():
    source = digits()
    records = list(source.records)
    assert len(records) == source.count == 1797
    assert (records[42].key, records[3].label, records[0].split) == ("digit-0042", 3, None)
    # The first row of the first digit is 0 0 5 13 9 1 0 0 (of 16) in the UCI file.
    assert records[0].load()[0, :, 0].tolist() == [0, 0, 80, 207, 143, 16, 0, 0]


def picture(path, size=(6, 4), mode="RGB", colour=(10, 200, 30), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path, **options)


@pytest.fixture
def pictures(tmp_path):
    where = tmp_path / "pictures"
    picture(where / "dog" / "b.png")
    picture(where / "cat" / "a.PNG", colour=(1, 2, 3))
    picture(where / "dog" / "deep" / "c.png")
    (where / "notes.txt").write_text("no image")
    (where / "dog" / "._b.png").write_bytes(b"a Mac left this")
    return where


def test_folder_classes_are_the_first_subfolders(pictures):
    source = folder(pictures)
    records = list(source.records)
    assert [record.key for record in records] == ["cat/a.PNG", "dog/b.png", "dog/deep/c.png"]
    assert source.classes == ["cat", "dog"] and [record.label for record in records] == [0, 1, 1]
    assert records[0].load().shape == (4, 6, 3) and records[0].load()[0, 0].tolist() == [1, 2, 3]


def test_folder_with_images_directly_in_it_has_no_classes(pictures):
    picture(pictures / "z.png")
    source = folder(pictures)
    assert source.classes is None and {record.label for record in source.records} == {-1}


def test_folder_follows_links_and_skips_hidden_folders(pictures, tmp_path):
    picture(tmp_path / "elsewhere" / "d.png")
    (pictures / "eel").symlink_to(tmp_path / "elsewhere")
    picture(pictures / ".thumbnails" / "a.png")
    assert [record.key for record in folder(pictures).records][-1] == "eel/d.png"
    assert folder(pictures).classes == ["cat", "dog", "eel"]


def test_folder_turns_images_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held sideways
    picture(tmp_path / "a.jpg", size=(6, 4), exif=exif)
    assert next(iter(folder(tmp_path).records)).load().shape == (6, 4, 3)


def test_folder_csv(pictures, tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text("file,label,hair\ndog/b.png,10,long\ncat/a.PNG,9,\ndog/deep/c.png,,short\n")
    source = folder(pictures, labels)
    records = {record.key: record for record in source.records}
    assert source.classes == ["9", "10"] and source.attributes == {"hair": ["long", "short"]}
    assert [records[key].label for key in ("dog/b.png", "cat/a.PNG", "dog/deep/c.png")] == [1, 0, -1]
    assert records["cat/a.PNG"].attributes == {"hair": ""}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("file\ndog/b.png\nnone.png\n", "line 3: none.png is not an image"),
        ("file\ndog/b.png\ncat/a.PNG\n", "lacks dog/deep/c.png"),
        ("file\ndog/b.png\ndog/b.png\n", "line 3: dog/b.png is listed a second time"),
        ("name\ndog/b.png\n", "no column `file`"),
        ("file,label\ndog/b.png\n", "line 2: 2 columns expected"),
    ],
)
def test_folder_csv_errors_name_csv_and_line(pictures, tmp_path, lines, message):
    labels = tmp_path / "labels.csv"
    labels.write_text(lines)
    with pytest.raises(UserError, match=message) as caught:
        folder(pictures, labels)
    assert str(labels) in str(caught.value)


def test_folder_empty(tmp_path):
    with pytest.raises(UserError, match="no images"):
        folder(tmp_path)


def test_folder_classes_may_be_none(pictures):
    source = folder(pictures, classes="none")
    assert source.classes is None and {record.label for record in source.records} == {-1}
    assert source.count == 3


def test_folder_links_in_a_circle_are_refused(pictures):
    (pictures / "dog" / "round").symlink_to(pictures / "dog")
    with pytest.raises(UserError, match="dog/round: a link to a folder that it lies in"):
        folder(pictures)
    (pictures / "dog" / "round").unlink()
    # Each leads into the other.
    (pictures / "dog" / "other").symlink_to(pictures / "cat")
    (pictures / "cat" / "other").symlink_to(pictures / "dog")
    with pytest.raises(UserError, match="other/other: a link to a folder that it lies in"):
        folder(pictures)


def test_folder_that_cannot_be_listed_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere: cannot be listed \(No such file"):
        folder(tmp_path / "nowhere")


def test_folder_names_that_are_not_utf8_are_named(pictures):
    bad = pictures / os.fsdecode(b"caf\xe9")
    bad.mkdir()
    (bad / "notes.txt").write_text("no image, no matter what it is called")
    assert folder(pictures).count
    (bad / "1.png").touch()
    with pytest.raises(UserError) as error:
        folder(pictures)
    assert str(error.value) == f"{pictures}: the name b'caf\\xe9/1.png' in it is not UTF-8; rename it"


@pytest.mark.parametrize("name", ["two\nlines.png", "carriage\rreturn.png"])
def test_folder_names_with_line_breaks_are_named(pictures, name):
    (pictures / name).touch()
    with pytest.raises(UserError) as error:
        folder(pictures)
    assert str(error.value) == (
        f"{pictures}: the name {name!r} in it holds a line break, and lists of names are lines; rename it"
    )


def test_folder_bad_images_are_named_when_loaded(pictures):
    path = pictures / "dog" / "b.png"
    path.write_bytes(path.read_bytes()[:40])
    picture(pictures / "dog" / "deep" / "c.png", mode="L", colour=7)
    sound, broken, grey = folder(pictures).records
    assert sound.load().shape == (4, 6, 3) and broken.label == 1
    with pytest.raises(UserError, match="cannot be decoded") as caught:
        broken.load()
    assert str(caught.value).startswith(f"{path}: ")
    with pytest.raises(UserError, match="mode L, expected RGB"):
        grey.load()


def test_folder_grey(tmp_path):
    picture(tmp_path / "a.png", mode="L", colour=7)
    assert next(iter(folder(tmp_path, channels=1).records)).load().shape == (4, 6, 1)


def test_every_source_of_a_study_has_a_function_that_takes_its_arguments():
    kinds = get_args(get_args(Dataset)[0])
    functions = {name: set(inspect.signature(function).parameters) for name, function in SOURCES.items()}
    wanted = {get_args(kind.model_fields["source"].annotation)[0]: kind.arguments for kind in kinds}
    assert functions == wanted
