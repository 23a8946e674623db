"""Rules on precision and recall."""

from dataclasses import replace

import pandas as pd
import pytest
from made_evidence import evidence, finding, row, subset


def judged(claim, dataset, changes, *, spread=0.001, repeated=True):
    """Of runs whose precision and recall differ by `changes` from 0.6 and 0.4; those of recall have no replicates."""
    arms = [subset(run, criterion="cluster_b") for run in changes]
    given = evidence(arms, fd=dict.fromkeys(["unpruned", *changes], 3.0), reproduces=dataset, repeated=repeated)
    seeds = {"p1": (spread, -spread), "p2": (-spread, spread), "p3": (0, 0)} if repeated else {}
    rows = []
    for run, (precision, recall) in ({"unpruned": (0, 0)} | changes | seeds).items():
        rows += [row(run, "precision", 0.6 + precision), row(run, "recall", 0.4 + recall) | {"replicates": ()}]
    return finding(claim, replace(given, quality=pd.concat([given.quality, pd.DataFrame(rows)])))


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"a": (0.05, -0.05)}, "holds"),
        ({"a": (-0.05, 0.05)}, "holds"),
        ({"a": (0.05, 0.05), "b": (-0.05, -0.05)}, "fails"),
        ({"a": (0.05, 0.05), "b": (0.05, -0.05)}, "holds"),
        ({"a": (0.05, -0.001)}, "undecided"),
    ],
)
def test_a_tradeoff_is_a_gain_and_a_loss_of_one_run(changes, verdict):
    assert judged("tradeoff_celebahq", "celebahq", changes).verdict == verdict


def test_trainings_that_differ_as_much_show_no_tradeoff():
    assert judged("tradeoff_celebahq", "celebahq", {"a": (0.05, -0.05)}, spread=0.05).verdict == "undecided"
    assert judged("tradeoff_celebahq", "celebahq", {"a": (0.05, -0.05)}, repeated=False).verdict == "undecided"


def test_it_is_a_claim_about_celebahq_alone():
    assert judged("tradeoff_celebahq", "imagenet", {"a": (0.05, -0.05)}).verdict == "not measured"
    assert judged("no_tradeoff_imagenet", "celebahq", {"a": (0.05, -0.05)}).verdict == "not measured"


@pytest.mark.parametrize(
    ("changes", "verdict"),
    # Margins of a twentieth: 0.03 and 0.02.
    [
        ({"a": (0.05, -0.01), "b": (-0.02, 0.0)}, "holds"),
        ({"a": (0.05, -0.03)}, "fails"),
        ({"a": (-0.04, 0.05)}, "fails"),
        ({"a": (0.0, -0.02)}, "undecided"),
    ],
)
def test_nothing_is_diminished_on_imagenet(changes, verdict):
    assert judged("no_tradeoff_imagenet", "imagenet", changes).verdict == verdict
