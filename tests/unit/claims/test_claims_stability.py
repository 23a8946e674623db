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


def test_conditional_runs_are_above_samples_of_the_same_label():
    arms, pair = [subset("r", criterion="loss")], ("r", "unpruned")
    given = evidence(arms, similarity={pair: (0.5, 0.1)})
    assert finding("stable_pruned", given).verdict == "fails"
    floor = pd.DataFrame([row("r", "cosine_unmatched_same_class", 0.49, "unpruned")])
    found = finding("stable_pruned", replace(given, similarity=pd.concat([given.similarity, floor])))
    assert found.measured.startswith("share of the mapping kept: r 2% ")
