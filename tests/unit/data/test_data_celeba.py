import threading
import zipfile

import numpy as np
import pytest
from PIL import Image

from steadyflow.data.celeba import celeba
from steadyflow.data.dataset import write_dataset
from steadyflow.data.images import read_manifest
from steadyflow.ground.artifacts import UserError

SPLITS = ["0", "0", "1", "2", "0", "1"]


def pixels(number):
    return np.random.default_rng(number).integers(0, 256, (6, 5, 3), dtype=np.uint8)


def name(number):
    # PNG, so that pixels can be compared.
    return f"{number:06d}.png"


@pytest.fixture
def root(tmp_path):
    where = tmp_path / "celeba"
    (where / "img_align_celeba").mkdir(parents=True)
    rows = []
    for number in range(1, 7):
        Image.fromarray(pixels(number)).save(where / "img_align_celeba" / name(number))
        rows.append(f"{name(number)} {'-1' if number % 2 else ' 1'}  1")
    (where / "list_attr_celeba.txt").write_text("6\n5_o_Clock_Shadow Male \n" + "\n".join(rows) + "\n")
    partition = [f"{name(number)} {split}" for number, split in enumerate(SPLITS, 1)]
    (where / "list_eval_partition.txt").write_text("\n".join(partition) + "\n")
    return where


def zipped(root):
    with zipfile.ZipFile(root / "img_align_celeba.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted((root / "img_align_celeba").iterdir()):
            archive.write(file, f"img_align_celeba/{file.name}")
            file.unlink()
    (root / "img_align_celeba").rmdir()
    return root


def check(source):
    records = list(source.records)
    assert source.classes is None and source.count == 5
    assert source.attributes == {"5_o_Clock_Shadow": ["no", "yes"], "Male": ["no", "yes"]}
    assert [record.key for record in records] == [name(number) for number in (1, 2, 3, 5, 6)]
    assert [record.split for record in records] == ["train", "train", "val", "train", "val"]
    assert [record.attributes["5_o_Clock_Shadow"] for record in records] == ["no", "yes", "no", "no", "yes"]
    for record, number in zip(records, (1, 2, 3, 5, 6), strict=True):
        np.testing.assert_array_equal(record.load(), pixels(number))


def test_a_folder_and_its_zip_give_the_same(root):
    check(celeba(root))
    check(celeba(zipped(root)))


def test_the_zip_may_be_read_by_threads_at_once(root):
    records = list(celeba(zipped(root)).records) * 20
    found = [None] * len(records)

    def read(start):
        for i in range(start, len(records), 4):
            found[i] = records[i].load()

    threads = [threading.Thread(target=read, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, number in enumerate([1, 2, 3, 5, 6] * 20):
        np.testing.assert_array_equal(found[i], pixels(number))


def test_attributes_are_columns_of_the_manifest(root, tmp_path):
    write_dataset(celeba(root), tmp_path / "out", resolution=4, channels=3, val_fraction=0, details={})
    manifest = read_manifest(tmp_path / "out" / "manifest.parquet")
    assert manifest["5_o_Clock_Shadow"].tolist() == ["no", "yes", "no", "no", "yes"]
    assert manifest["Male"].tolist() == ["yes"] * 5


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("list_attr_celeba.txt", "6\n", "7\n", "6 images, but line 1 says 7"),
        ("list_attr_celeba.txt", "6\n", "", "expected the number of images in line 1"),
        ("list_attr_celeba.txt", "Male", "5_o_Clock_Shadow", "expected the number of images in line 1"),
        ("list_attr_celeba.txt", "000003.png -1  1", "000003.png -1  0", "line 5: expected a file name and 2 times"),
        ("list_attr_celeba.txt", "000003.png -1  1", "000003.png -1", "line 5: expected a file name and 2 times"),
        ("list_eval_partition.txt", "000003.png 1", "000003.png 3", "line 3: expected a file name and 0, 1 or 2"),
        ("list_eval_partition.txt", "000003.png 1\n", "", "line 3: expected `000003.png`"),
        ("list_eval_partition.txt", "000006.png 1\n", "", "at its end: expected `000006.png`"),
        ("list_eval_partition.txt", "000006.png 1\n", "000006.png 1\n7.png 0\n", "line 7: 7.png is not in"),
    ],
)
def test_wrong_lists_are_named_with_their_line(root, file, old, new, message):
    edit(root / file, old, new)
    with pytest.raises(UserError, match=message) as caught:
        celeba(root)
    assert str(root / file) in str(caught.value)


def test_missing_files_are_named(root):
    (root / "list_eval_partition.txt").rename(root / "elsewhere")
    with pytest.raises(UserError, match=r"list_eval_partition\.txt: cannot be read"):
        celeba(root)
    (root / "elsewhere").rename(root / "list_eval_partition.txt")
    (root / "img_align_celeba").rename(root / "images")
    with pytest.raises(UserError, match=r"no folder img_align_celeba, and img_align_celeba\.zip cannot be read"):
        celeba(root)


def test_a_member_that_is_missing_or_broken_is_named(root):
    archive = zipped(root) / "img_align_celeba.zip"
    content = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as opened:
        start = opened.getinfo("img_align_celeba/000002.png").header_offset
    content[start + 80] ^= 0xFF
    archive.write_bytes(content)
    edit(root / "list_attr_celeba.txt", "000001.png", "1.png")
    edit(root / "list_eval_partition.txt", "000001.png", "1.png")
    absent, broken, sound, *_ = celeba(root).records
    for record in (absent, broken):
        with pytest.raises(UserError, match=rf"img_align_celeba/{record.key} cannot be read"):
            record.load()
    assert sound.load().shape == (6, 5, 3)
