"""Subsets of a study, and the scorings that choose them."""

from pathlib import Path

import pytest
from support.studies import SMALL, complete, edited, study

from steadyflow.ground.artifacts import UserError
from steadyflow.stages.data import dataset_artifacts
from steadyflow.stages.pruning import SELECT_SUBSET, chosen_by
from steadyflow.stages.stage import each_input, file_of
from steadyflow.study import parse_study


def test_what_the_pruning_page_shows():
    raw = edited(
        datasets__more={"source": "digits"},
        datasets__plain={"source": "digits"},
        clusterings__unused={"encoder": "probe", "dataset": "faces"},
        subsets__other={"criterion": "random", "dataset": "more", "pruning_fraction": 0.5},
    )
    for section in ("tokenizers", "encoders", "clusterings", "subsets", "runs"):
        for name, spec in raw[section].items():
            raw[section][name] = {"dataset": "faces", **(spec or {})}
    raw["subsets"]["near"]["clusters"] = "k4"
    shown = parse_study(raw)
    assert shown.pruned_datasets == ["faces", "more"]
    assert shown.subsets_of("faces") == ["half", "near", "hard"]
    assert (shown.pruned_by("faces"), shown.pruned_by("more")) == (["k4"], [])


def test_a_scoring_is_keyed_by_a_run():
    with pytest.raises(UserError, match=r"^scorings\.nobody: names no run; .*\(runs: surrogate, all"):
        study(scorings__nobody={}, subsets__hard__scores="surrogate")


def test_a_run_takes_a_subset_of_its_own_dataset():
    parse_study(complete())
    more = {"source": "synthetic_faces", "resolution": 32}
    with pytest.raises(UserError, match=r"^runs\.half\.subset: 'half' belongs to dataset 'more'$"):
        parse_study(complete(datasets__more=more, subsets__half__dataset="more"))


def test_a_subset_is_chosen_by_what_belongs_to_its_dataset():
    more = {"source": "synthetic_faces", "resolution": 32}
    for name, chosen in (
        ("near", {"clusterings__k4__dataset": "more"}),
        ("hard", {"runs__surrogate__dataset": "more"}),
    ):
        message = rf"^subsets\.{name}: is of dataset 'faces', but chosen by what belongs to 'more'$"
        with pytest.raises(UserError, match=message):
            parse_study(complete(datasets__more=more, **chosen))


def test_a_run_is_not_chosen_by_its_own_scores():
    with pytest.raises(UserError, match=r"^runs\.surrogate\.subset: 'hard' is chosen by the scores of this very run$"):
        study(runs__surrogate__subset="hard")


def test_runs_are_not_chosen_by_the_scores_of_each_other():
    with pytest.raises(UserError, match=r"^runs\.surrogate\.subset: .*scores"):
        study(
            scorings__all={"measures": ["loss"]},
            subsets__hard__scores="surrogate",
            subsets__easy={"criterion": "loss_inv", "pruning_fraction": 0.5, "scores": "all"},
            runs__surrogate__subset="easy",
            runs__all={"subset": "hard"},
        )


SPACES = {
    "core": {"criterion": "kernel", "pruning_fraction": 0.5},
    "spread": {"criterion": "k_centre", "pruning_fraction": 0.5, "space": "embeddings"},
    "unlike": {"criterion": "semdedup", "pruning_fraction": 0.5},
    "both": {"criterion": "intersection", "of": ["near", "hard"]},
}


def test_a_subset_reads_what_it_is_chosen_by():
    found = study(**{f"subsets__{name}": spec for name, spec in SPACES.items()})
    clusters, scores = "clusters/k4.parquet", "scores/surrogate.parquet"
    latents, embeddings = "latents/vqvae.npy", "embeddings/probe.npy"
    read = {
        name: {
            kind: str(file_of(found, files.data).relative_to("results/faces"))
            for kind, files in chosen_by(found, name).items()
        }
        for name in found.subsets
    }
    assert read == {
        "half": {},
        "near": {"clusters": clusters},
        "hard": {"scores": scores},
        "core": {"latents": latents},
        "spread": {"embeddings": embeddings},
        "unlike": {"clusters": clusters, "embeddings": embeddings},
        "both": {f"subset {name}": f"subsets/{name}.parquet" for name in ("near", "hard")},
    }
    for files in chosen_by(found, "unlike").values():
        assert Path(files.sidecar.place) == Path(files.data.place).with_suffix(".json")


@pytest.mark.parametrize("name", SPACES)
def test_a_selection_reads_what_it_is_chosen_by_and_the_dataset(name):
    found = study(**{f"subsets__{each}": spec for each, spec in SPACES.items()})
    job = SELECT_SUBSET.job({"dataset": "faces", "subset": name})
    chosen = [each for files in chosen_by(found, name).values() for each in (files.data, files.sidecar)]
    dataset = dataset_artifacts("faces", "manifest", "info").values()
    assert list(each_input(job.stage.inputs(found, job.names))) == [*dataset, *chosen]


def test_a_space_needs_its_own_network_alone():
    alone = {key: SMALL[key] for key in ("name", "datasets", "encoders")}
    found = parse_study({**alone, "subsets": {"spread": SPACES["spread"]}}).subsets["spread"]
    assert (found.encoder, found.tokenizer) == ("probe", None)
    with pytest.raises(
        UserError, match=r"^subsets\.core\.tokenizer: has to be named, since the study has no tokenizers$"
    ):
        parse_study({**alone, "subsets": {"core": SPACES["core"]}})


def test_subsets_are_not_made_of_themselves():
    made = {"subsets__x": {"criterion": "complement", "of": "y"}}
    made["subsets__y"] = {"criterion": "intersection", "of": ["half", "x"]}
    with pytest.raises(UserError) as error:
        study(**made)
    assert str(error.value).splitlines() == [
        "subsets.x.of: x -> y -> x: a subset cannot be made of itself",
        "subsets.y.of: y -> x -> y: a subset cannot be made of itself",
    ]


def test_a_run_is_not_chosen_by_its_own_scores_through_other_subsets():
    made = {"subsets__easy": {"criterion": "complement", "of": "hard"}}
    made["subsets__x"] = {"criterion": "intersection", "of": ["half", "easy"]}
    message = r"^runs\.surrogate\.subset: 'x' is chosen by the scores of this very run$"
    with pytest.raises(UserError, match=message):
        study(**made, runs__surrogate__subset="x")
