"""The heads of a probe predict from features what the network predicts from images."""

import numpy as np
import torch

from steadyflow.classifiers import load_classifier
from steadyflow.ground.artifacts import write_json, write_weights
from steadyflow.models import Probe


def test_a_probes_heads_are_read_from_its_features(tmp_path):
    architecture = {"image_channels": 1, "width": 8, "feature_dim": 16, "targets": {"age": 4, "hat": 2}}
    torch.manual_seed(0)
    model = Probe(**architecture)
    write_weights(tmp_path / "weights.safetensors", model.state_dict())
    values = {"age": list("abcd"), "hat": ["no", "yes"]}
    write_json(tmp_path / "config.json", {"values": values, "weights_hash": "0123"})
    classifier = load_classifier("probe", {}, [tmp_path / "weights.safetensors", tmp_path / "config.json"], lock={})
    features = np.random.default_rng(0).normal(size=(50, 16)).astype(np.float32)
    expected = {name: x.argmax(1).numpy() for name, x in model.classify(torch.from_numpy(features)).items()}
    features[7] = np.nan
    found = classifier.classify(features)
    for name in values:
        assert found[name].dtype == np.int8 and found[name][7] == -1
        assert set(found[name]) == {-1, *range(len(values[name]))}
        np.testing.assert_array_equal(np.delete(found[name], 7), np.delete(expected[name], 7))
    assert classifier.values == {"age": tuple("abcd"), "hat": ("no", "yes")}
    assert (classifier.kind, classifier.hash, classifier.licence) == ("probe", "0123", "trained here")
