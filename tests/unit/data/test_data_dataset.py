import json
import threading
import time
from functools import partial

import numpy as np
import pytest

from steadyflow.data import dataset as writing
from steadyflow.data import manifest as manifests
from steadyflow.data.dataset import map_in_order, split_of, write_dataset
from steadyflow.data.images import ImageStore, Skipped, attribute_codes, read_dataset_info, read_manifest
from steadyflow.data.records import Record, Records, Source
from steadyflow.ground.artifacts import UserError, atomic_directory, atomic_path

# From `printf face-000000 | b2sum -l 64`: the first hexadecimal digit is below 4 for val.
KNOWN_SPLITS = ["train", "train", "train", "train", "val", "train", "train", "train"]


def image(i, shape=(8, 8, 3)):
    return np.random.default_rng(i).integers(0, 256, shape, dtype=np.uint8)


def torn(key):
    raise UserError(f"{key}: cannot be decoded (torn)")


def record(i, *, key=None, pixels=None, label=None, mood=None, split=None):
    """Record i of `toy`, or one that differs in what is said."""
    return Record(
        key or f"toy-{i}",
        partial(image, i) if pixels is None else pixels,
        i % 3 if label is None else label,
        {"mood": ["sad", "glad"][i % 2] if mood is None else mood},
        split or ("val" if i % 5 == 0 else "train"),
    )


def toy(n=20, **changes):
    """Records 0..n-1 of random pixels; `changes` replaces records by their index, as `at_7=record(...)`."""
    records = [changes.get(f"at_{i}", record(i)) for i in range(n)]
    return Source("toy", records, n, ["a", "b", "c"], {"mood": ["glad", "sad"]})


def write(source, directory, **options):
    settings = {"resolution": 8, "channels": 3, "val_fraction": 0.2, "details": {}}
    write_dataset(source, directory, **{**settings, **options})


def contents(directory):
    return {path.relative_to(directory): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def content_hash(directory, source, **options):
    write(source, directory, **options)
    return read_dataset_info(directory / "dataset.json").content_hash


def test_round_trip(tmp_path):
    write(toy(at_7=record(7, pixels=partial(torn, "toy-7"), mood="")), tmp_path, bad_images="skip", details={"seed": 4})
    manifest, info = read_manifest(tmp_path / "manifest.parquet"), read_dataset_info(tmp_path / "dataset.json")
    assert manifest.columns.tolist() == ["id", "key", "split", "label", "mood", "width", "height"]
    assert manifest["id"].tolist() == list(range(20)) and manifest["id"].dtype == np.int64
    assert manifest["key"].tolist() == [f"toy-{i}" for i in range(20)]
    assert manifest["split"].tolist()[4:9] == ["train", "val", "train", "skipped", "train"]
    assert (manifest["width"][6], manifest["width"][7], manifest["height"][7]) == (8, 0, 0)
    assert info.counts == {"train": 15, "val": 4, "skipped": 1} and info.n == 20 and info.details == {"seed": 4}
    assert info.skipped == [Skipped("toy-7", "toy-7: cannot be decoded (torn)")]

    assert read_manifest(tmp_path / "manifest.parquet", ["split", "id"]).equals(manifest[["split", "id"]])

    codes = attribute_codes(manifest, info)
    assert codes["mood"].tolist()[:9] == [1, 0, 1, 0, 1, 0, 1, -1, 1] and codes["mood"].dtype == np.int64
    assert codes["label"].tolist()[:4] == [0, 1, 2, 0]

    store = ImageStore(tmp_path / "images")
    assert len(store) == 20
    np.testing.assert_array_equal(store.read([19, 0, 3, 3]), np.stack([image(i) for i in (19, 0, 3, 3)]))
    with pytest.raises(UserError, match="image 7: was skipped"):
        store.read([6, 7])


def test_grey_images_keep_their_channel(tmp_path):
    grey = [Record(f"g{i}", partial(image, i, (6, 5, 1)), split=split) for i, split in enumerate(("train", "val"))]
    write(Source("grey", grey, 2), tmp_path, channels=1, fit="pad")
    read = ImageStore(tmp_path / "images").read([1])
    assert read.shape == (1, 8, 8, 1)
    np.testing.assert_array_equal(read[0, 1:7, 1:6], image(1, (6, 5, 1)))
    manifest, info = read_manifest(tmp_path / "manifest.parquet"), read_dataset_info(tmp_path / "dataset.json")
    assert attribute_codes(manifest, info) == {} and (manifest["width"][0], manifest["height"][0]) == (5, 6)


def test_split_is_a_stable_hash_of_the_key():
    assert [split_of(f"face-{i:06d}", 0.25) for i in range(8)] == KNOWN_SPLITS
    keys = [f"key-{i}" for i in range(20_000)]
    # Five standard deviations of a binomial share.
    assert np.mean([split_of(key, 0.1) == "val" for key in keys]) == pytest.approx(0.1, abs=5 * 0.0021)
    assert all(split_of(key, 0.3) == "val" for key in keys if split_of(key, 0.1) == "val")


def test_content_hash_sees_content_only(tmp_path):
    base = content_hash(tmp_path / "a", toy())
    assert len(base) == 16 and content_hash(tmp_path / "b", toy(), details={"other": 1}) == base
    changed = [
        toy(at_3=record(3, key="other")),
        toy(at_3=record(3, pixels=partial(image, 4))),
        toy(at_3=record(3, label=1)),
        toy(at_3=record(3, mood="sad")),
        toy(at_3=record(3, split="val")),
        toy(at_3=record(4, key="toy-33"), at_4=record(3)),
    ]
    hashes = {content_hash(tmp_path / f"c{i}", source) for i, source in enumerate(changed)}
    assert len(hashes | {base}) == 7
    assert content_hash(tmp_path / "d", toy(at_3=record(3, mood="sad"))) in hashes
    one_pixel = image(3)
    one_pixel[4, 4, 1] ^= 1
    assert content_hash(tmp_path / "e", toy(at_3=record(3, pixels=lambda: one_pixel))) not in hashes | {base}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (toy(at_9=record(9, key="toy-2")), "duplicate key 'toy-2'"),
        (toy(at_9=record(9, pixels=partial(image, 9, (8, 8, 1)))), "toy-9: 1 channels, expected 3"),
        (
            toy(at_9=record(9, pixels=partial(torn, "toy-9"))),
            r"toy-9: cannot be decoded \(torn\)",
        ),
        (toy(at_9=record(9, mood="odd")), "toy-9: mood is 'odd', expected one of glad, sad"),
        (Source("toy", toy(5).records[1:], 4, attributes={"mood": ["glad", "sad"]}), "no val images"),
        (Source("toy", toy(5).records[:1], 1, attributes={"mood": ["glad", "sad"]}), "no train images"),
        (Source("toy", [], 0), "no train images"),
        (Source("toy", toy().records, 20, attributes={"split": ["a"]}), "cannot be called 'split'"),
    ],
)
@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_leaves_an_existing_dataset_untouched(tmp_path, source, message, threads):
    write(toy(6), tmp_path)
    before = contents(tmp_path)
    with pytest.raises(UserError, match=message):
        write(source, tmp_path, threads=threads)
    assert contents(tmp_path) == before


def test_only_images_that_cannot_be_loaded_are_skipped(tmp_path):
    for source in (toy(at_9=record(9, pixels=partial(image, 9, (8, 8, 1)))), toy(at_9=record(9, mood="odd"))):
        with pytest.raises(UserError):
            write(source, tmp_path, bad_images="skip")


def test_any_number_of_threads_writes_the_same(tmp_path):
    def slow(i):
        # Loading ends in another order than it began.
        time.sleep(0.004 if i % 3 == 0 else 0)
        return torn(f"toy-{i}") if i in (2, 41) else image(i, (9 + i % 4, 12, 3))

    source = toy(60, **{f"at_{i}": record(i, pixels=partial(slow, i)) for i in range(60)})
    for threads in (1, 2, 5):
        write(source, tmp_path / str(threads), bad_images="skip", threads=threads)
    assert contents(tmp_path / "2") == contents(tmp_path / "1") == contents(tmp_path / "5")


def test_threads_work_side_by_side():
    # Each waits for the other: alone, a thread would wait for ever.
    meeting = threading.Barrier(2, timeout=20)
    list(map_in_order(lambda _: meeting.wait(), range(8), 2))


def test_few_results_wait_for_their_turn():
    started, ahead = [], []
    for done, result in enumerate(map_in_order(lambda item: started.append(item) or item, range(500), 2)):
        ahead.append(len(started) - done)
        assert result == done
    assert max(ahead) <= 8 * 2 + 1 and done == 499


def test_records_are_loaded_once(tmp_path):
    loaded = []

    def load(i):
        loaded.append(i)
        return image(i)

    write(toy(20, **{f"at_{i}": record(i, pixels=partial(load, i)) for i in range(20)}), tmp_path, threads=3)
    assert sorted(loaded) == list(range(20))


def test_a_repeated_key_is_found_across_row_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(manifests, "ROW_GROUP", 4)
    loaded = []

    def load(i):
        loaded.append(i)
        return image(i)

    records = [Record("toy-1" if i == 9 else f"toy-{i}", partial(load, i), split="train") for i in range(5000)]
    with pytest.raises(UserError, match="toy: duplicate key 'toy-1'"):
        write(Source("toy", Records(lambda: iter(records)), len(records)), tmp_path)
    # Not only after hours of writing.
    assert len(loaded) < 20


def test_keys_of_one_hash_are_no_repeated_key(tmp_path, monkeypatch):
    monkeypatch.setattr(manifests, "key_hash", lambda key: 7)
    write(toy(), tmp_path / "a")
    assert read_manifest(tmp_path / "a" / "manifest.parquet")["key"].is_unique
    with pytest.raises(UserError, match="duplicate key 'toy-2'"):
        write(toy(at_9=record(9, key="toy-2")), tmp_path / "b")


def test_row_groups_make_one_manifest(tmp_path, monkeypatch):
    write(toy(), tmp_path / "whole")
    monkeypatch.setattr(manifests, "ROW_GROUP", 6)
    write(toy(), tmp_path / "parts")
    whole, parts = (read_manifest(tmp_path / name / "manifest.parquet") for name in ("whole", "parts"))
    assert whole.equals(parts) and len(whole) == 20


def test_the_summary_lists_the_first_skipped_images(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "SKIPPED_LISTED", 3)
    bad = {f"at_{i}": record(i, pixels=partial(torn, f"toy-{i}")) for i in range(7, 14)}
    write(toy(**bad), tmp_path, bad_images="skip")
    info = read_dataset_info(tmp_path / "dataset.json")
    assert [skipped.key for skipped in info.skipped] == ["toy-7", "toy-8", "toy-9"] and info.counts["skipped"] == 7
    manifest = read_manifest(tmp_path / "manifest.parquet")
    assert manifest.loc[manifest["split"] == "skipped", "id"].tolist() == list(range(7, 14))


def test_what_a_killed_run_left_is_swept(tmp_path):
    # Begun and never ended: names and all are those of a real write.
    begun = atomic_directory(tmp_path / "images"), atomic_path(tmp_path / "manifest.parquet")
    folder, table = (writing.__enter__() for writing in begun)
    (folder / "data-00000.arrow").write_bytes(b"half")
    table.write_bytes(b"half")
    write(toy(), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dataset.json", "images", "manifest.parquet"]


def test_a_dataset_without_summary_is_never_an_old_one(tmp_path, monkeypatch):
    """Killed between the renames: the old summary must not stand beside new images."""
    write(toy(6), tmp_path)

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(writing, "write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        write(toy(20), tmp_path)
    assert not (tmp_path / "dataset.json").exists()


def test_the_summary_is_readable(tmp_path):
    write(toy(), tmp_path)
    summary = json.loads((tmp_path / "dataset.json").read_text())
    assert (summary["resolution"], summary["channels"], summary["attributes"]) == (8, 3, {"mood": ["glad", "sad"]})
