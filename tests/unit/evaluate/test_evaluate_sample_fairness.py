import numpy as np
import pandas as pd
import pytest
from scipy.stats import entropy

from steadyflow.evaluate.sample_fairness import (
    ImageAttributes,
    fairness_metrics,
    mixed_attributes,
    predicted_attributes,
    require_known,
)
from steadyflow.ground.artifacts import UserError

FIELDS = {"dataset": "faces", "run": "half", "encoder": "probe", "seed": 4}
VALUES = {"hair": ["long", "short", "none"]}


def attributes(long, short, none=0, unknown=0):
    codes = np.repeat([0, 1, 2, -1], [long, short, none, unknown]).astype(np.int8)
    return ImageAttributes({"hair": codes}, VALUES, "abc")


def measured(*given):
    found = fairness_metrics(*given, images="euler 60 steps", fields=FIELDS, seed=1)
    return {(metric.metric, metric.reference): metric for metric in found}


def test_divergences_and_shares_are_those_of_the_known_images():
    found = measured(attributes(30, 20, 10, unknown=5), attributes(20, 20, 20))
    assert found["kl_hair", "uniform"].value == pytest.approx(entropy([30, 20, 10], [1, 1, 1]))
    assert found["kl_hair", "training_data"].value == pytest.approx(entropy([30, 20, 10], [20, 20, 20]))
    shares = [found[f"share[hair={value}]", ""].value for value in VALUES["hair"]]
    assert shares == pytest.approx([1 / 2, 1 / 3, 1 / 6])
    for metric in found.values():
        assert (metric.n, metric.protocol) == (60, "euler 60 steps, 5 unknown")
        assert metric.hashes == "classifier abc" and metric.encoder == "probe"


def test_the_training_data_are_compared_with_uniform_alone():
    assert {reference for _, reference in measured(attributes(30, 20, 10))} == {"uniform", ""}


def test_a_mixture_has_equal_parts_of_each_run():
    found = mixed_attributes([attributes(40, 0), attributes(0, 40)])
    assert np.bincount(found.codes["hair"]).tolist() == [20, 20]


def test_predictions_are_read_with_their_sidecar():
    table = pd.DataFrame({"hair": np.array([-1, -1], np.int8)})
    found = predicted_attributes(table, {"values": VALUES, "classifier_hash": "abc", "classifier": "clip_zero_shot"})
    assert (found.values, found.hash) == (VALUES, "abc")
    with pytest.raises(UserError, match=r"some.parquet: 'hair' is unknown of all 2 images.*\(clip_zero_shot\)"):
        require_known(found, "some.parquet", "clip_zero_shot")
    require_known(attributes(1, 0, unknown=9), "some.parquet", "probe")
