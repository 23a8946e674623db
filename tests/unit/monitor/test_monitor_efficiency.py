import dataclasses

import numpy as np
import pandas as pd
import pytest
from made_ledger import LEDGER

from steadyflow.monitor.efficiency import efficiency_lines, stage_times, training_efficiency


def test_efficiency_of_a_training():
    curve = pd.DataFrame({"images_per_second": [1.0, 90.0, 110.0], "mfu": [np.nan, 0.3, 0.5]})
    found = training_efficiency(dataclasses.replace(LEDGER, step=900), curve)
    assert (found.images_per_second, found.mfu, found.saving_share) == (90.0, 0.4, 0.02)
    assert (found.starts, found.recomputed_share) == (3, 0.1)
    unknown = training_efficiency(LEDGER, curve.assign(mfu=np.nan))
    assert unknown.mfu is None
    lines = efficiency_lines([found, unknown], stage_times({}))
    assert "40.0%" in lines[1] and "%" not in lines[2].split("2.0%")[0]


def test_benchmarks_are_summed_by_stage():
    def table(seconds, memory, cpu):
        return pd.DataFrame({"s": [seconds], "max_rss": [memory], "cpu_time": [cpu]})

    found = stage_times(
        {
            "faces/runs/a.tsv": table(10.0, 100, 20.0),
            "digits/runs/b.tsv": table(30.0, "-", 40.0),
            "faces/dataset.tsv": table(5.0, 7, 5.0),
        }
    )
    assert found["stage"].tolist() == ["dataset", "runs"]
    runs = found.iloc[1]
    assert (runs["jobs"], runs["seconds"], runs["longest"], runs["memory_mb"]) == (2, 40.0, 30.0, 100.0)
    assert runs["cpu_share"] == pytest.approx(1.5)
