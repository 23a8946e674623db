"""Agreement of runs is a finding only where both have learned more than their Gaussian flow."""

from dataclasses import replace

import pandas as pd
import pytest
from made_evidence import evidence, finding, row, subset

from steadyflow.claims.null_model import has_learned
from steadyflow.claims.share_kept import shares_of_arms

ARM = subset("r", criterion="cluster_b")
NULLS = {"unpruned": "unpruned.gaussian", "r": "r.gaussian"}
GOOD = {"unpruned": 10.0, "r": 11.0, "unpruned.gaussian": 30.0, "r.gaussian": 31.0}
LOWER = {"unpruned": 0.6, "r": 0.61, "unpruned.gaussian": 0.7, "r.gaussian": 0.71}
KEPT = {("r", "unpruned"): (0.9, 0.4)}


def given(fd=GOOD, loss=LOWER, beyond=(0.6, 0.0), similarity=KEPT, nulls=NULLS):
    found = evidence([ARM], fd=fd, similarity=similarity)
    residuals = [
        row("r", f"beyond_{part}", value, "unpruned")
        for part, value in zip(("matched", "unmatched"), beyond or (), strict=bool(beyond))
    ]
    losses = pd.DataFrame([row(run, "held_out_loss", value, encoder="latent") for run, value in loss.items()])
    similar = pd.concat([found.similarity, pd.DataFrame(residuals)])
    return replace(found, similarity=similar, loss=losses, null_models=nulls)


def test_agreement_of_runs_that_learned_more_holds_and_says_what_is_beyond():
    found = finding("stable_pruned", given())
    assert found.verdict == "holds"
    assert "beyond the Gaussian flow: r 60%" in found.measured


@pytest.mark.parametrize(
    ("fd", "loss", "words"),
    [
        (GOOD | {"r": 35.0}, LOWER, "r (FD 35 against 31, held-out loss 0.61 against 0.71)"),
        (GOOD | {"unpruned": 30.0}, LOWER, "unpruned (FD 30 against 30"),
        (GOOD, LOWER | {"r": 0.84}, "r (FD 11 against 31, held-out loss 0.84 against 0.71)"),
        (GOOD, LOWER | {"r": 0.71}, "held-out loss 0.71 against 0.71"),
    ],
)
def test_a_run_that_is_not_better_than_its_flow_decides_nothing(fd, loss, words):
    """Two untrained networks agree on every noise."""
    found = finding("stable_pruned", given(fd, loss, similarity={("r", "unpruned"): (1.0, 0.4)}, beyond=(1.0, 0.0)))
    assert found.verdict == "undecided"
    assert "not shown to be better than the Gaussian flow" in found.measured and words in found.measured


def test_agreement_that_the_flows_explain_fails():
    """The residuals are independent: all that the two runs share are second moments."""
    found = finding("stable_pruned", given(beyond=(0.01, 0.0)))
    assert found.verdict == "fails" and "beyond the Gaussian flow: r 1%" in found.measured


def test_runs_without_residuals_are_undecided():
    """One always gives the same image, or is a Gaussian flow itself."""
    found = finding("stable_pruned", given(beyond=None))
    assert found.verdict == "undecided" and "beyond the Gaussian flow: r nothing" in found.measured


def test_a_mapping_that_is_not_kept_fails_with_any_residuals():
    assert finding("stable_pruned", given(similarity={("r", "unpruned"): (0.5, 0.4)})).verdict == "fails"


def test_the_ceiling_of_residuals_is_that_of_another_solver():
    found = given()
    ceiling = [row("unpruned", f"beyond_{part}", value, "unpruned") for part, value in (("matched", 0.8),)]
    found = replace(found, similarity=pd.concat([found.similarity, pd.DataFrame(ceiling)]))
    ((share,), _) = shares_of_arms(found, "beyond", [("r", "unpruned")])
    assert share.mean.value == pytest.approx(0.6 / 0.8)


def test_a_run_without_a_loss_is_judged_by_fd():
    """Of diffusion."""
    assert has_learned(given(loss={}), "r")
    assert not has_learned(given(loss={}, fd=GOOD | {"r": 31.0}), "r")


def test_without_null_models_the_words_say_so():
    found = finding("stable_pruned", given(nulls=None))
    assert found.verdict == "holds" and found.measured.endswith("(no null model was measured)")
    assert not has_learned(given(nulls={}), "r")


def test_too_few_held_out_images_for_an_interval_decide_nothing():
    few = given()
    few = replace(few, loss=few.loss.assign(replicates=[()] * len(few.loss)))
    assert not has_learned(few, "r")
    assert finding("stable_pruned", few).verdict == "undecided"
