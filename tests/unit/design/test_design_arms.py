from typing import Any

import pytest
from support.arms_study import study

from steadyflow.design.arms import KINDS, arms
from steadyflow.design.by_fraction import arms_by_fraction

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
def test_the_one_thing_in_which_a_run_differs_from_the_reference(kind: str) -> None:
    first, second = arms(study({kind: RUNS[kind]}), "digits")
    assert (first.runs, first.kind) == (("unpruned",), "reference")
    assert (second.runs, second.kind) == ((kind,), kind)
    assert set(RUNS) == set(KINDS)


@pytest.mark.parametrize(
    "run",
    [{"steps": 20}, {"tokenizer": "vq-wide"}, {"subset": "cluster_b-0.5", "model": "DiT-S/2"}, {"conditional": True}],
)
def test_any_other_difference_is_other(run: dict[str, Any]) -> None:
    assert arms(study({"strange": run}), "digits")[1].kind == "other"


def test_runs_that_differ_in_their_seeds_alone_are_one_arm() -> None:
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


def test_an_arm_names_the_attribute_of_its_criterion() -> None:
    (_, mode) = arms(study({"mode": {"subset": "mode"}}), "digits")
    assert (mode.criterion, mode.attribute, mode.pruning_fraction) == ("attribute_value", "label", None)


def test_pretrained_runs_are_compared_by_what_else_differs() -> None:
    runs = {"half": {"weights": "b.pt", "subset": "cluster_b-0.5"}}
    found = study(
        {"unpruned": {"weights": "a.pt"}, **runs}, defaults={"runs": {"dataset": "digits", "tokenizer": "vq"}}
    )
    assert [arm.kind for arm in arms(found, "digits")] == ["reference", "subset"]


def test_without_runs_there_are_no_arms() -> None:
    alone = study({}, evaluations={"digits": {"runs": []}})
    assert arms(alone, "digits") == []
    assert arms_by_fraction(alone, "digits") == {}
