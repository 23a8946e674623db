"""Rules on what breaks the mapping, or changes it in part."""

import pytest
from made_evidence import evidence, finding

from steadyflow.ground.arm import Arm


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


def test_an_architecture_is_weaker_than_a_change_of_capacity():
    arms = [Arm(("unet",), "architecture"), Arm(("xl",), "capacity")]
    similar = {("unet", "unpruned"): (0.55, 0.37), ("xl", "unpruned"): (0.81, 0.37)}
    assert finding("weaker_architecture", evidence(arms, similarity=similar)).verdict == "holds"
    similar["unet", "unpruned"] = (0.85, 0.37)
    assert finding("weaker_architecture", evidence(arms, similarity=similar)).verdict == "fails"
    assert finding("weaker_architecture", evidence(arms[:1], similarity=similar)).verdict == "holds"
