"""Rules on changes of FD."""

import math
import re
from dataclasses import replace

import pandas as pd
import pytest
from made_evidence import evidence, finding, row, subset

from steadyflow.ground.arm import Arm


@pytest.mark.parametrize(("fd", "verdict"), [(2.8, "holds"), (3.2, "fails"), (3.0, "undecided")])
def test_an_improvement_of_quality(fd, verdict):
    arms = [subset("balanced", criterion="cluster_b"), subset("other", criterion="cluster_b", fraction=0.9)]
    found = finding("balanced_helps", evidence(arms, fd={"unpruned": 3.0, "balanced": fd, "other": 1.0}, errors=0.03))
    assert found.verdict == verdict
    assert "trainings differ by SD" in found.measured
    # The standard error of log FD is 0.03 / FD, and noises are not shared: jackknife of 20 groups.
    error = 0.03 * (1 / 3.0**2 + 1 / fd**2) ** 0.5
    low, high = (100 * math.expm1(math.log(fd / 3.0) + sign * 2.09 * error) for sign in (-1, 1))
    told = re.search(r"balanced ([+−][\d.]+)% \[([−\d.]+), ([−\d.]+)\]", found.measured)
    assert [float(part.replace("−", "-")) for part in told.groups()] == pytest.approx(
        [100 * (fd / 3 - 1), low, high], abs=0.7
    )


def test_trainings_that_differ_much_leave_it_undecided():
    arms = [subset("balanced", criterion="cluster_b"), subset("r1", "r2", "r3", criterion="random")]
    distances = {"unpruned": 3.0, "balanced": 2.8, "r1": 3.0, "r2": 3.3, "r3": 2.7}
    found = finding("balanced_helps", evidence(arms, fd=distances, repeated=False))
    assert found.verdict == "undecided"
    assert "trainings differ by SD 10%, 2 degrees" in found.measured
    distances |= {"r2": 3.01, "r3": 3.0}
    assert finding("balanced_helps", evidence(arms, fd=distances, repeated=False)).verdict == "holds"


def test_trainings_that_were_never_repeated_decide_nothing():
    arms = [subset("balanced", criterion="cluster_b")]
    found = finding("balanced_helps", evidence(arms, fd={"unpruned": 3.0, "balanced": 1.0}, repeated=False))
    assert found.verdict == "undecided"
    assert "none was repeated" in found.measured
    kl = {("unpruned", "hair"): 0.8, ("balanced", "hair"): 0.1}
    given = evidence(arms, fd={"unpruned": 3.0}, fairness=kl, repeated=False)
    assert finding("balanced_fairer", given).verdict == "undecided"


def test_one_side_hurts_and_the_other_does_not():
    arms = [subset("high", criterion="loss"), subset("low", criterion="loss_inv")]
    for high, low, verdict in ((5, 3.0, "holds"), (5, 4, "fails"), (2.9, 2.9, "fails"), (5, 3.15, "undecided")):
        distances = {"unpruned": 3.0, "high": high, "low": low}
        assert finding("high_loss_hurts", evidence(arms, fd=distances)).verdict == verdict
    assert finding("low_grad_hurts", evidence(arms, fd=distances)).verdict == "not measured"


def test_on_imagenet_every_criterion_and_fraction_has_to_improve():
    arms = [subset(f"b{f}", criterion="cluster_b", fraction=f) for f in (0.5, 0.9)]
    arms += [subset("r", criterion="random", fraction=0.75), subset("l", criterion="loss")]
    # Losses are no criterion of the claim.
    distances = {"unpruned": 3.0, "b0.5": 2.0, "b0.9": 2.5, "r": 2.9, "l": 9.0}

    def judged(**dataset):
        return finding("pruning_speeds_imagenet", evidence(arms, fd=distances, **dataset)).verdict

    assert judged() == judged(reproduces="celebahq") == "not measured"
    assert judged(reproduces="imagenet") == "holds"
    distances["r"] = 3.5
    assert judged(reproduces="imagenet") == "fails"


def test_quality_is_preserved_to_half_and_lost_beyond():
    arms = [subset(f"{c}-{f}", criterion=c, fraction=f) for c in ("cluster_b", "grad") for f in (0.25, 0.5, 0.75)]
    distances = {"unpruned": 3.0} | {arm.runs[0]: 3.1 for arm in arms}
    assert finding("preserved_to_half", evidence(arms, fd=distances)).verdict == "holds"
    better_beyond = distances | {"grad-0.75": 2.9}
    assert finding("preserved_to_half", evidence(arms, fd=better_beyond)).verdict == "fails"
    lost_before = distances | {"grad-0.25": 3.3}
    assert finding("preserved_to_half", evidence(arms, fd=lost_before)).verdict == "fails"
    assert finding("preserved_to_half", evidence(arms[:2], fd=distances)).verdict == "not measured"


def test_only_larger_networks_have_to_be_better():
    arms = [Arm(("xl",), "capacity"), Arm(("s4",), "capacity")]
    distances, operations = {"unpruned": 3.0, "xl": 2.8, "s4": 9.0}, {"unpruned": 6.0, "xl": 118.0, "s4": 1.5}
    assert finding("larger_better", evidence(arms, fd=distances, operations=operations)).verdict == "holds"
    larger = operations | {"s4": 7.0}
    assert finding("larger_better", evidence(arms, fd=distances, operations=larger)).verdict == "fails"
    assert finding("larger_better", evidence(arms[1:], fd=distances, operations=operations)).verdict == "not measured"


def test_the_explicit_target_may_not_cost_a_twentieth():
    arms = [Arm(("efm",), "explicit_target")]
    for fd, verdict in ((3.1, "holds"), (3.2, "fails"), (3.15, "undecided")):
        assert finding("efm_no_worse", evidence(arms, fd={"unpruned": 3.0, "efm": fd})).verdict == verdict


def test_the_explicit_target_is_judged_on_training_images_too():
    given = evidence([Arm(("efm",), "explicit_target")], fd={"unpruned": 3.0, "efm": 3.0})
    for worst, verdict in ((2.0, "holds"), (2.5, "fails")):
        to_training = {run: worst if run == "efm" else 2.0 for run in given.labels}
        rows = pd.DataFrame([row(run, "fd_train", value) for run, value in to_training.items()])
        found = finding("efm_no_worse", replace(given, quality=pd.concat([given.quality, rows])))
        assert found.verdict == verdict
        assert "to held-out images: " in found.measured and "to training images: " in found.measured
