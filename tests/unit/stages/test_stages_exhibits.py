"""What a study's tables and figures read, which of them it shows, and when one is out of date."""

from copy import deepcopy

import pytest
import yaml

from steadyflow.ground.artifacts import UserError
from steadyflow.report.exhibits import find_exhibits
from steadyflow.stages import shown as groups_of
from steadyflow.stages.exhibits import DRAW_FIGURE, FIGURES, TABLES, WRITE_TABLE, exhibit_jobs, shown
from steadyflow.stages.readings import READINGS
from steadyflow.stages.stage import file_of, output_files
from steadyflow.study import parse_study

STUDY = yaml.safe_load("""
name: small
datasets:
  digits: {source: digits, resolution: 16}
tokenizers:
  vqvae: {adversarial: none, perceptual: none, multipliers: [1, 2]}
encoders:
  probe: {}
clusterings:
  k8: {k: 8}
  k4: {k: 4}
subsets:
  half: {criterion: cluster_b, pruning_fraction: 0.5, clusters: k8}
  half_inv: {criterion: cluster_b_inv, pruning_fraction: 0.5, clusters: k8}
  half_k4: {criterion: cluster_b, pruning_fraction: 0.5, clusters: k4}
  quarter: {criterion: cluster_b, pruning_fraction: 0.75, clusters: k8}
  threes: {criterion: attribute_value, attribute: label, value: "3"}
runs:
  unpruned: {label: all images}
  reseeded: {seed: 1}
  half: {subset: half, label: balanced}
  half_again: {subset: half, seed: 1}
  half_inv: {subset: half_inv}
  half_k4: {subset: half_k4}
  quarter: {subset: quarter}
  threes: {subset: threes}
  diffusion: {objective: diffusion}
samplings:
  euler: {}
evaluations:
  digits:
    reference: unpruned
    paths: 8
    inverse_pairs: [[half, half_inv]]
    mixtures: {mixed: {runs: [threes, threes]}}
""")


def study(**evaluation):
    raw = deepcopy(STUDY)
    raw["evaluations"]["digits"] |= evaluation
    return parse_study(raw)


def stage_of(exhibit):
    return WRITE_TABLE if exhibit.kind == "table" else DRAW_FIGURE


def inputs(exhibit, study, dataset):
    found = stage_of(exhibit).inputs(study, {"dataset": dataset, exhibit.kind: exhibit.name})
    return [str(file_of(study, artifact)) for artifact in found["results"]]


def identity(exhibit, study):
    return stage_of(exhibit).identity(study, {"dataset": "digits", exhibit.kind: exhibit.name})


SHOW = {"seeds": ["unpruned", "reseeded"], "clusters": ["half", "half_again", "half_inv"]}
RESULTS = "results/digits"


def test_a_study_of_everything_shows_everything():
    assert shown(TABLES, study(), "digits") == list(TABLES)
    assert shown(FIGURES, study(), "digits") == list(FIGURES)


@pytest.mark.parametrize(
    ("evaluation", "missing"),
    [
        ({"paths": 0}, {"path_deviation", "path_distance"}),
        ({"inverse_pairs": []}, {"similarity_to_inverse"}),
        ({"mixtures": {}}, {"mode_balance"}),
        ({"classifiers": []}, {"fairness", "classifiers", "fairness_bars", "similarity_by_mode", "mode_balance"}),
        (
            {"runs": ["unpruned"], "inverse_pairs": [], "mixtures": {}, "paths": 0, "reference": "unpruned"},
            {
                *("similarity_to_unpruned", "similarity_to_inverse", "similarity_by_mode", "path_deviation"),
                *("mode_balance", "cluster_sizes", "similarity_by_run", "similarity_histogram", "path_distance"),
                *("matching_by_run", "replication", "beyond_gaussian_flow"),
                *("fd_by_fraction", "precision_recall_by_fraction", "fd_by_k"),
            },
        ),
    ],
)
def test_what_an_evaluation_has_no_ground_for_is_not_shown(evaluation, missing):
    edited = study(**evaluation)
    there = {*shown(TABLES, edited, "digits"), *shown(FIGURES, edited, "digits")}
    assert {*TABLES, *FIGURES} - there == missing


def test_a_study_without_runs_shows_its_data():
    raw = {key: value for key, value in STUDY.items() if key in ("name", "datasets", "tokenizers", "encoders")}
    bare = parse_study({**raw, "evaluations": {"digits": {}}})
    assert shown(TABLES, bare, "digits") == ["tokenizers"]
    assert shown(FIGURES, bare, "digits") == ["dataset_samples", "tokenizer_curves", "tokenizer_reconstructions"]


def test_inputs_are_the_files_of_all_that_is_read_each_once():
    nulls = study().null_runs("digits")
    quality = [f"{RESULTS}/metrics/quality/{name}.parquet" for name in (*STUDY["runs"], "mixed", *nulls)]
    predicted = [f"{RESULTS}/attributes/probe/dataset.json", f"{RESULTS}/dataset.json"]
    found = study()
    assert inputs(TABLES["quality"], found, "digits") == quality
    fairness = f"{RESULTS}/metrics/fairness.parquet"
    assert inputs(TABLES["fairness"], found, "digits") == [fairness, *predicted]
    assert inputs(TABLES["mode_balance"], found, "digits") == [*quality, fairness, *predicted]
    fields = [run for run in (*STUDY["runs"], *nulls) if run != "diffusion"]
    losses = [f"{RESULTS}/metrics/loss/{run}.parquet" for run in fields]
    similarity = f"{RESULTS}/metrics/similarity.parquet"
    assert inputs(TABLES["claims"], found, "digits") == [*quality, similarity, *losses, fairness]
    curves = [f"{RESULTS}/runs/{run}/curve.parquet" for run in STUDY["runs"]]
    assert inputs(FIGURES["training_curves"], found, "digits") == [*curves, *losses[:-1]]
    # Not of the untrained network, which nothing is drawn of.
    assert inputs(FIGURES["loss_by_time"], found, "digits") == losses[:-1]
    clusters = [f"{RESULTS}/clusters/k8.{suffix}" for suffix in ("parquet", "json")]
    subsets = [f"{RESULTS}/subsets/{name}.parquet" for name in STUDY["subsets"]]
    assert sorted(inputs(FIGURES["cluster_sizes"], found, "digits")) == sorted([*clusters, *subsets])


def test_jobs_are_those_of_every_evaluation():
    (job,) = exhibit_jobs(study(), "table", "quality")
    files = [str(file) for file in output_files(study(), job).values()]
    assert files == [f"{RESULTS}/tables/quality.{suffix}" for suffix in ("csv", "md", "tex", "html")]
    assert len(exhibit_jobs(study(), "figure")) == len(FIGURES)


def test_readings_that_need_no_files_load_from_the_study_alone():
    found = study()
    for name, reading in READINGS.items():
        if not reading.files(found, "digits") and not reading.resources:
            assert reading.load(found, "digits") is not None, name


def test_what_the_papers_print_counts_by_its_content():
    hashes = {name: identity(TABLES[name], study())[-1] for name in ("fairness", "quality", "claims")}
    # Its own file comes first.
    papers = {name: found[1:] for name, found in hashes.items()}
    assert len(papers["fairness"]) == 1 and papers["quality"] == [] and papers["claims"] != papers["fairness"]
    assert READINGS["paper"].load(study(), "digits").values == []
    assert len(READINGS["paper"].load(study(reproduces="celebahq"), "digits").values) > 50


def test_without_groups_all_runs_stand_in_one_without_a_heading():
    found = study()
    assert groups_of.groups(found, "digits") == {"": {run: found.label(run) for run in STUDY["runs"]}}
    pairs = groups_of.comparisons(found, "digits")[""]
    assert list(pairs.items())[:2] == [
        (("half", "half_inv"), "balanced / half_inv"),
        (("reseeded", "unpruned"), "reseeded"),
    ]
    assert "diffusion" not in groups_of.validated_groups(found, "digits")[""]


def test_groups_hold_what_they_name_and_comparisons_inside_them():
    found = study(show=SHOW)
    assert groups_of.groups(found, "digits")["clusters"] == {
        "half": "balanced", "half_again": "half_again", "half_inv": "half_inv"
    }  # fmt: skip
    nulls = {(run, "unpruned"): found.label(run) for run in ("unpruned.gaussian", "unpruned.untrained")}
    assert groups_of.comparisons(found, "digits") == {
        "seeds": {("reseeded", "unpruned"): "reseeded", **nulls},
        "clusters": {
            ("half", "half_inv"): "balanced / half_inv",
            ("half", "unpruned"): "balanced",
            ("half_again", "unpruned"): "half_again",
            ("half_inv", "unpruned"): "half_inv",
            **nulls,
        },
    }
    # A subset that two runs are trained on has one panel; a group without any has none.
    assert groups_of.subset_groups(found, "digits") == {"clusters": {"half": "balanced", "half_inv": "half_inv"}}
    first, *others = groups_of.perturbations(found, "digits").items()
    assert list(first[1]) == ["unpruned", "unpruned.gaussian"] and "no network" in first[0]
    assert [heading for heading, _ in others] == [
        "another seed", "half of the images, by pruning criterion"
    ]  # fmt: skip
    samples = READINGS["samples"].files(found, "digits")
    assert [str(file_of(found, each)) for each in samples] == [
        f"{RESULTS}/samples/{run}/euler/images.npy"
        for run in ("unpruned", "unpruned.gaussian", "reseeded", *SHOW["clusters"])
    ]
    # Tables list every run.
    assert len(READINGS["labels"].load(found, "digits")) == len(STUDY["runs"])


@pytest.mark.parametrize("run", ["halb", "surrogate"])
def test_unknown_runs_of_a_group_are_named(run):
    with pytest.raises(UserError, match=rf"evaluations.digits.show.seeds: .*'{run}'"):
        study(show={"seeds": ["unpruned", run]})


def test_groups_and_labels_make_exhibits_anew_and_nothing_else():
    raw = deepcopy(STUDY)
    raw["runs"]["half"]["label"] = "another"
    found = [study(), study(show=SHOW), parse_study(raw), study(reproduces="celebahq")]
    found.append(study(reproduces="celebahq", paper_attributes={"label": "kl_gender"}))
    identities = [repr(identity(TABLES["quality"], each)) for each in found]
    assert len(set(identities)) == len(identities)


def test_the_registry_is_that_of_the_files():
    assert find_exhibits("table").keys() == TABLES.keys() and find_exhibits("figure").keys() == FIGURES.keys()
