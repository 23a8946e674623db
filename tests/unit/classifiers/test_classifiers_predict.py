import numpy as np
import pytest
import torch

from steadyflow.classifiers.classifier import Classifier
from steadyflow.classifiers.predict import classify_features, classify_pictures, predictions
from steadyflow.data.pictures import array_pictures
from steadyflow.ground.artifacts import write_array


def dark(pictures):
    """Of mean value: dark, bright, or unknown where it is just between."""
    mean = pictures.reshape(len(pictures), -1).mean(axis=1)
    return {"light": np.where(mean == 128, -1, mean > 128).astype(np.int8)}


CLASSIFIER = Classifier("mean", "abcd", "none", "mean of pixels", {"light": ("dark", "bright")}, dark)


@pytest.fixture
def pictures(tmp_path):
    values = np.repeat(np.array([0, 128, 255, 200, 10], np.uint8), 2 * 2 * 3).reshape(5, 2, 2, 3)
    write_array(tmp_path / "images.npy", values)
    return array_pictures(tmp_path / "images.npy")


@pytest.mark.parametrize("batch_size", [2, 5])
def test_pictures_are_classified_in_batches(pictures, tmp_path, batch_size):
    codes = classify_pictures(
        CLASSIFIER, pictures, tmp_path / "state.npy", batch_size=batch_size, device=torch.device("cpu")
    )
    assert codes["light"].tolist() == [0, -1, 1, 1, 0]


def test_features_are_classified_where_they_are_usable(monkeypatch):
    monkeypatch.setattr("steadyflow.classifiers.predict.FEATURES", 2)
    features = np.array([[0.0], [255.0], [np.nan], [128.0], [255.0]])
    assert classify_features(CLASSIFIER, features, np.array([0, 1, 3, 4]))["light"].tolist() == [0, 1, -1, 1]


def test_predictions_have_a_row_for_every_image(pictures):
    some = type(pictures)(7, np.array([1, 2, 6]), pictures.open, pictures.content_hash)
    found = predictions(
        CLASSIFIER, {"light": np.array([1, -1, 0], np.int8)}, some, spec={"kind": "mean"}, hashes={"images_hash": "x"}
    )
    assert found.codes["light"].tolist() == [-1, 1, -1, -1, -1, -1, 0] and found.codes["light"].dtype == np.int8
    assert found.unknown == {"light": 1} and found.sidecar["images"] == 3 and found.sidecar["images_hash"] == "x"
