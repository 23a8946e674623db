import json

import numpy as np
import pandas as pd
import pytest

from steadyflow.data.images import DatasetInfo
from steadyflow.ground.artifacts import UserError, file_hash, write_array, write_json, write_parquet
from steadyflow.prune.select import input_hashes, select_subset

SPLITS = np.array(["train", "val", "train", "train", "skipped", "train", "train", "train", "val", "train"])
IDS = np.flatnonzero(SPLITS == "train")
HAIR = ["long", "long", "short", "short", "", "", "long", "long", "short", "short"]
MANIFEST = pd.DataFrame(
    {"id": np.arange(10), "key": [f"{i}.png" for i in range(10)], "split": SPLITS, "label": np.arange(10) % 2}
).assign(hair=HAIR)
INFO = DatasetInfo(
    name="faces",
    n=10,
    counts={"train": 7, "val": 2, "skipped": 1},
    classes=["even", "odd"],
    attributes={"hair": ["long", "short"]},
    resolution=8,
    channels=3,
    skipped=[],
    content_hash="abc",
    details={},
)
CLUSTER, DISTANCE = np.array([0, 0, 2, 2, 2, 0, 2]), np.array([0.3, 0.1, 0.2, 0.4, 0.1, 0.2, 0.3])


def select(files=None, **settings):
    return select_subset(settings, MANIFEST, INFO, files or {})


def table(path, sidecar, **columns):
    # In another order than the ids'.
    write_parquet(path, pd.DataFrame({"id": IDS, **columns}).iloc[::-1])
    write_json(path.with_suffix(".json"), sidecar)
    return path


@pytest.fixture
def clusters(tmp_path):
    return table(tmp_path / "k4.parquet", {"k": 4, "embeddings_hash": "e"}, cluster=CLUSTER, distance=DISTANCE)


def test_a_fraction_of_the_training_images_is_removed():
    found = select(criterion="random", pruning_fraction=0.5, seed=0)
    assert len(found.ids) == 4 and set(found.ids) <= set(IDS) and found.n_from == 7
    assert found.multiplicity.tolist() == [1] * 4 and found.groups is None


def test_clusters_are_read_by_id_with_their_names(clusters):
    found = select({"clusters": clusters}, criterion="cluster_b", pruning_fraction=0.5)
    # Two of each cluster, nearest to the centre.
    expected = [IDS[1], IDS[2], IDS[4], IDS[5]]
    assert found.ids.tolist() == sorted(expected)
    assert found.groups == {"names": ["0", "1", "2", "3"], "before": [3, 0, 4, 0], "after": [2, 0, 2, 0]}


@pytest.mark.parametrize(
    ("criterion", "column", "highest"),
    [("loss", "loss", True), ("loss_inv", "loss", False), ("grad", "grad", True), ("grad_inv", "grad", False)],
)
def test_scores_are_those_of_the_criterion(tmp_path, criterion, column, highest):
    columns = {"loss": np.arange(7.0), "grad": np.arange(7.0)[::-1].copy()}
    scores = table(tmp_path / "scores.parquet", {}, **columns)
    found = select({"scores": scores}, criterion=criterion, pruning_fraction=0.7)
    order = np.argsort(columns[column])
    assert found.ids.tolist() == sorted(IDS[order[-2:] if highest else order[:2]])


def test_features_are_latents_as_they_are_or_embeddings_of_length_one(tmp_path):
    array = np.zeros((10, 2), np.float32)
    array[IDS] = [[1, 0], [5, 0], [0, 1], [0, 1.1], [1, 0.1], [0.9, 0], [0.1, 1]]
    write_array(tmp_path / "features.npy", array)
    settings = {"criterion": "k_centre", "pruning_fraction": 0.7, "seed": 0}
    plain, unit = (select({kind: tmp_path / "features.npy"}, **settings) for kind in ("latents", "embeddings"))
    # As it is the row of length 5 is the outlier; as a direction it is one of many.
    assert IDS[1] in plain.ids
    directions = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [1, 0], [1, 0], [0, 1]])
    assert len(np.unique(directions[np.searchsorted(IDS, unit.ids)], axis=0)) == 2


def test_what_a_classifier_tells_takes_the_place_of_the_datasets_own_attribute(tmp_path):
    """Row = id, and nothing is known of image 7; the dataset itself says other hair of each."""
    told = tmp_path / "dataset.parquet"
    write_parquet(told, pd.DataFrame({"hair": [0, 1, 1, 0, 1, 1, 0, -1, 0, 0]}, dtype="int8"))
    write_json(told.with_suffix(".json"), {"values": {"hair": ["short", "long"]}, "classifier_hash": "c"})
    by = {"attribute": "hair", "classifier": "vlm"}
    found = select({"attributes": told}, criterion="attribute_value", value="long", **by)
    assert found.ids.tolist() == [2, 5]
    assert found.groups == {"names": ["short", "long"], "before": [4, 2], "after": [0, 2]}
    balanced = select({"attributes": told}, criterion="attribute_balanced", pruning_fraction=0.5, seed=0, **by)
    assert balanced.groups["after"] == [2, 2] and 7 not in balanced.ids
    with pytest.raises(UserError, match=r"unknown attribute 'eyes' \(known: hair\)"):
        select({"attributes": told}, criterion="attribute_value", attribute="eyes", value="x", classifier="vlm")


def test_attributes_and_classes_are_groups():
    found = select(criterion="attribute_value", attribute="hair", value="short")
    assert found.ids.tolist() == [2, 3, 9]
    assert found.groups == {"names": ["long", "short"], "before": [3, 3], "after": [0, 3]}
    assert select(criterion="attribute_value", attribute="label", value="odd").ids.tolist() == [3, 5, 7, 9]
    for settings, message in (
        ({"attribute": "eyes"}, r"unknown attribute 'eyes' \(known: hair, label\)"),
        ({"attribute": "hair", "value": "red"}, r"hair has no value 'red' \(known: long, short\)"),
    ):
        with pytest.raises(UserError, match=message):
            select(**{"criterion": "attribute_value", "value": "x", **settings})


def test_repeated_images_count_as_often_as_they_are_drawn(clusters):
    found = select({"clusters": clusters}, criterion="cluster_oversampled", seed=0)
    assert found.ids.tolist() == IDS.tolist() and found.multiplicity.sum() == 8
    assert found.groups["after"] == [4, 0, 4, 0]


def test_other_subsets_are_members(tmp_path):
    files = {}
    for name, ids in (("a", [0, 2, 3]), ("b", [2, 3, 5])):
        write_parquet(tmp_path / f"{name}.parquet", pd.DataFrame({"id": ids, "multiplicity": 1}))
        files[f"subset {name}"] = tmp_path / f"{name}.parquet"
    assert select(files, criterion="intersection", of=("a", "b")).ids.tolist() == [2, 3]
    assert select({"subset a": files["subset a"]}, criterion="complement", of="a").ids.tolist() == [5, 6, 7, 9]


def test_a_list_names_training_images_alone(tmp_path):
    listed = tmp_path / "kept.txt"
    listed.write_text("9.png\n2.png\n")
    settings = {"criterion": "listed", "file": str(listed), "entries": "keys"}
    assert select(**settings).ids.tolist() == [2, 9]
    listed.write_text("1.png\n")
    with pytest.raises(UserError, match="name no training image"):
        select(**settings)


def test_files_of_other_images_are_named(tmp_path):
    write_parquet(tmp_path / "old.parquet", pd.DataFrame({"id": [0, 1], "cluster": [0, 0], "distance": [0.0, 0.0]}))
    with pytest.raises(UserError, match=r"old.parquet: is not of the dataset's 7 training images"):
        select({"clusters": tmp_path / "old.parquet"}, criterion="cluster_b", pruning_fraction=0.5)


def test_hashes_are_of_each_file_and_of_what_it_was_made_from(clusters, tmp_path):
    listed = tmp_path / "kept.txt"
    listed.write_text("9.png\n")
    assert json.loads(json.dumps(input_hashes({"clusters": clusters}, listed))) == {
        "clusters": {"hash": file_hash(clusters), "embeddings_hash": "e"},
        "file": {"hash": file_hash(listed)},
    }
