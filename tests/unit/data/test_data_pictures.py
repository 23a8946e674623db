import numpy as np
import pandas as pd
import pytest

from steadyflow.data.pictures import array_pictures, dataset_pictures
from steadyflow.data.shards import write_shards
from steadyflow.ground.artifacts import UserError, file_hash, write_array, write_json, write_parquet

PICTURES = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3), dtype=np.uint8)


def test_pictures_of_an_array_are_all_usable(tmp_path):
    write_array(tmp_path / "images.npy", PICTURES)
    found = array_pictures(tmp_path / "images.npy")
    assert (found.count, found.usable.tolist()) == (5, [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(found.open()(np.array([3, 1])), PICTURES[[3, 1]])
    assert found.content_hash() == file_hash(tmp_path / "images.npy")


def test_skipped_images_of_a_dataset_are_not_usable(tmp_path):
    splits = ["train", "skipped", "val", "train", "train"]
    write_parquet(tmp_path / "manifest.parquet", pd.DataFrame({"split": splits}))
    rest = dict.fromkeys(("name", "n", "counts", "classes", "attributes", "resolution", "channels", "details"))
    write_json(tmp_path / "dataset.json", {**rest, "skipped": [], "content_hash": "abc"})
    (tmp_path / "images").mkdir()
    shown = (None if split == "skipped" else picture for split, picture in zip(splits, PICTURES, strict=True))
    write_shards(tmp_path / "images", shown, resolution=4, channels=3)
    found = dataset_pictures(tmp_path)
    assert (found.count, found.usable.tolist(), found.content_hash()) == (5, [0, 2, 3, 4], "abc")
    read = found.open()
    np.testing.assert_array_equal(read(np.array([4, 0])), PICTURES[[4, 0]])
    with pytest.raises(UserError, match="image 1: was skipped"):
        read(np.array([1]))
