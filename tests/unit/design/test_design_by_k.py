import yaml

from steadyflow.design.by_k import runs_by_k
from steadyflow.study.load import parse_study

STUDY = """
name: by_k
datasets:
  faces: {source: synthetic_faces}
tokenizers:
  vqvae: {}
encoders:
  probe: {}
clusterings:
  k24: {k: 24}
  k2: {k: 2}
subsets:
  b-k24: {criterion: cluster_b, pruning_fraction: 0.7, clusters: k24}
  b-k2: {criterion: cluster_b, pruning_fraction: 0.7, clusters: k2}
  p-k2: {criterion: cluster_p, pruning_fraction: 0.7, clusters: k2}
  half-k2: {criterion: cluster_b, pruning_fraction: 0.5, clusters: k2}
  random: {criterion: random, pruning_fraction: 0.7}
runs:
  unpruned:
  b-k24: {subset: b-k24}
  b-k2: {subset: b-k2}
  p-k2: {subset: p-k2}
  half-k2: {subset: half-k2}
  random: {subset: random}
samplings:
  euler: {}
evaluations:
  faces: {reference: unpruned}
"""


def found(**added):
    raw = yaml.safe_load(STUDY)
    for section, entries in added.items():
        raw[section].update(entries)
    return runs_by_k(parse_study(raw), "faces")


def test_runs_of_one_rule_and_several_k_are_a_series():
    assert found() == {"cluster_b, 70% removed": [(2, "b-k2"), (24, "b-k24")]}


def test_one_k_alone_is_none():
    assert found(runs={"b-k24": {}}) == {}


def test_another_seed_joins_and_any_other_difference_does_not():
    more = {"reseeded": {"subset": "b-k2", "seed": 1}, "longer": {"subset": "b-k24", "steps": 7}}
    assert found(runs=more)["cluster_b, 70% removed"] == [(2, "b-k2"), (2, "reseeded"), (24, "b-k24")]


def test_runs_that_are_not_evaluated_are_left_out():
    assert found(evaluations={"faces": {"reference": "unpruned", "runs": ["unpruned", "b-k2"]}}) == {}
    assert found(evaluations={"faces": {"runs": []}}) == {}


def test_another_encoder_is_another_series():
    more = {
        "encoders": {"wide": {"width": 64}},
        "clusterings": {name: {"k": k, "encoder": encoder} for name, k, encoder in CLUSTERINGS},
        "subsets": {
            f"b-{name}": {"criterion": "cluster_b", "pruning_fraction": 0.7, "clusters": name}
            for name, _, _ in CLUSTERINGS
        },
        "runs": {f"b-{name}": {"subset": f"b-{name}"} for name, _, _ in CLUSTERINGS},
        "evaluations": {"faces": {"reference": "unpruned", "encoders": ["probe"]}},
    }
    assert found(**more) == {
        "cluster_b, 70% removed, probe": [(2, "b-k2"), (24, "b-k24")],
        "cluster_b, 70% removed, wide": [(2, "b-w2"), (24, "b-w24")],
    }


CLUSTERINGS = [("k24", 24, "probe"), ("k2", 2, "probe"), ("w24", 24, "wide"), ("w2", 2, "wide")]


def test_another_space_and_a_fraction_hardly_different_are_other_series():
    kernel = {"criterion": "kernel_b", "space": "embeddings"}
    subsets = {
        f"{name}-{k}": {**rule, "clusters": f"k{k}"}
        for k in (2, 24)
        for name, rule in {
            "embeddings": {**kernel, "pruning_fraction": 0.5},
            "latents": {**kernel, "pruning_fraction": 0.5, "space": "latents"},
            "few": {"criterion": "cluster_b", "pruning_fraction": 0.12},
            "more": {"criterion": "cluster_b", "pruning_fraction": 0.125},
        }.items()
    }
    lines = found(subsets=subsets, runs={name: {"subset": name} for name in subsets})
    assert lines["cluster_b, 12% removed"] == [(2, "few-2"), (24, "few-24")]
    assert lines["cluster_b, 12.5% removed"] == [(2, "more-2"), (24, "more-24")]
    ours = [points for rule, points in lines.items() if rule.startswith("kernel_b")]
    assert sorted(ours) == [[(2, f"{space}-2"), (24, f"{space}-24")] for space in ("embeddings", "latents")]
