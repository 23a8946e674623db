from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from steadyflow.artifacts import UserError
from steadyflow.evaluate import Estimate
from steadyflow.report.claims import RULES, Evidence, above, all_of, below, judge, read_claims

CLAIMS = read_claims(Path(__file__).parents[2] / "resources/paper/claims.csv")
SIGNS = np.resize([1.0, -1.0], 20)


@dataclass(frozen=True)
class Arm:
    runs: tuple[str, ...]
    kind: str = "subset"
    criterion: str = ""
    pruning_fraction: float | None = 0.5
    attribute: str = ""


def row(run, metric, value, reference="", encoder="probe", error=0.001):
    """`error` is the standard error that the replicates tell."""
    # Of runs and metrics that vary apart: no two have one pattern of signs.
    order = np.random.default_rng(sum(map(ord, run + metric))).permutation(20)
    replicates = value + error * SIGNS[order] / 19**0.5
    names = {"dataset": "faces", "run": run, "reference": reference, "metric": metric, "encoder": encoder}
    return {**names, "protocol": "euler", "value": value, "ci_low": value - 2 * error, "ci_high": value + 2 * error,
            "sd": 0.1, "n": 2000, "seed": 0, "note": "", "replicates": tuple(replicates)}  # fmt: skip


def evidence(
    arms, fd=None, similarity=None, fairness=None, *, errors=0.001, pairs=(), conditional=False, repeated=True
):
    """fd: run -> FD; similarity: (run, reference) -> (matched, unmatched); fairness: (run, attribute) -> KL.

    `repeated`: a criterion of no claim was trained three times, each time to the same end.
    """
    repeats = Arm(("p1", "p2", "p3"), criterion="semdedup", pruning_fraction=0.3)
    arms = [Arm(("unpruned",), "reference", "", None), *arms, *([repeats] if repeated else [])]
    if repeated and fd:
        fd = fd | dict.fromkeys(repeats.runs, 3.0)
    if repeated and fairness:
        attributes = {attribute for _, attribute in fairness}
        fairness = fairness | {(run, attribute): 1.0 for run in repeats.runs for attribute in attributes}
    quality = [row(run, "fd", value, error=errors) for run, value in (fd or {}).items()]
    cosines = [
        row(run, f"cosine_{part}", value, reference, error=errors)
        for (run, reference), values in (similarity or {}).items()
        for part, value in zip(("matched", "unmatched"), values, strict=True)
    ]
    divergences = [
        row(run, f"kl_{attribute}", value, "uniform", error=errors)
        for (run, attribute), value in (fairness or {}).items()
    ]
    columns = list(row("", "", 0))
    labels = {run: run for arm in arms for run in arm.runs}
    frames = [pd.DataFrame(rows, columns=columns) for rows in (quality, cosines, divergences)]
    return Evidence(*frames, arms, pairs, "probe", "probe", labels, conditional)


def finding(claim, given):
    ((_, found),) = judge([c for c in CLAIMS if c.id == claim], given)
    return found


def test_verdicts():
    assert [above(Estimate(0, *ends), 1) for ends in ((2, 3), (0, 0.5), (0, 2))] == ["holds", "fails", "undecided"]
    assert [below(Estimate(0, *ends), 1) for ends in ((2, 3), (0, 0.5), (0, 2))] == ["fails", "holds", "undecided"]
    assert all_of([]) == "not measured"
    assert all_of(["holds", "undecided"]) == "undecided"
    assert all_of(["holds", "undecided", "fails"]) == "fails"


def test_every_claim_has_a_finding_and_every_rule_a_claim():
    found = judge(CLAIMS, evidence([], fd={"unpruned": 3.0}))
    assert [claim.id for claim, _ in found] == [claim.id for claim in CLAIMS]
    assert {each.verdict for _, each in found} == {"not measured"}
    assert set(RULES) <= {claim.id for claim in CLAIMS}


@pytest.mark.parametrize(
    ("claim", "arm"),
    [
        ("stable_pruned", Arm(("r",), criterion="cluster_b")),
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


@pytest.mark.parametrize(
    ("claim", "kind", "matched", "verdict"),
    [
        ("tokenizer_breaks", "tokenizer_seed", 0.4, "holds"),
        ("tokenizer_breaks", "tokenizer_seed", 0.8, "fails"),
        ("flip_all_breaks", "flip_all", 0.3, "holds"),
        ("diffusion_breaks", "diffusion", 0.9, "fails"),
        ("flip_first_partial", "flip_first", 0.48, "holds"),
        ("flip_first_partial", "flip_first", 0.9, "fails"),
        ("flip_first_partial", "flip_first", 0.3, "fails"),
        ("dataset_swap", "dataset", 0.58, "holds"),
        ("dataset_swap", "dataset", 0.4, "fails"),
    ],
)
def test_breaking_it_and_keeping_a_part(claim, kind, matched, verdict):
    given = evidence([Arm(("r",), kind)], similarity={("r", "unpruned"): (matched, 0.37)})
    assert finding(claim, given).verdict == verdict


def test_the_ceiling_is_what_another_solver_leaves():
    pairs = {("r", "unpruned"): (0.6, 0.4)}
    assert finding("stable_pruned", evidence([Arm(("r",), criterion="loss")], similarity=pairs)).verdict == "fails"
    pairs["unpruned", "unpruned"] = (0.7, 0.4)
    found = finding("stable_pruned", evidence([Arm(("r",), criterion="loss")], similarity=pairs))
    assert found.verdict == "holds"
    assert found.measured.startswith("share of the mapping kept: r 67%")


def test_halves_and_inverses_are_judged_apart_and_only_if_disjoint():
    arms = [Arm(("a",), criterion="random_half"), Arm(("b",), criterion="random_half"), Arm(("l",), criterion="loss")]
    arms += [Arm(("l_inv",), criterion="loss_inv"), Arm(("xl",), "capacity")]
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


@pytest.mark.parametrize(
    ("kept", "removed", "verdict"),
    [((0.85, 0.3), (0.3, 0.1), "holds"), ((0.4, 0.3), (0.2, 0.1), "fails"), ((0.85, 0.3), (0.95, 0.3), "fails")],
)
def test_a_removed_mode_changes_its_own_samples(kept, removed, verdict):
    """Beyond what another mode changes without any mapping: each against the unmatched of its own kind."""
    arms = [Arm(("women",), criterion="attribute_value", pruning_fraction=None, attribute="sex")]
    rows = [
        row("women", f"cosine_{part}[{mode} mode]", value, "unpruned")
        for mode, values in (("kept", kept), ("removed", removed))
        for part, value in zip(("matched", "unmatched"), values, strict=True)
    ]

    def judged(rows):
        return finding("local_mode_removal", replace(evidence(arms), similarity=pd.DataFrame(rows)))

    found = judged(rows)
    assert found.verdict == verdict
    assert found.n == 4000
    assert "of kept-mode samples" in found.measured
    assert judged([{**each, "replicates": ()} for each in rows]).verdict == "undecided"
    assert judged([each for each in rows if "kept" in each["metric"]]).verdict == "not measured"


def test_conditional_runs_are_above_samples_of_the_same_label():
    arms, pair = [Arm(("r",), criterion="loss")], ("r", "unpruned")
    given = evidence(arms, similarity={pair: (0.5, 0.1)})
    assert finding("stable_pruned", given).verdict == "fails"
    floor = pd.DataFrame([row("r", "cosine_unmatched_same_class", 0.49, "unpruned")])
    found = finding("stable_pruned", replace(given, similarity=pd.concat([given.similarity, floor])))
    assert found.measured.startswith("share of the mapping kept: r 2% ")


def test_an_architecture_is_weaker_than_a_change_of_capacity():
    arms = [Arm(("unet",), "architecture"), Arm(("xl",), "capacity")]
    similar = {("unet", "unpruned"): (0.55, 0.37), ("xl", "unpruned"): (0.81, 0.37)}
    assert finding("weaker_architecture", evidence(arms, similarity=similar)).verdict == "holds"
    similar["unet", "unpruned"] = (0.85, 0.37)
    assert finding("weaker_architecture", evidence(arms, similarity=similar)).verdict == "fails"
    assert finding("weaker_architecture", evidence(arms[:1], similarity=similar)).verdict == "holds"


@pytest.mark.parametrize(("fd", "verdict"), [(2.8, "holds"), (3.2, "fails"), (3.0, "undecided")])
def test_an_improvement_of_quality(fd, verdict):
    arms = [Arm(("balanced",), criterion="cluster_b"), Arm(("other",), criterion="cluster_b", pruning_fraction=0.9)]
    found = finding("balanced_helps", evidence(arms, fd={"unpruned": 3.0, "balanced": fd, "other": 1.0}, errors=0.03))
    assert found.verdict == verdict
    assert "trainings differ by SD" in found.measured


def test_trainings_that_differ_much_leave_it_undecided():
    arms = [Arm(("balanced",), criterion="cluster_b"), Arm(("r1", "r2", "r3"), criterion="random")]
    distances = {"unpruned": 3.0, "balanced": 2.8, "r1": 3.0, "r2": 3.3, "r3": 2.7}
    found = finding("balanced_helps", evidence(arms, fd=distances, repeated=False))
    assert found.verdict == "undecided"
    assert "trainings differ by SD 0.3, 2 degrees" in found.measured
    distances |= {"r2": 3.01, "r3": 3.0}
    assert finding("balanced_helps", evidence(arms, fd=distances, repeated=False)).verdict == "holds"


def test_trainings_that_were_never_repeated_decide_nothing():
    arms = [Arm(("balanced",), criterion="cluster_b")]
    found = finding("balanced_helps", evidence(arms, fd={"unpruned": 3.0, "balanced": 1.0}, repeated=False))
    assert found.verdict == "undecided"
    assert "none was repeated" in found.measured
    kl = {("unpruned", "hair"): 0.8, ("balanced", "hair"): 0.1}
    given = evidence(arms, fd={"unpruned": 3.0}, fairness=kl, repeated=False)
    assert finding("balanced_fairer", given).verdict == "undecided"


def test_one_side_hurts_and_the_other_does_not():
    arms = [Arm(("high",), criterion="loss"), Arm(("low",), criterion="loss_inv")]
    for high, low, verdict in ((5, 3.0, "holds"), (5, 4, "fails"), (2.9, 2.9, "fails"), (5, 3.15, "undecided")):
        distances = {"unpruned": 3.0, "high": high, "low": low}
        assert finding("high_loss_hurts", evidence(arms, fd=distances)).verdict == verdict
    assert finding("low_grad_hurts", evidence(arms, fd=distances)).verdict == "not measured"


def test_of_conditional_models_every_fraction_has_to_improve():
    arms = [Arm((f"b{f}",), criterion="cluster_b", pruning_fraction=f) for f in (0.5, 0.9)]
    distances = {"unpruned": 3.0, "b0.5": 2.0, "b0.9": 2.5}
    assert finding("pruning_speeds_imagenet", evidence(arms, fd=distances)).verdict == "not measured"
    assert finding("pruning_speeds_imagenet", evidence(arms, fd=distances, conditional=True)).verdict == "holds"
    distances["b0.9"] = 3.5
    assert finding("pruning_speeds_imagenet", evidence(arms, fd=distances, conditional=True)).verdict == "fails"


def test_kernels_within_clusters_against_the_whole():
    arms = [Arm(("within",), criterion="kernel_b"), Arm(("whole",), criterion="kernel")]
    distances = {"unpruned": 3.0, "within": 2.9, "whole": 3.1}
    found = finding("kernel_within_clusters", evidence(arms, fd=distances))
    assert (found.verdict, "against whole" in found.measured) == ("holds", True)


def test_the_explicit_target_may_not_cost_a_twentieth():
    arms = [Arm(("efm",), "explicit_target")]
    for fd, verdict in ((3.1, "holds"), (3.2, "fails"), (3.15, "undecided")):
        assert finding("efm_no_worse", evidence(arms, fd={"unpruned": 3.0, "efm": fd})).verdict == verdict


def test_balanced_clusters_are_fairest_in_every_attribute():
    arms = [Arm(("b",), criterion="cluster_b"), Arm(("g",), criterion="grad"), Arm(("a",), criterion="random_half")]
    kl = {("unpruned", "hair"): 0.8, ("b", "hair"): 0.5, ("g", "hair"): 0.7, ("a", "hair"): 0.1}
    kl |= {("unpruned", "age"): 0.6, ("b", "age"): 0.55, ("g", "age"): 0.7, ("a", "age"): 0.1}
    given = evidence(arms, fd={"unpruned": 3.0}, fairness=kl)
    found = finding("balanced_fairer", given)
    assert found.verdict == "holds"
    assert "hair by probe −0.20 [−0.20, −0.20] (g)" in found.measured
    assert "age by probe −0.050 [−0.053, −0.047] (unpruned)" in found.measured
    kl["g", "age"] = 0.5
    assert finding("balanced_fairer", evidence(arms, fd={"unpruned": 3.0}, fairness=kl)).verdict == "fails"


def test_label_aware_balance_is_fairest_at_no_cost():
    arms = [Arm(("aware",), criterion="attribute_balanced", attribute="hair"), Arm(("b",), criterion="cluster_b")]
    kl = {("unpruned", "hair"): 0.8, ("aware", "hair"): 0.1, ("b", "hair"): 0.5, ("unpruned", "age"): 0.1,
          ("aware", "age"): 0.9, ("b", "age"): 0.1}  # fmt: skip
    for fd, verdict in ((3.05, "holds"), (4.0, "fails")):
        distances = {"unpruned": 3.0, "aware": fd, "b": 3.0}
        assert finding("label_aware_fairest", evidence(arms, fd=distances, fairness=kl)).verdict == verdict


def test_claims_of_an_unknown_shape_are_refused(tmp_path):
    (tmp_path / "c.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="expected the columns id"):
        read_claims(tmp_path / "c.csv")
