"""The rule on models that were trained on one mode alone."""

from dataclasses import replace

import pandas as pd
import pytest
from made_evidence import evidence, finding, row, subset

from steadyflow.ground.arm import Arm

WEAK = {"accuracy": 0.7, "chance": 0.6}

RESEEDED = (0.79, 0.3)  # 70% of the mapping


def mode_rows(kept, removed):
    return [
        row("women", f"cosine_{part}[{mode} mode]", value, "unpruned")
        for mode, values in (("kept", kept), ("removed", removed))
        for part, value in zip(("matched", "unmatched"), values, strict=True)
    ]


def judged(rows, *, reseeded=True, fairness=()):
    arms = [subset("women", criterion="attribute_value", fraction=None, attribute="sex")]
    given = evidence(arms, similarity={("again", "unpruned"): RESEEDED})
    if reseeded:
        given = replace(given, arms=[Arm(("unpruned", "again"), "reference"), *arms])
        given.labels["again"] = "another seed"
    similarity = pd.concat([given.similarity, pd.DataFrame(rows)])
    fairness = pd.DataFrame(fairness) if fairness else given.fairness
    return finding("local_mode_removal", replace(given, similarity=similarity, fairness=fairness))


@pytest.mark.parametrize(
    ("kept", "removed", "verdict"),
    [
        # Shares kept of each mode; a reseed keeps 70%.
        (0.72, 0.2, "holds"),
        (0.65, 0.2, "holds"),
        # The kept mode is worse than a reseed.
        (0.55, 0.2, "fails"),
        # The removed mode is as good as a reseed leaves it.
        (0.72, 0.64, "fails"),
        # 60% of the kept mode, 55% of the removed one: half of either, but both are worse than a reseed.
        (0.57, 0.55, "fails"),
        (0.60, 0.2, "undecided"),
    ],
)
def test_the_kept_mode_is_as_after_a_reseed_and_the_removed_one_is_not(kept, removed, verdict):
    """Beyond what another mode changes without any mapping: each against the unmatched of its own kind."""
    matched = {mode: unmatched + share * (1 - unmatched) for mode, share, unmatched in
               (("kept", kept, 0.3), ("removed", removed, 0.1))}  # fmt: skip
    found = judged(mode_rows((matched["kept"], 0.3), (matched["removed"], 0.1)))
    assert found.verdict == verdict
    assert found.n == 4000
    assert "of kept-mode samples" in found.measured and "another seed 70% [" in found.measured


def test_too_few_samples_decide_nothing_and_without_a_reseed_nothing_is_measured():
    rows = mode_rows((0.85, 0.3), (0.3, 0.1))
    assert judged(rows).verdict == "holds"
    assert judged([{**each, "replicates": ()} for each in rows]).verdict == "undecided"
    assert judged([each for each in rows if "kept" in each["metric"]]).verdict == "not measured"
    assert judged(rows, reseeded=False).verdict == "not measured"


def test_a_classifier_that_is_often_wrong_decides_nothing():
    told = [row("unpruned", "kl_sex", 0.1, "uniform")]
    told += [row("validation_images", f"{kind}_sex", value, "labels") for kind, value in WEAK.items()]
    found = judged(mode_rows((0.85, 0.3), (0.3, 0.1)), fairness=told)
    assert found.verdict == "undecided"
    assert "probe predicts sex correctly in 70% of held-out images only" in found.measured
