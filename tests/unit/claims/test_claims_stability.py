"""Rules on the share of the mapping that a run keeps."""

from dataclasses import replace

import pandas as pd
import pytest
from made_evidence import evidence, finding, row, subset

from steadyflow.ground.arm import Arm


@pytest.mark.parametrize(
    ("claim", "arm"),
    [
        ("stable_pruned", subset("r", criterion="cluster_b")),
        ("stable_seed", Arm(("unpruned", "r"), "reference")),
        ("stable_capacity", Arm(("r",), "capacity")),
    ],
)
@pytest.mark.parametrize(("matched", "verdict"), [(0.8, "holds"), (0.6, "fails"), (0.685, "undecided")])
def test_keeping_the_mapping(claim, arm, matched, verdict):
    """0.37 unmatched, as in the papers: half of the way is 0.685."""
    given = evidence([arm], similarity={("r", "unpruned"): (matched, 0.37)}, errors=0.01)
    if arm.kind == "reference":
        given = replace(given, arms=[arm])
    found = finding(claim, given)
    assert found.verdict == verdict
    assert "%" in found.measured
    assert found.n == 2000


def test_the_ceiling_is_what_another_solver_leaves():
    pairs = {("r", "unpruned"): (0.6, 0.4)}
    assert finding("stable_pruned", evidence([subset("r", criterion="loss")], similarity=pairs)).verdict == "fails"
    pairs["unpruned", "unpruned"] = (0.7, 0.4)
    found = finding("stable_pruned", evidence([subset("r", criterion="loss")], similarity=pairs))
    assert found.verdict == "holds"
    assert found.measured.startswith("share of the mapping kept: r 67%")


def test_halves_and_inverses_are_judged_apart_and_only_if_disjoint():
    arms = [subset("a", criterion="random_half"), subset("b", criterion="random_half"), subset("l", criterion="loss")]
    arms += [subset("l_inv", criterion="loss_inv"), Arm(("xl",), "capacity")]
    pairs = [("a", "b"), ("l", "l_inv"), ("xl", "l")]
    similar = {("a", "b"): (0.9, 0.3), ("l", "l_inv"): (0.35, 0.3), ("xl", "l"): (0.9, 0.3)}
    given = evidence(arms, similarity=similar, pairs=pairs)

    def shared(*values):
        rows = [row(run, "overlap", value, other) for (run, other), value in zip(pairs, values, strict=True)]
        return replace(given, similarity=pd.concat([given.similarity, pd.DataFrame(rows)]))

    assert finding("stable_halves", shared(0.0, 0.03, 0.0)).verdict == "holds"
    assert "a against b" in finding("stable_halves", shared(0.0, 0.03, 0.0)).measured
    found = finding("stable_inverse", shared(0.0, 0.03, 0.0))
    assert found.verdict == "fails"
    assert "overlap at most 0.03" in found.measured and "xl" not in found.measured
    assert finding("stable_inverse", shared(0.0, 0.5, 0.0)).verdict == "not measured"


def test_a_criterion_and_its_inverse_have_to_agree_in_every_encoder():
    arms = [subset("l", criterion="loss"), subset("l_inv", criterion="loss_inv")]
    pair = ("l", "l_inv")
    given = evidence(arms, similarity={pair: (0.9, 0.3)}, pairs=[pair], reproduces="ffhq")

    def judged(matched, claim="stable_inverse"):
        rows = [row("l", f"cosine_{part}", value, "l_inv", encoder="faces")
                for part, value in (("matched", matched), ("unmatched", 0.3))]  # fmt: skip
        rows.append(row("l", "overlap", 0.0, "l_inv"))
        similarity = pd.concat([given.similarity, pd.DataFrame(rows)])
        return finding(claim, replace(given, similarity=similarity, similarity_encoders=("probe", "faces")))

    assert judged(0.8).verdict == "holds"
    assert judged(0.5).verdict == "fails"
    assert "probe: share" in judged(0.5).measured and "faces: share" in judged(0.5).measured


def test_only_the_papers_criteria_are_held_to_what_the_papers_say():
    similar = {("l", "unpruned"): (0.8, 0.37), ("s", "unpruned"): (0.4, 0.37)}
    given = evidence([subset("l", criterion="loss"), subset("s", criterion="semdedup")], similarity=similar)
    assert finding("stable_pruned", given).verdict == "holds"


@pytest.mark.parametrize(
    ("claim", "dataset", "criterion", "fraction"),
    [
        ("stable_512", "celebahq-512", "cluster_b", 0.5),
        ("stable_ffhq", "ffhq", "grad", 0.25),
        ("stable_imagenet", "imagenet", "random", 0.9),
    ],
)
def test_stability_elsewhere_is_judged_on_that_dataset_alone(claim, dataset, criterion, fraction):
    arm = subset("r", criterion=criterion, fraction=fraction)
    for matched, verdict in ((0.8, "holds"), (0.5, "fails")):
        given = evidence([arm], similarity={("r", "unpruned"): (matched, 0.37)}, reproduces=dataset)
        assert finding(claim, given).verdict == verdict
        assert finding(claim, replace(given, reproduces="celebahq")).verdict == "not measured"


def test_conditional_runs_are_above_samples_of_the_same_label():
    arms, pair = [subset("r", criterion="loss")], ("r", "unpruned")
    given = evidence(arms, similarity={pair: (0.5, 0.1)})
    assert finding("stable_pruned", given).verdict == "fails"
    floor = pd.DataFrame([row("r", "cosine_unmatched_same_class", 0.49, "unpruned")])
    found = finding("stable_pruned", replace(given, similarity=pd.concat([given.similarity, floor])))
    assert found.measured.startswith("share of the mapping kept: r 2% ")
