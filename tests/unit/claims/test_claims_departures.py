"""Rules on what breaks the mapping, or changes it in part."""

import numpy as np
import pytest
from made_evidence import evidence, finding

from steadyflow.ground.arm import Arm


@pytest.mark.parametrize(
    ("claim", "kind", "matched", "verdict"),
    [
        ("tokenizer_breaks", "tokenizer_seed", 0.4, "holds"),
        # 18% of the mapping kept: a part, so neither broken nor kept.
        ("tokenizer_breaks", "tokenizer_seed", 0.483, "fails"),
        ("flip_first_partial", "flip_first", 0.483, "holds"),
        ("tokenizer_breaks", "tokenizer_seed", 0.8, "fails"),
        ("flip_all_breaks", "flip_all", 0.3, "holds"),
        ("diffusion_breaks", "diffusion", 0.9, "fails"),
        ("flip_first_partial", "flip_first", 0.48, "holds"),
        ("flip_first_partial", "flip_first", 0.9, "fails"),
        ("flip_first_partial", "flip_first", 0.3, "fails"),
        ("dataset_swap", "dataset", 0.58, "holds"),
        ("dataset_swap", "dataset", 0.4, "fails"),
        ("dataset_swap", "dataset", 0.9, "holds"),
    ],
)
def test_breaking_it_and_keeping_a_part(claim, kind, matched, verdict):
    given = evidence([Arm(("r",), kind)], similarity={("r", "unpruned"): (matched, 0.37)})
    assert finding(claim, given).verdict == verdict


def test_an_architecture_is_weaker_than_a_change_of_capacity():
    arms = [Arm(("unet",), "architecture"), Arm(("xl",), "capacity")]
    similar = {("unet", "unpruned"): (0.55, 0.37), ("xl", "unpruned"): (0.81, 0.37)}
    assert finding("weaker_architecture", evidence(arms, similarity=similar)).verdict == "holds"
    # As close as runs that keep the mapping, though below the change of capacity.
    similar["unet", "unpruned"] = (0.75, 0.37)
    assert finding("weaker_architecture", evidence(arms, similarity=similar)).verdict == "fails"
    assert finding("weaker_architecture", evidence(arms[:1], similarity=similar)).verdict == "fails"
    similar["unet", "unpruned"] = (0.55, 0.37)
    similar["xl", "unpruned"] = (0.5, 0.37)
    assert finding("weaker_architecture", evidence(arms, similarity=similar)).verdict == "fails"
    assert finding("weaker_architecture", evidence(arms[:1], similarity=similar)).verdict == "holds"


def test_no_share_breaks_the_mapping_keeps_it_and_keeps_a_part():
    rules = {"tokenizer_breaks": "tokenizer_seed", "flip_first_partial": "flip_first"}
    for share in np.linspace(-0.1, 0.95, 15) + 0.013:
        matched = 0.37 + 0.63 * share
        given = evidence(
            [Arm((kind,), kind) for kind in rules.values()] + [Arm(("xl",), "capacity")],
            similarity={(run, "unpruned"): (matched, 0.37) for run in (*rules.values(), "xl")},
            errors=1e-6,
        )
        verdicts = [finding(claim, given).verdict for claim in (*rules, "stable_capacity")]
        assert sorted(verdicts) == ["fails", "fails", "holds"], share
