from dataclasses import replace

import numpy as np
import pytest

from steadyflow.evaluate.trajectory_distances import Trace, compare_traces
from steadyflow.ground.artifacts import UserError

TIMES = [0.0, 0.25, 1.0]


def trace(run, seed):
    return Trace(run, f"hash of {run}", 5, TIMES, np.random.default_rng(seed).normal(size=(3, 12, 2, 2)))


A, B = trace("half", 1), trace("all", 2)


def test_deviations_are_integrals_over_time_and_bands_are_quantiles():
    metrics, table = compare_traces(A, B, dataset="faces", protocol="euler 60 steps")
    distance = np.linalg.norm((A.points - B.points).reshape(3, 12, -1), axis=2)
    found = {metric.metric: metric for metric in metrics}
    assert found["path_deviation_matched"].value == pytest.approx(np.trapezoid(distance, TIMES, axis=0).mean())
    assert found["path_deviation_matched"].protocol == "euler 60 steps from shared noise, 3 times"
    assert found["path_deviation_matched"].hashes == "half hash of half all hash of all"
    np.testing.assert_allclose(table["matched_median"], np.median(distance, axis=1))
    np.testing.assert_allclose(table["matched_high"], np.quantile(distance, 0.95, axis=1))
    assert table["t"].tolist() == TIMES and set(table["run"]) == {"half"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"seed": 6}, "do not share their noises"), ({"times": [0.0, 0.5, 1.0]}, "these times differ")],
)
def test_other_noises_and_other_times_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        compare_traces(replace(A, **changes), B, dataset="faces", protocol="euler 60 steps")
