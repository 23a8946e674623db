import dataclasses

import numpy as np
import pandas as pd
import pytest

from steadyflow.ledger import Ledger, Worker
from steadyflow.report.progress import (
    QUIET_SECONDS,
    duration,
    efficiency_lines,
    progress_lines,
    scoring_progress,
    stage_times,
    training_efficiency,
    training_progress,
)

NOW = 1e9
LEDGER = Ledger(
    "run a",
    steps=1000,
    batch_size=50,
    worker=Worker("node1", 7, "42", NOW - 900),
    step=400,
    saved=300,
    starts=3,
    recomputed=100,
    seconds=1000.0,
    saving_seconds=20.0,
    images_per_second=100.0,
    loss=0.25,
    updated=NOW - 10,
)


def progress(ledger, done=False):
    return training_progress("run", "a", done=done, steps=1000, ledger=ledger, log="logs/a.log", now=NOW)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "running"),
        ({"updated": NOW - QUIET_SECONDS - 1}, "stopped"),
        ({"stopped": True}, "stopped"),
        # Its results were deleted: it is to be made anew.
        ({"finished": True}, "waiting"),
    ],
)
def test_the_state_of_a_training(changes, state):
    assert progress(dataclasses.replace(LEDGER, **changes)).state == state


def test_a_training_without_a_ledger_waits_and_one_with_results_is_done():
    assert (progress(None).state, progress(None).step, progress(None).steps) == ("waiting", 0, 1000)
    assert (progress(LEDGER, done=True).state, progress(None, done=True).step) == ("done", 1000)


def test_a_running_training_is_one_line_with_its_log():
    lines = progress_lines([progress(LEDGER), progress(None), progress(None, done=True)])
    # 600 steps of 50 images, 100 a second.
    for part in ("run", "running", "400 of 1,000", "100", "0.2500", "5 min", "logs/a.log"):
        assert part in lines[1]
    assert "logs/a.log" not in lines[2] + lines[3]
    assert lines[-1] == "1 done, 1 running, 1 waiting"


def test_the_state_of_a_scoring():
    def of(done, items):
        return scoring_progress("s", done=done, items=items, log="l", now=NOW)

    found = of(False, (8, 24, NOW - 1))
    assert (found.state, found.step, found.steps) == ("running", 8, 24)
    assert of(False, (8, 24, NOW - QUIET_SECONDS)).state == "stopped"
    assert of(False, None).state == "waiting"
    assert of(True, None).state == "done"


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


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0.4, "0 s"),
        (99, "99 s"),
        (100, "2 min"),
        (5940, "99 min"),
        (6000, "1 h 40 min"),
        (12_000, "3 h 20 min"),
        (187_200, "2 d 4 h"),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text
