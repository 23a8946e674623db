"""The rule on models that were trained on one mode alone."""

from dataclasses import replace

import pandas as pd
import pytest
from made_evidence import evidence, finding, row, subset

WEAK = {"accuracy": 0.7, "chance": 0.6}


@pytest.mark.parametrize(
    ("kept", "removed", "verdict"),
    [((0.85, 0.3), (0.3, 0.1), "holds"), ((0.4, 0.3), (0.2, 0.1), "fails"), ((0.85, 0.3), (0.95, 0.3), "fails")],
)
def test_a_removed_mode_changes_its_own_samples(kept, removed, verdict):
    """Beyond what another mode changes without any mapping: each against the unmatched of its own kind."""
    arms = [subset("women", criterion="attribute_value", fraction=None, attribute="sex")]
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
    told = [row("unpruned", "kl_sex", 0.1, "uniform")]
    told += [row("validation_images", f"{kind}_sex", value, "labels") for kind, value in WEAK.items()]
    weak = replace(evidence(arms), similarity=pd.DataFrame(rows), fairness=pd.DataFrame(told))
    assert finding("local_mode_removal", weak).verdict == "undecided"
    assert "probe tells sex right in 70% of held-out images only" in finding("local_mode_removal", weak).measured
    assert judged([each for each in rows if "kept" in each["metric"]]).verdict == "not measured"
