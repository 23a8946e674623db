"""The hash of a source's files changes with what the source reads, and with nothing else."""

import os
import shutil
import time
import zipfile
from pathlib import Path

import pytest

from steadyflow.data.files import CIFAR10_BATCHES, CIFAR10_CLASSES, IDX_KINDS, IDX_SPLITS
from steadyflow.data.listing import source_listing
from steadyflow.data.sources import SOURCES
from steadyflow.ground.artifacts import UserError

BATCHES = [CIFAR10_CLASSES, *(f"{name}.bin" for name in CIFAR10_BATCHES)]
IDX = [f"{part}-{kind}-ubyte" for part in IDX_SPLITS for kind in IDX_KINDS]
LISTS = {
    "list_attr_celeba.txt": "3\nMale\na.jpg 1\nb.jpg -1\nc.jpg 1\n",
    "list_eval_partition.txt": "a.jpg 0\nb.jpg 1\nc.jpg 2\n",
}
IMAGENET = ["train/n1/1.JPEG", "train/n1/deep/2.JPEG", "val/n1/3.JPEG"]

# Source -> its other arguments, the files that it reads, and files that it does not read.
CASES = {
    "folder": ({}, ["top.png", "a/b/deep.JPG", "a/other.webp"], ["notes.txt", "a/list.csv"]),
    "imagefolder": ({}, IMAGENET, ["train/stray.JPEG", "test/n1/4.JPEG"]),
    "huggingface": (
        {"train": "data/train-*.parquet", "val": "data/val-*.parquet"},
        ["data/train-0.parquet", "data/train-1.parquet", "data/val-0.parquet"],
        ["data/test-0.parquet", "README.md"],
    ),
    "celeba": ({}, [*LISTS, "img_align_celeba/a.jpg", "img_align_celeba/b.jpg"], ["img_align_celeba/c.jpg"]),
    "cifar10": ({}, BATCHES, ["readme.html"]),
    "idx": ({}, IDX, ["readme"]),
}
# Files without which the source does not open.
NEEDED = {*IDX, CIFAR10_CLASSES, *LISTS, "val/n1/3.JPEG", "data/val-0.parquet"}
LEFT_BEHIND = [".DS_Store", "Thumbs.db", "._top.png", ".hidden/x.png"]


def write(file, content="content"):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(LISTS.get(file.name, content))


@pytest.fixture(params=CASES)
def case(request, tmp_path):
    """A function that lists the source, its folder, and names of the files that it reads and that it does not."""
    kind, (arguments, read, ignored) = request.param, CASES[request.param]
    for name in read:
        write(tmp_path / name)
    location = {"folder" if kind == "idx" else "path": str(tmp_path)}
    return lambda: source_listing(kind, {**arguments, **location}), tmp_path, read, ignored


def test_a_file_replaced_in_place_changes_the_listing(case):
    listing, folder, read, _ = case
    for name in read:
        before, file = listing(), folder / name
        later = file.stat().st_mtime_ns + 1
        os.utime(file, ns=(later, later))
        touched = listing()
        with file.open("a") as opened:
            opened.write("\n")
        os.utime(file, ns=(later, later))
        assert len({before, touched, listing()}) == 3, name


def test_a_file_removed_changes_the_listing(case):
    listing, folder, read, _ = case
    for name in read:
        if name in NEEDED:
            continue
        before = listing()
        (folder / name).unlink()
        assert listing() != before, name
        write(folder / name)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("folder", "a/b/new.png"), ("imagefolder", "train/n1/new.JPEG"), ("huggingface", "data/train-2.parquet")],
)
def test_a_file_added_changes_the_listing(tmp_path, kind, name):
    arguments, read, _ = CASES[kind]
    for each in read:
        write(tmp_path / each)
    before = source_listing(kind, {**arguments, "path": tmp_path})
    write(tmp_path / name)
    assert source_listing(kind, {**arguments, "path": tmp_path}) != before


def test_what_the_source_does_not_read_does_not_count(case):
    listing, folder, read, ignored = case
    before = listing()
    for name in [*ignored, *LEFT_BEHIND, *(Path(name).with_name(".DS_Store") for name in read)]:
        write(folder / name)
    for parent, _, _ in os.walk(folder):
        os.utime(parent, (0, 0))
    assert listing() == before


def test_the_folder_may_move_with_the_times_of_its_files(case, tmp_path_factory):
    listing, folder, _, _ = case
    before, elsewhere = listing(), tmp_path_factory.mktemp("other") / "moved"
    folder.rename(elsewhere)
    shutil.copytree(elsewhere, folder)
    assert listing() == before


@pytest.mark.parametrize(("kind", "table"), [("folder", "labels_csv"), ("imagefolder", "class_names")])
def test_a_table_counts_by_its_content(tmp_path, kind, table):
    images, file = tmp_path / "images", tmp_path / "table.txt"
    for name in IMAGENET:
        write(images / name)

    def listing(**more):
        return source_listing(kind, {"path": images, table: file, "channels": 3, **more})

    without = listing(**{table: None})
    write(file, "one")
    first = listing()
    os.utime(file, (0, 0))
    assert listing() == first != without
    write(file, "two")
    assert listing() != first


@pytest.mark.parametrize("kind", sorted({"folder", "imagefolder", "huggingface", "celeba", "cifar10"}))
def test_an_archive_counts_as_one_file(tmp_path, kind):
    archive = tmp_path / "images.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("a.png", "content")
    arguments = {**CASES[kind][0], "path": archive}
    before = source_listing(kind, arguments)
    write(tmp_path / "b.png")
    assert source_listing(kind, arguments) == before
    os.utime(archive, (0, 0))
    assert source_listing(kind, arguments) != before


def test_images_behind_links_are_followed(tmp_path):
    write(tmp_path / "store" / "1.png")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "linked").symlink_to(tmp_path / "store")
    (tmp_path / "set" / "2.png").symlink_to(tmp_path / "store" / "1.png")
    (tmp_path / "set" / "nowhere.png").symlink_to(tmp_path / "nothing.png")
    before = source_listing("folder", {"path": tmp_path / "set"})
    write(tmp_path / "store" / "1.png", "longer content")
    assert source_listing("folder", {"path": tmp_path / "set"}) != before


def test_the_zip_of_celeba_stands_for_its_images(tmp_path):
    for name in [*LISTS, "img_align_celeba.zip"]:
        write(tmp_path / name)
    before = source_listing("celeba", {"path": tmp_path})
    write(tmp_path / "img_align_celeba.zip", "longer content")
    assert source_listing("celeba", {"path": tmp_path}) != before


def test_sources_without_local_files_have_no_listing():
    assert source_listing("synthetic_faces", {"count": 3, "seed": 0, "resolution": 8}) == ""
    assert source_listing("digits", {}) == ""
    assert source_listing("cifar10", {"path": None}) == ""
    assert source_listing("huggingface", {"path": None, "train": "*", "val": None}) == ""
    assert set(CASES) == set(SOURCES) - {"synthetic_faces", "digits"}


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(UserError, match="nowhere: cannot be listed"):
        source_listing("folder", {"path": tmp_path / "nowhere"})


def test_many_files_take_about_a_second(tmp_path):
    for number in range(20):
        (tmp_path / str(number)).mkdir()
        for image in range(1000):
            (tmp_path / str(number) / f"{image:05d}.png").touch()
    start = time.process_time()
    source_listing("folder", {"path": tmp_path})
    assert time.process_time() - start < 2
