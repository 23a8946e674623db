import multiprocessing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from steadyflow.data import shards
from steadyflow.data.images import DatasetInfo, ImageStore, held_out_ids
from steadyflow.ground.artifacts import UserError

SIDE, CHANNELS, COUNT, SKIPPED = 4, 3, 23, (5, 11)
SIZE = SIDE * SIDE * CHANNELS


def image(i):
    return np.random.default_rng(i).integers(0, 256, (SIDE, SIDE, CHANNELS), dtype=np.uint8)


def write(folder, count=COUNT, skipped=SKIPPED):
    folder.mkdir(exist_ok=True)
    pictures = (None if i in skipped else image(i) for i in range(count))
    shards.write_shards(folder, pictures, resolution=SIDE, channels=CHANNELS)
    return folder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Batches of 4 images and shards of 2 batches, so 23 images make 3 shards, the last batch 3 images."""
    monkeypatch.setattr(shards, "BATCH_BYTES", 4 * SIZE + 1)
    monkeypatch.setattr(shards, "SHARD_BYTES", 8 * SIZE + 1)
    return write(tmp_path / "images")


def test_shards_and_batches_are_bounded_in_bytes(folder):
    paths = sorted(folder.iterdir())
    assert [path.name for path in paths] == [f"data-0000{i}.arrow" for i in range(3)]
    rows = []
    for path in paths:
        with pa.ipc.open_stream(path) as stream:
            assert stream.schema.metadata == {b"height": b"4", b"width": b"4", b"channels": b"3"}
            assert stream.schema.types == [pa.int64(), pa.list_(pa.uint8(), SIZE)]
            rows.append([len(batch) for batch in stream])
    assert rows == [[4, 4], [4, 4], [4, 3]]


def test_images_larger_than_a_batch_stand_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "BATCH_BYTES", 1)
    monkeypatch.setattr(shards, "SHARD_BYTES", 1)
    store = ImageStore(write(tmp_path / "images", 3, ()))
    assert len(list((tmp_path / "images").iterdir())) == 3
    np.testing.assert_array_equal(store.read([2, 0]), [image(2), image(0)])


def test_hugging_face_datasets_opens_them(folder):
    datasets = pytest.importorskip("datasets")
    opened = [datasets.Dataset.from_file(str(path)) for path in sorted(folder.iterdir())]
    assert [row for part in opened for row in part["id"]] == list(range(COUNT))
    assert opened[1][11 - 8]["image"] is None
    pixels = opened[1].with_format("numpy")[10 - 8]["image"]
    np.testing.assert_array_equal(pixels.reshape(SIDE, SIDE, CHANNELS), image(10))


def test_images_are_read_in_the_order_asked(folder):
    store = ImageStore(folder)
    assert len(store) == COUNT
    kept = np.setdiff1d(np.arange(COUNT), SKIPPED)
    for ids in ([22, 0, 3, 3, 16], kept, np.random.default_rng(0).permutation(kept)):
        read = store.read(ids)
        assert read.dtype == np.uint8 and read.flags.writeable
        np.testing.assert_array_equal(read, np.stack([image(i) for i in ids]))
    assert store.read([]).shape == (0, SIDE, SIDE, CHANNELS)


def test_skipped_and_unknown_ids_are_refused(folder):
    store = ImageStore(folder)
    for skipped in SKIPPED:
        with pytest.raises(UserError, match=f"image {skipped}: was skipped"):
            store.read([0, skipped])
    for absent in (-1, COUNT):
        with pytest.raises(UserError, match=f"image {absent}: the dataset's ids are 0 to 22"):
            store.read([absent])


def test_opening_does_not_read_the_data(folder, monkeypatch):
    opened = []

    def map_shard(path, first_id):
        opened.append(path.name)
        return shards.map_shard(path, first_id)

    monkeypatch.setattr("steadyflow.data.images.map_shard", map_shard)
    store = ImageStore(folder)
    assert opened == ["data-00000.arrow", "data-00002.arrow"]
    store.read([8, 9, 10, 1, 8])
    assert opened[2:] == ["data-00001.arrow"]
    # A training on thousands of shards would else meet the limit of open files.
    held = {descriptor.resolve().parent for descriptor in Path("/proc/self/fd").iterdir()}
    assert folder.resolve() not in held and held


def test_store_without_shards(tmp_path):
    with pytest.raises(UserError, match="run the dataset stage first"):
        ImageStore(tmp_path)


def old_format(path: Path) -> None:
    schema = pa.schema([("id", pa.int64()), ("image", pa.binary())])
    with pa.ipc.new_stream(str(path), schema) as writer:
        writer.write_batch(pa.record_batch([pa.array([0]), pa.array([b"png"], pa.binary())], schema))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-120]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"no arrow" * 100),
        old_format,
    ],
)
def test_a_broken_shard_is_named(folder, spoil):
    path = folder / "data-00002.arrow"
    spoil(path)
    with pytest.raises(UserError, match=r"data-00002\.arrow: no complete shard.*run the dataset stage again"):
        ImageStore(folder)


def test_a_lost_shard_is_noticed(folder):
    (folder / "data-00001.arrow").unlink()
    with pytest.raises(UserError, match=r"data-00002\.arrow: begins with image 16, expected 8"):
        ImageStore(folder)


def _sum(directory):
    return int(ImageStore(directory).read(range(5)).sum())


def test_two_processes_read_at_once(folder):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        sums = pool.map(_sum, [folder] * 2)
    assert sums == [sum(int(image(i).sum()) for i in range(5))] * 2


def test_held_out_images_of_a_value():
    attributes = {"hair": ["long", "short"]}
    info = DatasetInfo("faces", 5, {}, ["cat", "dog"], attributes, SIDE, CHANNELS, [], "", {})
    table = {"split": ["val", "train", "val", "val", "skipped"], "label": [0, 0, 1, 0, 0]}
    table["hair"] = ["short", "short", "short", None, "short"]
    # As Parquet is read: columns that cannot be written to.
    manifest = pa.table({"id": np.arange(5), **table}).to_pandas(split_blocks=True, self_destruct=True)
    assert held_out_ids(manifest, info, {}).tolist() == [0, 2, 3]
    assert held_out_ids(manifest, info, {"hair": "short"}).tolist() == [0, 2]
    assert held_out_ids(manifest, info, {"label": "dog"}).tolist() == [2]
    assert held_out_ids(manifest, info, {"hair": "short", "label": "cat"}).tolist() == [0]
