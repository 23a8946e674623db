import pytest

from steadyflow.study.dependencies import dependencies
from steadyflow.study.load import parse_study

STUDY = {
    "name": "dependencies",
    "datasets": {"digits": {"source": "digits", "resolution": 16}},
    "tokenizers": {"vq": {"adversarial": "none", "perceptual": "none", "multipliers": [1, 2]}},
    "encoders": {"probe": {}},
    "clusterings": {"k8": {"k": 8}},
    "runs": {"surrogate": {"model": "DiT-T/2"}},
    "scorings": {"surrogate": {}},
    "subsets": {
        "balanced": {"criterion": "cluster_b", "pruning_fraction": 0.5},
        "easy": {"criterion": "loss_inv", "pruning_fraction": 0.5},
        "random": {"criterion": "random", "pruning_fraction": 0.5},
        "both": {"criterion": "intersection", "of": ["balanced", "random"]},
    },
}


@pytest.mark.parametrize(
    ("subset", "entries"),
    [
        ("random", []),
        ("balanced", ["clusterings k8", "encoders probe"]),
        ("easy", ["scorings surrogate", "runs surrogate", "tokenizers vq"]),
        ("both", ["subsets balanced", "clusterings k8", "encoders probe", "subsets random"]),
    ],
)
def test_each_entry_is_followed_by_what_it_is_made_from(subset, entries):
    study = parse_study(STUDY)
    found = list(dependencies(study, study.subsets[subset]))
    assert [f"{section} {name}" for section, name, _ in found] == entries
    assert all(spec == getattr(study, section)[name] for section, name, spec in found)
