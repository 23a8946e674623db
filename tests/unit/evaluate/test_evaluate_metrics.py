"""The tidy table of metrics, written and read back."""

import math
from dataclasses import asdict, replace

import pandas as pd
import pytest

from steadyflow.evaluate import Estimate
from steadyflow.evaluate.metrics import (
    Metric,
    describe,
    find_metric,
    interval,
    metrics_table,
    read_metrics,
    require_one_n,
)
from steadyflow.ground.artifacts import UserError, write_parquet

ESTIMATE = Estimate(3.0, 2.5, 3.5, tuple(3.0 + 0.01 * group for group in range(20)))
FD = Metric("faces", "half", "", "fd", "probe", "euler 60 steps", n=2000, seed=1, hashes="a1", **interval(ESTIMATE))
COSINE = Metric("faces", "half", "unpruned", "cosine_auc", "probe", "euler 60 steps", 0.9, 1000, 1, note="few pairs")


def test_a_metric_is_read_back_as_it_was_written(tmp_path):
    files = [tmp_path / "quality.parquet", tmp_path / "similarity.parquet"]
    for file, metric in zip(files, (FD, COSINE), strict=True):
        write_parquet(file, metrics_table([metric]))
    metrics = read_metrics(files)
    assert list(metrics.columns) == list(Metric.__dataclass_fields__)
    found = find_metric(metrics, "fd", "half", encoder="probe")
    assert found.estimate == ESTIMATE
    assert {**asdict(found), "sd": None} == {**asdict(FD), "sd": None} and math.isnan(found.sd)
    alone = find_metric(metrics, "cosine_auc", "half", "unpruned")
    assert (alone.value, alone.note, alone.replicates) == (0.9, "few pairs", ())
    assert math.isnan(alone.estimate.ci_low)


def test_a_table_without_the_optional_columns_is_read_too():
    table = pd.DataFrame([{"dataset": "d", "run": "r", "reference": "", "metric": "fd", "encoder": "e",
                           "protocol": "p", "value": 1.0, "n": 9, "seed": 0}])  # fmt: skip
    assert find_metric(table, "fd", "r").estimate.replicates == ()


def test_a_missing_metric_and_an_ambiguous_one_are_named():
    metrics = metrics_table([FD, replace(FD, encoder="pixels"), COSINE])
    with pytest.raises(UserError, match=r"run 'half' has no metric 'kid' \(known: fd\); evaluate it first"):
        find_metric(metrics, "kid", "half")
    with pytest.raises(UserError, match=r"run 'half' against 'unpruned' in 'pixels' has no metric 'cosine_auc'"):
        find_metric(metrics, "cosine_auc", "half", "unpruned", "pixels")
    with pytest.raises(UserError, match=r"has 2 rows of metric 'fd' \(faces/pixels/.*, faces/probe/"):
        find_metric(metrics, "fd", "half")


def test_a_caption_names_what_metrics_have_in_common():
    words = describe([FD, COSINE, COSINE])
    assert words == "Dataset faces; n = 1,000 to 2,000; encoder probe; protocol euler 60 steps; seed 1; few pairs"


def test_distances_at_different_n_are_refused():
    require_one_n([FD, replace(FD, run="other")])
    with pytest.raises(UserError, match=r"'half' n = 2,000, 'other' n = 500"):
        require_one_n([FD, replace(FD, run="other", n=500)])
