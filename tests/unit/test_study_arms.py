from typing import Any

import pytest

from steadyflow.artifacts import UserError
from steadyflow.study import Study
from steadyflow.study.arms import KINDS, arms, arms_by_fraction
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


RUNS: dict[str, dict[str, Any]] = {
    "subset": {"subset": "cluster_b-0.5"},
    "capacity": {"model": "DiT-S/2", "learning_rate": 3e-4},
    "architecture": {"model": "UNet-T"},
    "dataset": {"dataset": "others"},
    "tokenizer_seed": {"tokenizer": "vq-reseeded"},
    "flip_first": {"latent_transform": "flip_first"},
    "flip_all": {"latent_transform": "flip_all"},
    "diffusion": {"objective": "diffusion"},
    "explicit_target": {"objective": {"kind": "explicit_flow_matching", "candidates": 256}},
    "optimal_transport": {"objective": {"kind": "flow_matching", "coupling": "ot"}},
}


@pytest.mark.parametrize("kind", RUNS)
def test_a_run_departs_from_the_reference_in_one_thing(kind: str) -> None:
    first, second = arms(study({kind: RUNS[kind]}), "digits")
    assert (first.runs, first.kind) == (("unpruned",), "reference")
    assert (second.runs, second.kind) == ((kind,), kind)
    assert set(RUNS) == set(KINDS)


@pytest.mark.parametrize(
    "run",
    [{"steps": 20}, {"tokenizer": "vq-wide"}, {"subset": "cluster_b-0.5", "model": "DiT-S/2"}, {"conditional": True}],
)
def test_what_departs_in_something_else_is_other(run: dict[str, Any]) -> None:
    assert arms(study({"strange": run}), "digits")[1].kind == "other"


def test_runs_alike_but_for_their_seeds_are_one_arm() -> None:
    runs = {
        "random": {"subset": "random-0.5"},
        "reseeded": {"seed": 1, "label": "another label"},
        "random-1": {"subset": "random-0.5-1", "seed": 5},
        "half_a": {"subset": "half_a"},
        "half_b": {"subset": "half_b"},
    }
    found = arms(study(runs), "digits")
    assert [arm.runs for arm in found] == [("unpruned", "reseeded"), ("random", "random-1"), ("half_a",), ("half_b",)]
    assert [(arm.criterion, arm.pruning_fraction) for arm in found[1:]] == [
        ("random", 0.5),
        *[("random_half", 0.5)] * 2,
    ]


def test_an_arm_tells_the_attribute_of_its_criterion() -> None:
    (_, mode) = arms(study({"mode": {"subset": "mode"}}), "digits")
    assert (mode.criterion, mode.attribute, mode.pruning_fraction) == ("attribute_value", "label", None)


def test_fractions_of_a_criterion_are_a_line() -> None:
    runs = {name: {"subset": name} for name in ("random-0.9", "random-0.5", "random-0.5-1", "cluster_b-0.5", "half_a")}
    lines = arms_by_fraction(study(runs), "digits")
    assert lines == {"random": [(0.5, ("random-0.5", "random-0.5-1")), (0.9, ("random-0.9",))]}


def test_without_runs_there_are_no_arms() -> None:
    alone = study({}, evaluations={"digits": {"runs": []}})
    assert arms(alone, "digits") == []
    assert arms_by_fraction(alone, "digits") == {}


@pytest.mark.parametrize(
    ("ceiling", "message"),
    [
        ("heun", None),
        ("euler", "is the sampling itself"),
        ("fewer", "has count 10, 'euler' 4096"),
        ("others", "has seed 1, 'euler' 0: their samples would not be matched"),
        ("unknown", "ceiling: unknown 'unknown'"),
    ],
)
def test_a_ceiling_is_another_solver_of_the_same_noises(ceiling: str, message: str | None) -> None:
    samplings = {"euler": {}, "heun": {"solver": "heun"}, "fewer": {"count": 10}, "others": {"seed": 1}}
    evaluation = {"digits": {"reference": "unpruned", "sampling": "euler", "ceiling": ceiling}}
    if message is None:
        found = study({"reseeded": {"seed": 1}}, samplings=samplings, evaluations=evaluation)
        sampled = [("unpruned", "euler"), ("reseeded", "euler")]
        assert found.evaluated_samples("digits") == [*sampled, ("unpruned", "heun")]
        assert found.evaluated_samples("digits", ceiling=False) == sampled
    else:
        with pytest.raises(UserError, match=message):
            study({}, samplings=samplings, evaluations=evaluation)


def test_similarity_is_measured_in_the_encoders_of_quality_unless_others_are_named() -> None:
    assert study({}).evaluations["digits"].similarity_encoders == ("probe",)
    encoders = {"probe": {"dataset": "digits"}, "faces": {"kind": "arcface"}}
    named = {"reference": "unpruned", "runs": ["unpruned"], "encoders": ["probe"], "similarity_encoders": ["faces"]}
    found = study({}, encoders=encoders, clusterings={}, subsets={}, evaluations={"digits": named})
    assert found.evaluations["digits"].similarity_encoders == ("faces",)
    with pytest.raises(UserError, match=r"evaluations\.digits\.similarity_encoders: unknown 'nobody' \(known: probe, "):
        named = {**named, "similarity_encoders": ["probe", "nobody"]}
        study({}, encoders=encoders, clusterings={}, subsets={}, evaluations={"digits": named})


def test_distances_need_an_encoder_that_describes_every_image() -> None:
    encoders = {"probe": {"dataset": "digits"}, "faces": {"kind": "arcface"}}
    named = {"reference": "unpruned", "runs": ["unpruned"], "encoders": ["faces"]}
    with pytest.raises(UserError, match=r"evaluations\.digits\.encoders: 'faces' has no features of images without"):
        study({}, encoders=encoders, clusterings={}, subsets={}, evaluations={"digits": named})
