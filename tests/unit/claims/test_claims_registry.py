"""The table of rules, and what they share."""

import pytest
from made_evidence import CLAIMS, evidence, finding

from steadyflow.claims import RULES, Bounds, judge, read_claims
from steadyflow.claims.verdict import above, all_of, any_of, below
from steadyflow.evaluate import Estimate
from steadyflow.ground.arm import Arm
from steadyflow.ground.artifacts import UserError
from steadyflow.ground.constants import PAPER_DATASETS


def test_verdicts():
    assert [above(Estimate(0, *ends), 1) for ends in ((2, 3), (0, 0.5), (0, 2))] == ["holds", "fails", "undecided"]
    assert [below(Estimate(0, *ends), 1) for ends in ((2, 3), (0, 0.5), (0, 2))] == ["fails", "holds", "undecided"]
    assert all_of([]) == "not measured"
    assert all_of(["holds", "undecided"]) == "undecided"
    assert all_of(["holds", "undecided", "fails"]) == "fails"
    assert any_of([]) == "not measured"
    assert any_of(["fails", "undecided"]) == "undecided"
    assert any_of(["holds", "undecided", "fails"]) == "holds"


def test_every_claim_has_a_finding_and_every_rule_a_claim():
    found = judge(CLAIMS, evidence([], fd={"unpruned": 3.0}))
    assert [claim.id for claim, _ in found] == [claim.id for claim in CLAIMS]
    assert {each.verdict for _, each in found} == {"not measured"}
    assert set(RULES) <= {claim.id for claim in CLAIMS}


def test_the_verdicts_at_half_and_at_twice_the_bounds_stand_beside():
    """Of 60% kept, where the bound is 50%; of an FD that rises by 4%, where it is 5%."""
    arms = [Arm(("xl",), "capacity"), Arm(("efm",), "explicit_target")]
    given = evidence(arms, fd={"unpruned": 3.0, "xl": 3.0, "efm": 3.12}, similarity={("xl", "unpruned"): (0.748, 0.37)})
    for claim in ("stable_capacity", "efm_no_worse"):
        found = finding(claim, given)
        assert found.verdict == "holds"
        expected = {"stable_capacity": ("holds", "fails"), "efm_no_worse": ("fails", "holds")}
        assert (found.halved, found.doubled) == expected[claim]


def test_bounds_scale_but_for_what_counts_as_disjoint():
    bounds, twice = Bounds(), Bounds().times(2)
    assert (twice.kept, twice.broken, twice.alike, twice.margin) == (1.0, 0.2, 0.2, 0.1)
    assert twice.overlap == bounds.overlap
    assert all(len(reason) > 40 for reason in bounds.reasons.values()) and len(bounds.reasons) == 6


def test_claims_about_one_dataset_name_a_dataset_of_the_papers():
    assert {claim.dataset for claim in CLAIMS} - {""} <= PAPER_DATASETS.keys()


def test_every_rule_states_its_claim_its_source_and_its_bound():
    for claim in CLAIMS:
        if claim.id in RULES:
            stated = " ".join(str(RULES[claim.id].__doc__).split())
            assert stated.startswith(f"{claim.claim}. Source: {claim.source} Bound: "), claim.id


def test_claims_of_an_unknown_shape_are_refused(tmp_path):
    (tmp_path / "c.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="expected the columns id"):
        read_claims(tmp_path / "c.csv")
