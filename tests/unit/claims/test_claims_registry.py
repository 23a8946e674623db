"""The table of rules, and what they share."""

import pytest
from made_evidence import CLAIMS, evidence

from steadyflow.claims import RULES, judge, read_claims
from steadyflow.claims.verdict import above, all_of, below
from steadyflow.evaluate import Estimate
from steadyflow.ground.artifacts import UserError


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


def test_every_rule_states_its_claim_its_source_and_its_bound():
    for claim in CLAIMS:
        if claim.id in RULES:
            stated = " ".join(str(RULES[claim.id].__doc__).split())
            assert stated.startswith(f"{claim.claim}. Source: {claim.source} Bound: "), claim.id


def test_claims_of_an_unknown_shape_are_refused(tmp_path):
    (tmp_path / "c.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="expected the columns id"):
        read_claims(tmp_path / "c.csv")
