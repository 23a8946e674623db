"""A study of digits whose evaluated runs a test chooses."""

from typing import Any

from steadyflow.study import Study
from steadyflow.study.load import parse_study

TOKENIZER = {"adversarial": "none", "perceptual": "none", "latent_channels": 4, "multipliers": [1, 2]}


def study(runs: dict[str, Any], **sections: Any) -> Study:
    raw = {
        "name": "arms",
        "datasets": {
            "digits": {"source": "digits", "resolution": 16},
            "others": {"source": "digits", "resolution": 16},
        },
        "tokenizers": {
            "vq": {"dataset": "digits", **TOKENIZER},
            "vq-reseeded": {"dataset": "digits", **TOKENIZER, "seed": 1},
            "vq-wide": {"dataset": "digits", **TOKENIZER, "width": 64, "seed": 1},
        },
        "encoders": {"probe": {"dataset": "digits"}},
        "clusterings": {"k8": {"dataset": "digits", "k": 8}},
        "subsets": {
            "random-0.5": {"dataset": "digits", "criterion": "random", "pruning_fraction": 0.5},
            "random-0.5-1": {"dataset": "digits", "criterion": "random", "pruning_fraction": 0.5, "seed": 1},
            "random-0.9": {"dataset": "digits", "criterion": "random", "pruning_fraction": 0.9},
            "cluster_b-0.5": {"dataset": "digits", "criterion": "cluster_b", "pruning_fraction": 0.5},
            "half_a": {"dataset": "digits", "criterion": "random_half", "part": "a"},
            "half_b": {"dataset": "digits", "criterion": "random_half", "part": "b"},
            "mode": {"dataset": "digits", "criterion": "attribute_value", "attribute": "label", "value": "3"},
        },
        "defaults": {"runs": {"dataset": "digits", "tokenizer": "vq", "model": "DiT-T/2", "steps": 10}},
        "runs": {"unpruned": {}, **runs},
        "samplings": {"euler": {}},
        "evaluations": {"digits": {"reference": "unpruned", "runs": ["unpruned", *runs]}},
        **sections,
    }
    return parse_study(raw)
