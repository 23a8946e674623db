import multiprocessing

import numpy as np
import pytest

from steadyflow.artifacts import UserError
from steadyflow.data import shards
from steadyflow.data.dataset import split_of, write_dataset
from steadyflow.data.fit import fit_image
from steadyflow.data.images import ImageStore, Skipped, attribute_codes, read_dataset_info, read_manifest
from steadyflow.data.records import Record, Source

# From `printf face-000000 | b2sum -l 64`: the first hexadecimal digit is below 4 for val.
KNOWN_SPLITS = ["train", "train", "train", "train", "val", "train", "train", "train"]


def image(i, shape=(8, 8, 3)):
    return np.random.default_rng(i).integers(0, 256, shape, dtype=np.uint8)


def toy(n=20, **changes):
    """Records 0..n-1 of random pixels; `changes` replaces records by their index, as `at_7=Record(...)`."""
    records = [
        Record(f"toy-{i}", image(i), i % 3, {"mood": ["sad", "glad"][i % 2]}, "val" if i % 5 == 0 else "train")
        for i in range(n)
    ]
    for name, record in changes.items():
        records[int(name.removeprefix("at_"))] = record
    return Source("toy", records, n, ["a", "b", "c"], {"mood": ["glad", "sad"]})


def write(source, directory, **options):
    settings = {"resolution": 8, "channels": 3, "val_fraction": 0.2, "details": {}}
    write_dataset(source, directory, **{**settings, **options})


def test_round_trip(tmp_path):
    write(toy(at_7=Record("toy-7", None, 1, {"mood": ""}, problem="torn")), tmp_path, details={"seed": 4})
    manifest, info = read_manifest(tmp_path / "manifest.parquet"), read_dataset_info(tmp_path / "dataset.json")
    assert manifest.columns.tolist() == ["id", "key", "split", "label", "mood", "width", "height"]
    assert manifest["id"].tolist() == list(range(20)) and manifest["id"].dtype == np.int64
    assert manifest["key"].tolist() == [f"toy-{i}" for i in range(20)]
    assert manifest["split"].tolist()[4:9] == ["train", "val", "train", "skipped", "train"]
    assert (manifest["width"][6], manifest["width"][7], manifest["height"][7]) == (8, 0, 0)
    assert info.counts == {"train": 15, "val": 4, "skipped": 1} and info.n == 20 and info.details == {"seed": 4}
    assert info.skipped == [Skipped("toy-7", "torn")]

    codes = attribute_codes(manifest, info)
    assert codes["mood"].tolist()[:9] == [1, 0, 1, 0, 1, 0, 1, -1, 1] and codes["mood"].dtype == np.int64
    assert codes["label"].tolist()[:4] == [0, 1, 2, 0]

    store = ImageStore(tmp_path / "images")
    assert len(store) == 20
    np.testing.assert_array_equal(store.read([19, 0, 3, 3]), np.stack([image(i) for i in (19, 0, 3, 3)]))
    with pytest.raises(UserError, match="image 7: was skipped"):
        store.read([6, 7])
    for absent in (-1, 20):
        with pytest.raises(UserError, match="0 to 19"):
            store.read([absent])


def test_shards_are_split_and_hugging_face_datasets_opens_them(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(shards, "SHARD_SIZE", 8)
    monkeypatch.setattr(shards, "BATCH_SIZE", 4)
    write(toy(), tmp_path)
    paths = sorted((tmp_path / "images").iterdir())
    assert [path.name for path in paths] == [f"data-0000{i}.arrow" for i in range(3)]
    opened = [datasets.Dataset.from_file(str(path)) for path in paths]
    assert [row for part in opened for row in part["id"]] == list(range(20))
    as_images = opened[1].cast_column("image", datasets.Image())
    np.testing.assert_array_equal(np.asarray(as_images[2]["image"]), image(10))
    np.testing.assert_array_equal(ImageStore(tmp_path / "images").read(range(20)), [image(i) for i in range(20)])


def test_grey_images_keep_their_channel(tmp_path):
    grey = [Record(f"g{i}", image(i, (6, 5, 1)), split=split) for i, split in enumerate(("train", "val"))]
    write(Source("grey", grey, 2), tmp_path, channels=1, fit="pad")
    read = ImageStore(tmp_path / "images").read([1])
    assert read.shape == (1, 8, 8, 1)
    np.testing.assert_array_equal(read[0, 1:7, 1:6], image(1, (6, 5, 1)))
    assert read.sum() == image(1, (6, 5, 1)).sum()
    assert attribute_codes(*_read(tmp_path)) == {}


def _read(directory):
    return read_manifest(directory / "manifest.parquet"), read_dataset_info(directory / "dataset.json")


def test_split_is_a_stable_hash_of_the_key():
    assert [split_of(f"face-{i:06d}", 0.25) for i in range(8)] == KNOWN_SPLITS
    keys = [f"key-{i}" for i in range(20_000)]
    # Five standard deviations of a binomial share.
    assert np.mean([split_of(key, 0.1) == "val" for key in keys]) == pytest.approx(0.1, abs=5 * 0.0021)
    assert all(split_of(key, 0.3) == "val" for key in keys if split_of(key, 0.1) == "val")


def test_content_hash_sees_content_only(tmp_path):
    def content_hash(name, source, **options):
        write(source, tmp_path / name, **options)
        return read_dataset_info(tmp_path / name / "dataset.json").content_hash

    base = content_hash("a", toy())
    assert len(base) == 16 and content_hash("b", toy(), details={"other": 1}) == base
    changed = [
        Record("other", image(3), 0, {"mood": "glad"}, "train"),
        Record("toy-3", image(4), 0, {"mood": "glad"}, "train"),
        Record("toy-3", image(3), 1, {"mood": "glad"}, "train"),
        Record("toy-3", image(3), 0, {"mood": "sad"}, "train"),
        Record("toy-3", image(3), 0, {"mood": "glad"}, "val"),
    ]
    hashes = {content_hash(f"c{i}", toy(at_3=record)) for i, record in enumerate(changed)}
    assert len(hashes | {base}) == 6
    assert content_hash("d", toy(at_3=Record("toy-3", image(3), 0, {"mood": "sad"}, "train"))) in hashes


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (toy(at_9=Record("toy-2", image(9), split="train")), "'toy-2' comes twice"),
        (toy(at_9=Record("toy-9", image(9, (8, 8, 1)), split="train")), "toy-9: 1 channels, expected 3"),
        (toy(at_9=Record("toy-9", image(9), 0, {"mood": "odd"}, "train")), "toy-9: mood is 'odd'"),
        (Source("toy", toy(5).records[1:], 4, attributes={"mood": ["glad", "sad"]}), "no val images"),
        (Source("toy", toy(5).records[:1], 1, attributes={"mood": ["glad", "sad"]}), "no train images"),
        (Source("toy", [], 0), "no train images"),
        (Source("toy", toy().records, 20, attributes={"split": ["a"]}), "cannot be called 'split'"),
    ],
)
def test_an_error_leaves_an_existing_dataset_untouched(tmp_path, source, message):
    write(toy(6), tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match=message):
        write(source, tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_crop_resizes_the_shorter_side_and_keeps_the_centre():
    bands = np.zeros((20, 60, 3), np.uint8)
    bands[:, :20], bands[:, 20:40], bands[:, 40:] = 10, 100, 200
    for picture in (bands, bands.transpose(1, 0, 2)):
        fitted = fit_image(picture, 10)
        assert fitted.shape == (10, 10, 3)
        assert np.abs(fitted[3:7, 3:7].astype(int) - 100).max() == 0
        assert abs(fitted.mean() - 100) < 3
    assert fit_image(bands[:, :, :1], 31).shape == (31, 31, 1)


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_fit_is_the_identity_on_the_right_size(fit):
    np.testing.assert_array_equal(fit_image(image(0), 8, fit), image(0))


def test_pad_refuses_larger_images():
    with pytest.raises(UserError, match="9x8 cannot be padded to 8"):
        fit_image(image(0, (8, 9, 3)), 8, "pad")


def test_store_without_shards(tmp_path):
    with pytest.raises(UserError, match="run the dataset stage first"):
        ImageStore(tmp_path)


def _sum(directory):
    return int(ImageStore(directory).read(range(6)).sum())


def test_two_processes_read_at_once(tmp_path):
    write(toy(6), tmp_path)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        sums = pool.map(_sum, [tmp_path / "images"] * 2)
    assert sums == [sum(int(image(i).sum()) for i in range(6))] * 2
