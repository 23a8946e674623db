import copy
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import yaml

from steadyflow import flow
from steadyflow.artifacts import UserError
from steadyflow.prune import CRITERIA
from steadyflow.study import load_study, parse_study, paths, study_schema
from steadyflow.study.identity import run_identity, subset_identity
from steadyflow.study.specs import Diffusion, FlowMatching, Sampling, Subset

ROOT = Path(__file__).parents[2]
STUDIES = sorted([ROOT / "config.yaml", *(ROOT / "studies").glob("*.yaml")])

SMALL = yaml.safe_load("""
name: small
datasets:
  faces: {source: synthetic_faces, count: 100, resolution: 32}
tokenizers:
  vqvae: {width: 8, multipliers: [1, 2], steps: 10}
encoders:
  probe: {}
clusterings:
  k4: {k: 4}
scorings:
  surrogate: {measures: [loss]}
subsets:
  half: {criterion: random_half, part: a}
  near: {criterion: cluster_b, pruning_fraction: 0.5}
  hard: {criterion: loss, pruning_fraction: 0.5}
defaults:
  runs: {model: DiT-T/2, steps: 20, learning_rate: 0.01}
runs:
  surrogate: {steps: 5}
  all:
  half: {subset: half}
  near: {subset: near}
  hard: {subset: hard}
samplings:
  euler: {count: 80}
evaluations:
  faces: {reference: all}
""")


def edited(**edits):
    """SMALL with `section__name__key=value` set, or removed by `...`."""
    raw = copy.deepcopy(SMALL)
    for place, value in edits.items():
        *parents, key = place.split("__")
        inner = raw
        for parent in parents:
            inner[parent] = inner.get(parent) or {}
            inner = inner[parent]
        if value is ...:
            del inner[key]
        else:
            inner[key] = value
    return raw


def study(**edits):
    return parse_study(edited(**edits))


TWO_DATASETS = {"datasets__digits": {"source": "digits", "resolution": 32}, "tokenizers__vqvae__dataset": "faces"}


def complete(**edits):
    """Two datasets, with every reference named."""
    named = {"encoders__probe__dataset": "faces", "clusterings__k4__dataset": "faces"}
    named |= {f"subsets__{name}__dataset": "faces" for name in SMALL["subsets"]}
    named |= {f"runs__{name}__dataset": "faces" for name in SMALL["runs"]}
    return edited(**{**TWO_DATASETS, **named, **edits})


def test_a_run_is_the_defaults_and_its_own_overrides():
    runs = study().runs
    assert (runs["all"].steps, runs["all"].learning_rate, runs["all"].model) == (20, 0.01, "DiT-T/2")
    assert (runs["surrogate"].steps, runs["surrogate"].learning_rate) == (5, 0.01)
    assert study(defaults=...).runs["all"].steps == 140_000


def test_what_is_left_out_becomes_the_only_entry_there_is():
    resolved = study()
    assert resolved.tokenizers["vqvae"].dataset == resolved.clusterings["k4"].dataset == "faces"
    assert (resolved.runs["all"].dataset, resolved.runs["all"].tokenizer) == ("faces", "vqvae")
    assert (resolved.subsets["near"].clusters, resolved.subsets["hard"].scores) == ("k4", "surrogate")
    assert (resolved.evaluations["faces"].encoders, resolved.evaluations["faces"].sampling) == (("probe",), "euler")
    assert resolved.runs["all"].subset is None


def test_all_runs_but_surrogates_are_evaluated_in_the_order_of_the_study():
    assert study().evaluations["faces"].runs == ("all", "half", "near", "hard")
    assert study(evaluations__faces__runs=["hard", "all"]).evaluations["faces"].runs == ("hard", "all")


def test_an_evaluation_without_runs_needs_neither_reference_nor_sampling():
    evaluation = study(runs={}, scorings={}, subsets={}, samplings={}, evaluations__faces={}).evaluations["faces"]
    assert (evaluation.runs, evaluation.reference, evaluation.sampling) == ((), None, None)
    assert (evaluation.tokenizers, evaluation.encoders) == (("vqvae",), ("probe",))


def test_the_tokenizers_of_a_dataset_and_of_its_runs_are_measured():
    more = {"source": "synthetic_faces", "resolution": 32}
    named = {"encoders": ["probe"], "sampling": "euler"}
    edits = {"datasets__more": more, "runs__other": {"dataset": "more", "tokenizer": "vqvae"}}
    edits |= {"tokenizers__own": {"dataset": "more", "multipliers": [1, 2]}, "evaluations__more": {**named}}
    edits |= {f"runs__{name}__tokenizer": "vqvae" for name in SMALL["runs"]}
    edits["evaluations__more"]["reference"] = "other"
    assert parse_study(complete(**edits)).evaluations["more"].tokenizers == ("own", "vqvae")
    edits["evaluations__more"]["tokenizers"] = ["vqvae"]
    assert parse_study(complete(**edits)).evaluations["more"].tokenizers == ("vqvae",)


def test_a_measured_tokenizer_takes_the_images():
    named = {"encoders": ["probe"], "tokenizers": ["vqvae"]}
    message = r"evaluations\.digits\.tokenizers: 'vqvae' takes 3 channels, not 1$"
    with pytest.raises(UserError, match=message):
        parse_study(complete(evaluations__digits=named))


def test_losses_in_a_few_words():
    plain = {"perceptual": "none", "adversarial": "none"}
    wanted = {"MSE": plain, "MSE + GAN": {"perceptual": "none"}, "MSE + LPIPS": {"adversarial": "none"}}
    for words, edit in {**wanted, "MSE + LPIPS + GAN": {}}.items():
        found = study(tokenizers__vqvae={"multipliers": [1, 2], **edit})
        assert found.tokenizers["vqvae"].losses == words
        assert found.uses_lpips == ("LPIPS" in words)


def test_a_run_may_take_the_tokenizer_of_another_dataset():
    raw = complete(datasets__more={"source": "synthetic_faces", "resolution": 32}, runs__other={"dataset": "more"})
    assert parse_study(raw).runs["other"].tokenizer == "vqvae"


WRONG = {
    "runs__b__model": ("DiT-Q/2", "runs.b.model: unknown velocity model 'DiT-Q/2' (known: DiT-T/1, "),
    "runs__all__modle": ("DiT-T/2", "runs.all.modle: unknown key"),
    "runs__all__steps": (0, "runs.all.steps: input should be greater than 0"),
    "runs__all__ema_decay": (1, "runs.all.ema_decay: input should be less than 1"),
    "runs__all__seed": (-1, "runs.all.seed: input should be greater than or equal to 0"),
    "runs__all__tokenizer": ("vq", "runs.all.tokenizer: unknown 'vq' (known: vqvae)"),
    "runs__all__subset": ("nix", "runs.all.subset: unknown 'nix' (known: half, near, hard)"),
    "runs__all": (3, "runs.all: input should be a valid dictionary"),
    "runs__a b": ({}, "runs.a b.[key]: string should match pattern"),
    "defaults__runs__modle": ("DiT-T/2", "defaults.runs.modle: unknown key"),
    "surprise": (1, "surprise: unknown key"),
    "name": (..., "name: field required"),
    "datasets": ({}, "datasets: dictionary should have at least 1 item"),
    "datasets__faces__colour": (1, "datasets.faces.colour: unknown key"),
    "datasets__faces__source": ("web", "datasets.faces.source: unknown 'web' (known: synthetic_faces, idx, digits"),
    "datasets__more": ({"resolution": 8}, "datasets.more.source: field required"),
    "subsets__half__part": ("c", "subsets.half.part: input should be 'a' or 'b'"),
    "subsets__near__pruning_fraction": (1.0, "subsets.near.pruning_fraction: 1.0 is not in [0, 1)"),
    "subsets__hard__pruning_fraction": (-0.1, "subsets.hard.pruning_fraction: -0.1 is not in [0, 1)"),
    "subsets__near__criterion": ("best", "subsets.near.criterion: unknown 'best' (known: random, "),
    "subsets__near__clusters": ("k9", "subsets.near.clusters: unknown 'k9' (known: k4)"),
    "subsets__hard__criterion": ("grad", "subsets.hard.criterion: scorings.surrogate.measures does not have 'grad'"),
    "subsets__core": (
        {"criterion": "kernel", "pruning_fraction": 0.5, "encoder": "probe"},
        "subsets.core: has `encoder`, but is chosen among latents: leave it out, or change `space`",
    ),
    "subsets__ccs": (
        {"criterion": "loss_ccs", "pruning_fraction": 0.5, "hardest_cut": 0.6},
        "subsets.ccs: hardest_cut, 0.6, is more than the pruning_fraction, 0.5",
    ),
    "subsets__both": ({"criterion": "intersection", "of": ["half"]}, "subsets.both.of: tuple should have at least 2"),
    "subsets__rest": ({"criterion": "complement", "of": "nix"}, "subsets.rest.of: unknown 'nix' (known: half, near"),
    "subsets__few": ({"criterion": "drop_clusters", "drop": 4}, "subsets.few.drop: 'k4' has 4 clusters, and one at"),
    "subsets__none": ({"criterion": "drop_clusters", "drop": 0}, "subsets.none.drop: input should be greater than 0"),
    "subsets__some": ({"criterion": "drop_clusters", "drop": [1, 4]}, "subsets.some.drop: there is no cluster 4; 'k4'"),
    "subsets__twice": ({"criterion": "drop_clusters", "drop": [1, 1]}, "subsets.twice.drop: names a cluster twice"),
    "tokenizers__vqvae__width": (10, "tokenizers.vqvae.width: 10 is not a multiple of 4"),
    "tokenizers__vqvae__perceptual": ("lpips", "tokenizers.vqvae.perceptual: is neither 'none' nor a mapping"),
    "tokenizers__vqvae__adversarial": (None, "tokenizers.vqvae.adversarial: is neither 'none' nor a mapping"),
    "tokenizers__vqvae__perceptual__weigth": (1, "tokenizers.vqvae.perceptual.weigth: unknown key"),
    "tokenizers__vqvae__adversarial__weight": (0, "tokenizers.vqvae.adversarial.weight: input should be greater than"),
    "tokenizers__vqvae__multipliers": ([1], "tokenizers.vqvae.multipliers: tuple should have at least 2 items"),
    "datasets__faces__resolution": (33, "tokenizers.vqvae.multipliers: resolution 33 is no multiple of 2"),
    "defaults__runs__model": ("DiT-T/16", "defaults.runs.model: unknown velocity model 'DiT-T/16'"),
    "scorings__nobody": ({}, "subsets.hard.scores: has to be named, since the study has surrogate, nobody"),
    "samplings": ({}, "evaluations.faces.sampling: has to be named, since the study has no samplings"),
    "samplings__heun": ({}, "evaluations.faces.sampling: has to be named, since the study has euler, heun"),
    "evaluations__moon": ({"reference": "all"}, "evaluations.moon: names no dataset (known: faces)"),
    "evaluations__faces__reference": ("nix", "evaluations.faces.reference: unknown 'nix' (known: surrogate, all"),
    "evaluations__faces__runs": (["all", "nix"], "evaluations.faces.runs: unknown 'nix'"),
    "evaluations__faces": ({}, "evaluations.faces.reference: has to name the run that all are compared with (all, hal"),
    "evaluations__faces__paths": (81, "evaluations.faces.paths: 81 are more than the 80 noises of sampling 'euler'"),
    "evaluations__faces__tokenizers": (["vq"], "evaluations.faces.tokenizers: unknown 'vq' (known: vqvae)"),
    "runs__all__objective": (
        "score",
        "runs.all.objective.kind: unknown 'score' (known: flow_matching, explicit_flow_ma",
    ),
    "runs__all__objective__coupling": ("ot", "runs.all.objective.kind: field required"),
    "runs__half__objective": ({"kind": "diffusion", "coupling": "ot"}, "runs.half.objective.coupling: unknown key"),
    "runs__near__objective": (
        {"kind": "diffusion", "schedule": "square"},
        "runs.near.objective.schedule: input should be 'linear' or 'cosine'",
    ),
    "defaults__runs__objective": (
        {"kind": "explicit_flow_matching", "candidates": 0},
        "defaults.runs.objective.candidates: input should be greater than 0",
    ),
    "runs__hard__objective": (
        {"kind": "explicit_flow_matching", "candidates": 64},
        "runs.hard.objective.candidates: 64 are fewer than the batch of 128",
    ),
    "runs__surrogate__objective": (
        "diffusion",
        "scorings.surrogate: the objective of the surrogate is 'diffusion'; sco",
    ),
    "runs__all__latent_transform": ("mirror", "runs.all.latent_transform: input should be 'none', 'flip_first' or 'f"),
    "runs__half__latent_transform": (
        [[1, 0], [0, 1]],
        "runs.half.latent_transform: a matrix of 2 rows, for 4 channels of latents",
    ),
    "runs__near__latent_transform": ([[1, 0], [0]], "runs.near.latent_transform: rows of [2, 1] numbers are no square"),
    "runs__hard__latent_transform": (
        [[0, 1, 1, 0], [1, 0, 1, 0], [1, 1, 2, 0], [0, 0, 0, 1]],
        "runs.hard.latent_transform: the matrix is singular",
    ),
    "samplings__euler__solver": (
        "rk4",
        "samplings.euler.solver: input should be 'euler', 'midpoint', 'heun' or 'dopri5'",
    ),
    "samplings__euler__rtol": (1e-3, "samplings.euler.rtol: is nothing that the solver 'euler' takes"),
    "samplings__euler": (
        {"solver": "dopri5", "count": 80, "steps": 30},
        "samplings.euler.steps: is nothing that the solver 'dopri5' takes",
    ),
    "samplings__euler__diffusion__sampler": (
        "heun",
        "samplings.euler.diffusion.sampler: input should be 'ddim' or 'an",
    ),
    "evaluations__faces__inverse_pairs": ([["all", "nix"]], "evaluations.faces.inverse_pairs: unknown 'nix'"),
}


SOURCES = {
    "folder": {"path": "photos"},
    "imagefolder": {"path": "imagenet"},
    "celeba": {"path": "celeba"},
    "cifar10": {},
    "huggingface": {"repo": "jxie/celeba-hq"},
}
WRONG_SOURCES = [
    ("folder", {"folder": "x"}, "datasets.faces.folder: unknown key"),
    ("folder", {"path": ...}, "datasets.faces.path: field required"),
    ("folder", {"classes": "folders"}, "datasets.faces.classes: input should be 'subfolders' or 'none'"),
    ("folder", {"bad_images": "ignore"}, "datasets.faces.bad_images: input should be 'error' or 'skip'"),
    ("imagefolder", {"val_fraction": 0.1}, "datasets.faces.val_fraction: input should be 0"),
    ("celeba", {"channels": 1}, "datasets.faces.channels: unknown key"),
    ("cifar10", {"val_fraction": 0.1}, "datasets.faces.val_fraction: input should be 0"),
    ("huggingface", {"repo": "celeba-hq"}, "datasets.faces.repo: string should match pattern"),
    ("huggingface", {"train": "/etc/*.parquet"}, "datasets.faces.train: string should match pattern"),
    ("huggingface", {"train": "**/a.parquet"}, "datasets.faces.train: '**/a.parquet' holds '**'; name each folder"),
    ("huggingface", {"train": "data/a**"}, "datasets.faces.train: 'data/a**' holds 'a**'; name each folder"),
    ("huggingface", {"val": "data/../*.parquet"}, "datasets.faces.val: 'data/../*.parquet' holds '..'; name each"),
    ("huggingface", {"val": "./a.parquet"}, "datasets.faces.val: './a.parquet' holds '.'; name each"),
    ("huggingface", {"val": "val.parquet", "val_fraction": 0.1}, "datasets.faces: has both `val` and `val_fraction`"),
    ("huggingface", {"val_fraction": 0}, "datasets.faces: has no validation images: name their shards in `val`"),
    ("huggingface", {"val_fraction": -1}, "datasets.faces.val_fraction: input should be greater than or equal to 0"),
]


def of_source(source, **changes):
    spec = {"source": source, "resolution": 32, **SOURCES[source], **changes}
    return study(datasets__faces={key: value for key, value in spec.items() if value is not ...})


@pytest.mark.parametrize(("source", "changes", "message"), WRONG_SOURCES)
def test_every_mistake_in_a_source_is_named_by_its_key(source, changes, message):
    with pytest.raises(UserError) as error:
        of_source(source, **changes)
    (line,) = str(error.value).splitlines()
    assert line.startswith(message)


@pytest.mark.parametrize(
    ("source", "changes", "files", "downloaded"),
    [
        ("folder", {}, ["photos"], False),
        ("folder", {"labels_csv": "labels.csv"}, ["photos", "labels.csv"], False),
        ("imagefolder", {"class_names": "names.txt"}, ["imagenet", "names.txt"], False),
        ("celeba", {}, ["celeba"], False),
        ("cifar10", {}, [], True),
        ("cifar10", {"path": "cifar"}, ["cifar"], False),
        ("huggingface", {}, [], True),
        ("huggingface", {"path": "shards"}, ["shards"], False),
    ],
)
def test_a_source_says_which_files_it_is_made_from(source, changes, files, downloaded):
    spec = of_source(source, **changes).datasets["faces"]
    assert (spec.files, spec.downloaded) == (files, downloaded)


UNLABELLED = [("folder", {"classes": "none"}), ("huggingface", {"label_column": None})]
LABELLED = [("folder", {}), ("folder", {"classes": "none", "labels_csv": "a.csv"}), ("huggingface", {}), ("celeba", {})]


@pytest.mark.parametrize(("source", "changes"), UNLABELLED)
def test_no_probe_is_trained_on_images_without_labels(source, changes):
    with pytest.raises(UserError) as error:
        of_source(source, **changes)
    assert str(error.value) == (
        "encoders.probe: dataset 'faces' has neither classes nor attributes, so there is nothing to train a probe on; "
        "give it labels, or prune by loss or grad, which need none"
    )


@pytest.mark.parametrize(("source", "changes"), LABELLED)
def test_a_probe_is_trained_on_images_that_may_have_labels(source, changes):
    assert of_source(source, **changes).encoders["probe"].dataset == "faces"


def test_images_without_labels_are_pruned_by_scores():
    raw = edited(datasets__faces={"source": "folder", "path": "a", "resolution": 32, "classes": "none"})
    for section in ("encoders", "clusterings", "evaluations", "samplings"):
        del raw[section]
    del raw["subsets"]["near"], raw["runs"]["near"]
    pruned = parse_study(raw)
    assert pruned.subsets_of("faces") == ["half", "hard"]
    assert pruned.pruned_by("faces") == []


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


def test_where_downloads_lie_is_said_by_the_study_alone_and_is_in_no_identity():
    here, there = study(), study(downloads="/scratch/shared")
    assert paths.downloaded_files(here, "faces") == "downloads/datasets/faces/files.json"
    assert paths.weights_file(there, "a.pth") == "/scratch/shared/weights/a.pth"
    assert paths.downloaded_files(there, "faces") == "/scratch/shared/datasets/faces/files.json"
    assert here.datasets["faces"].identity() == there.datasets["faces"].identity()


def test_a_term_of_the_tokenizer_is_none_or_its_settings():
    assert study(tokenizers__vqvae__perceptual="none").tokenizers["vqvae"].perceptual == "none"
    spec = study(tokenizers__vqvae__adversarial={"start": 7}).tokenizers["vqvae"]
    assert (spec.adversarial.start, spec.adversarial.weight, spec.perceptual.weight) == (7, 0.5, 1.0)
    assert spec.identity()["adversarial"]["start"] == 7


@pytest.mark.parametrize("place", WRONG)
def test_every_mistake_is_named_by_its_key(place):
    value, message = WRONG[place]
    with pytest.raises(UserError) as error:
        study(**{place: value})
    assert any(line.startswith(message) for line in str(error.value).splitlines()), str(error.value)


def test_every_mistake_is_named_at_once():
    with pytest.raises(UserError) as error:
        study(runs__all__steps=0, runs__half__model="x", surprise=1)
    keys = [line.partition(":")[0] for line in str(error.value).splitlines()]
    assert sorted(keys) == ["runs.all.steps", "runs.half.model", "surprise"]


@pytest.mark.parametrize(("model", "multiple"), [("DiT-T/4", 4), ("UNet-S", 8)])
def test_a_model_has_to_take_the_latents(model, multiple):
    message = rf"^runs\.all\.model: {model} takes latents whose side is a multiple of {multiple}, not 18x18$"
    with pytest.raises(UserError, match=message):
        study(datasets__faces__resolution=36, runs__all__model=model)
    assert study(runs__all__model=model).runs["all"].model == model


def test_a_run_may_take_weights_instead_of_a_training():
    taken = study(runs__half__weights="w.pt")
    assert taken.runs["half"].weights == "w.pt"
    # The training of `defaults` is not its own: an edit of it changes nothing.
    said = set(taken.runs["half"].identity())
    how = {"objective", "latent_transform"}
    assert said == how | {"dataset", "tokenizer", "subset", "model", "weights", "conditional"}
    more = study(runs__half__weights="w.pt", defaults__runs__steps=21)
    assert more.runs["half"] == taken.runs["half"] and more.runs["half"].model == "DiT-T/2"
    assert study().runs["half"].identity().keys() == said | taken.runs["half"].training
    assert study(runs__half__weights="v.pt").runs["half"].identity() != taken.runs["half"].identity()
    assert taken.trained_runs("faces") == ["all", "near", "hard"]


@pytest.mark.parametrize("field", ["steps", "batch_size", "seed"])
def test_weights_and_a_training_contradict_each_other(field):
    message = rf"^runs\.half: has `weights`, so it is not trained: leave out {field}$"
    with pytest.raises(UserError, match=message):
        study(runs__half__weights="w.pt", **{f"runs__half__{field}": 7})


def test_weights_of_the_defaults_may_be_taken_back():
    built = study(defaults={"runs": {"weights": "w.pt"}}, runs__surrogate=None, runs__half__weights=None)
    assert [name for name, run in built.runs.items() if run.weights is None] == ["half"]


def test_lpips_needs_images_that_can_be_halved_four_times():
    assert study().uses_lpips
    with pytest.raises(UserError, match=r"^tokenizers\.vqvae\.perceptual: LPIPS needs images of 16 pixels, not 12$"):
        study(datasets__faces__resolution=12, tokenizers__vqvae__adversarial="none")


def test_a_discriminator_has_to_see_something():
    with pytest.raises(UserError, match=r"^tokenizers\.vqvae\.adversarial\.layers: .* images of 24 pixels, not 16$"):
        study(datasets__faces__resolution=16)


def test_an_objective_is_a_word_or_its_settings():
    bare, spelt = study(runs__all__objective="diffusion"), study(runs__all__objective={"kind": "diffusion"})
    assert bare.runs["all"] == spelt.runs["all"]
    assert bare.runs["all"].objective.model_dump() == {"kind": "diffusion", "schedule": "linear", "timesteps": 1000}
    assert study().runs["all"].objective == study(runs__all__objective="flow_matching").runs["all"].objective
    coupled = study(
        defaults__runs__objective={"kind": "flow_matching", "coupling": "ot"}, runs__half__objective="diffusion"
    )
    assert coupled.runs["all"].objective.coupling == "ot"
    assert coupled.runs["half"].objective.kind == "diffusion"


def test_a_run_named_like_an_objective_keeps_its_place_in_errors():
    with pytest.raises(
        UserError, match=r"^runs\.diffusion\.objective\.timesteps: input should be greater than or equal"
    ):
        study(runs__diffusion__objective={"kind": "diffusion", "timesteps": 49})


def test_a_transform_is_a_word_or_an_invertible_matrix():
    rows = [[0, 1, 0, 0], [2, 0, 0, 0], [0, 0, 0, -1], [0, 0, 0.5, 0]]
    runs = study(runs__all__latent_transform=rows, runs__half__latent_transform="flip_all").runs
    assert runs["all"].latent_transform == tuple(tuple(map(float, row)) for row in rows)
    assert (runs["half"].latent_transform, runs["near"].latent_transform) == ("flip_all", "none")
    assert runs["all"].identity()["latent_transform"] == rows


def test_samples_follow_the_part_of_a_sampling_that_their_run_uses():
    edit = {"runs__half__objective": "diffusion"}
    plain = study(**edit)
    for changed, of_flow, of_diffusion in (
        ({"samplings__euler__diffusion": {"steps": 50}}, False, True),
        ({"samplings__euler__solver": "heun"}, True, False),
        ({"samplings__euler__time_shift": 3.0}, True, False),
        ({"samplings__euler__guidance_channels": "first_three"}, True, True),
        ({"samplings__euler__seed": 1}, True, True),
    ):
        other = study(**edit, **changed)
        for run, expected in (("all", of_flow), ("half", of_diffusion)):
            found = other.sampling_identity(run, "euler") != plain.sampling_identity(run, "euler")
            assert found == expected, (changed, run)
    assert (plain.protocol("all", "euler"), plain.protocol("half", "euler")) == ("euler 60 steps", "ddim 250 steps")
    adaptive = study(samplings__euler={"solver": "dopri5", "rtol": 1e-4})
    assert adaptive.protocol("all", "euler") == "dopri5 rtol 0.0001 atol 1e-05"
    assert not {"steps", "time_shift", "diffusion"} & adaptive.sampling_identity("all", "euler").keys()
    assert not {"rtol", "atol", "diffusion"} & plain.sampling_identity("all", "euler").keys()


def test_a_diffusion_run_is_not_sampled_in_more_steps_than_it_has_times():
    message = r"^samplings\.euler\.diffusion\.steps: 250 are more than the 100 timesteps of run 'half'$"
    with pytest.raises(UserError, match=message):
        study(runs__half__objective={"kind": "diffusion", "timesteps": 100})


def test_the_solvers_and_targets_of_the_study_are_those_of_the_library():
    assert set(get_args(Sampling.model_fields["solver"].annotation)) == set(flow.SOLVERS)
    assert set(get_args(FlowMatching.model_fields["coupling"].annotation)) == set(flow.COUPLINGS)
    assert set(get_args(Diffusion.model_fields["schedule"].annotation)) == set(flow.ALPHAS_CUMPROD)


def test_a_scoring_is_keyed_by_a_run():
    with pytest.raises(UserError, match=r"^scorings\.nobody: names no run; .*\(runs: surrogate, all"):
        study(scorings__nobody={}, subsets__hard__scores="surrogate")


def test_an_evaluation_compares_only_evaluated_runs():
    with pytest.raises(UserError, match=r"^evaluations\.faces\.reference: run 'all' is not among the evaluated runs$"):
        study(evaluations__faces__runs=["half"])
    with pytest.raises(UserError, match=r"inverse_pairs: run 'surrogate' is not among the evaluated runs"):
        study(evaluations__faces__inverse_pairs=[["half", "surrogate"]])


def test_a_reference_is_left_out_only_where_there_is_one_entry():
    with pytest.raises(UserError) as error:
        study(**TWO_DATASETS)
    assert "runs.all.dataset: has to be named, since the study has faces, digits" in str(error.value).splitlines()


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


def test_a_tokenizer_takes_images_of_its_channels_and_resolutions():
    with pytest.raises(UserError, match=r"^runs\.other\.tokenizer: 'vqvae' takes 3 channels, not 1$"):
        parse_study(complete(runs__other={"dataset": "digits"}))
    odd = {"source": "synthetic_faces", "resolution": 13}
    with pytest.raises(UserError, match=r"^runs\.other\.tokenizer: resolution 13 is no multiple of 2$"):
        parse_study(complete(datasets__odd=odd, runs__other={"dataset": "odd", "model": "DiT-T/1"}))


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


def load(tmp_path, text):
    (tmp_path / "study.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_study(tmp_path / "study.yaml")


def test_a_key_that_stands_twice_is_refused(tmp_path):
    text = yaml.safe_dump(SMALL, sort_keys=False)
    assert load(tmp_path, text) == study()
    with pytest.raises(UserError, match=r"study\.yaml.*: line \d+: the key 'half' stands twice"):
        load(tmp_path, text.replace("  near:\n    subset: near\n", "  half: {subset: near}\n"))
    with pytest.raises(UserError, match=r"study\.yaml.*: the key 'runs' stands twice"):
        load(tmp_path, text + "runs: {}\n")


def test_yaml_anchors_and_merge_keys_work(tmp_path):
    runs = "runs:\n  surrogate: &a {steps: 3, seed: 5}\n  all: &b {<<: *a, seed: 1}\n  half: {<<: *b, steps: 9}\n"
    raw = {key: value for key, value in edited(subsets={}).items() if key != "runs"}
    runs = load(tmp_path, yaml.safe_dump(raw) + runs).runs
    assert [(run.steps, run.seed) for run in runs.values()] == [(3, 5), (3, 1), (9, 1)]


def test_every_line_of_an_error_names_the_file(tmp_path):
    with pytest.raises(UserError) as error:
        load(tmp_path, yaml.safe_dump(edited(surprise=1, more=2)))
    assert [line.startswith(f"{tmp_path / 'study.yaml'}: ") for line in str(error.value).splitlines()] == [True, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("runs: [", "not valid YAML"),
        ("- a", "a study is a mapping with the keys name, results"),
        ("", "a study is a mapping"),
        ("name: !!python/object/apply:os.getcwd []", "not valid YAML"),
        (b"name: caf\xe9", "not UTF-8"),
    ],
)
def test_what_is_no_study_is_one_clear_error(tmp_path, text, message):
    with pytest.raises(UserError, match=rf"study\.yaml: {message}"):
        load(tmp_path, text)


def test_a_missing_study_is_one_clear_error(tmp_path):
    with pytest.raises(UserError, match=r"nix\.yaml: cannot read the study \(No such file"):
        load_study(tmp_path / "nix.yaml")


def hashes(**edits):
    built = study(**edits)
    return {name: Path(paths.state_file(built, "runs", name)).name for name in built.runs}


ALL = set(SMALL["runs"])


@pytest.mark.parametrize(
    ("edits", "retrained"),
    [
        ({"runs__half__label": "a half"}, set()),
        ({"tokenizers__vqvae__label": "a tokenizer"}, set()),
        ({"subsets__half__label": "a half"}, set()),
        ({"name": "renamed"}, set()),
        ({"results": "elsewhere"}, set()),
        ({"samplings__euler__steps": 7}, set()),
        ({"evaluations__faces__seed": 7}, set()),
        ({"runs__new": {"steps": 3}}, set()),
        ({"runs__new": {"weights": "w.pt"}}, set()),
        ({"runs__surrogate": {"weights": "w.pt"}}, {"surrogate", "hard"}),
        ({"runs__half__learning_rate": 0.5}, {"half"}),
        ({"runs__half__objective": "diffusion"}, {"half"}),
        ({"runs__half__objective": "flow_matching"}, set()),
        ({"runs__half__latent_transform": "flip_all"}, {"half"}),
        ({"subsets__half__seed": 5}, {"half"}),
        ({"clusterings__k4__k": 5}, {"near"}),
        ({"clusterings__k4__compare_k": [2]}, set()),
        ({"encoders__probe__steps": 5}, {"near"}),
        ({"scorings__surrogate__timesteps": 3}, {"hard"}),
        ({"runs__surrogate__seed": 3}, {"surrogate", "hard"}),
        ({"defaults__runs__steps": 21}, ALL - {"surrogate"}),
        ({"tokenizers__vqvae__seed": 3}, ALL),
        ({"datasets__faces__count": 99}, ALL),
    ],
    ids=lambda value: next(iter(value), "none") if isinstance(value, dict) else "",
)
def test_an_edit_retrains_what_it_flows_into_and_nothing_else(edits, retrained):
    before, after = hashes(), hashes(**edits)
    assert {name for name in before if before[name] != after[name]} == retrained


def test_labels_never_enter_an_identity():
    plain, labelled = study(), study(runs__half__label="x", subsets__half__label="y")
    assert run_identity(plain, "half") == run_identity(labelled, "half")
    assert subset_identity(plain, "half") == subset_identity(labelled, "half")
    assert labelled.runs["half"].label == "x"


def test_state_files_of_tokenizers_and_encoders_follow_their_own_specs():
    for section, name, field in (("tokenizers", "vqvae", "learning_rate"), ("encoders", "probe", "width")):
        plain = paths.state_file(study(), section, name)
        assert plain.startswith(f"results/state/{section}/{name}-")
        assert paths.state_file(study(**{f"{section}__{name}__{field}": 16}), section, name) != plain
        assert paths.state_file(study(runs__half__seed=3), section, name) == plain


def test_the_state_of_a_scoring_follows_its_surrogate():
    plain = paths.state_file(study(), "scorings", "surrogate")
    assert plain.startswith("results/state/scorings/surrogate-") and plain.endswith(".npy")
    for edit in ({"scorings__surrogate__seed": 1}, {"runs__surrogate__steps": 6}):
        assert paths.state_file(study(**edit), "scorings", "surrogate") != plain
    assert paths.state_file(study(runs__half__seed=3), "scorings", "surrogate") == plain


@pytest.mark.parametrize(
    ("section", "names", "into", "others"),
    [
        ("latents", ("faces", "vqvae"), {"tokenizers__vqvae__seed": 3}, {"encoders__probe__steps": 5}),
        ("embeddings", ("faces", "probe"), {"encoders__probe__steps": 5}, {"tokenizers__vqvae__seed": 3}),
        ("features", ("probe", "half", "euler"), {"samplings__euler__steps": 7}, {"runs__near__seed": 3}),
        ("attributes", ("faces", "probe"), {"encoders__probe__steps": 5}, {"tokenizers__vqvae__seed": 3}),
        ("sampled_attributes", ("probe", "half", "euler"), {"samplings__euler__steps": 7}, {"runs__near__seed": 3}),
    ],
)
def test_the_state_of_rows_follows_what_they_are_computed_from(section, names, into, others):
    plain = paths.state_file(study(), section, *names)
    assert plain.startswith(f"results/state/{section}/{'/'.join(names)}-") and plain.endswith(".npy")
    for edit in (into, {"datasets__faces__count": 99}):
        assert paths.state_file(study(**edit), section, *names) != plain
    assert paths.state_file(study(**others), section, *names) == plain


def test_paths_are_followed_through_the_runs_that_have_them():
    edits = {"runs__near__objective": "diffusion", "evaluations__faces__inverse_pairs": [["hard", "half"]]}
    shown = study(**edits, evaluations__faces__paths=4)
    pairs = [("half", "all"), ("hard", "all"), ("hard", "half")]
    assert shown.path_pairs("faces") == pairs
    assert shown.compared_pairs("faces") == [*pairs[:1], ("near", "all"), *pairs[1:]]
    assert shown.traced_runs("faces") == ["half", "all", "hard"]
    assert [shown.traced_noises(run, "euler") for run in ("all", "hard", "near", "surrogate")] == [4, 4, 0, 0]
    assert study(**edits).traced_noises("all", "euler") == 0
    # How many samples there are is nothing to a path.
    more = study(**edits, evaluations__faces__paths=4, samplings__euler__count=90)
    assert more.path_identity("all", "euler") == shown.path_identity("all", "euler")
    assert "steps" in shown.path_identity("all", "euler")


def test_paths_need_two_noises_and_two_runs():
    with pytest.raises(UserError, match=r"^evaluations\.faces\.paths: 1 noise has no other to be compared with; 2 at"):
        study(evaluations__faces__paths=1)
    with pytest.raises(UserError, match=r"^evaluations\.faces\.paths: there are no two runs whose paths could be"):
        study(evaluations__faces__paths=4, runs__all={"objective": "diffusion"})
    for edit in ({"evaluations__faces__reference": ...}, {"evaluations__faces__reference": "nix"}):
        with pytest.raises(UserError) as error:
            study(evaluations__faces__paths=4, **edit)
        assert [line.partition(":")[0] for line in str(error.value).splitlines()] == ["evaluations.faces.reference"]
    with pytest.raises(UserError, match=r"^evaluations\.faces\.paths: input should be greater than or equal to 0"):
        study(evaluations__faces__paths=-1)


def test_the_criteria_of_the_study_are_those_of_the_library():
    kinds = get_args(get_args(Subset)[0])
    named = [name for kind in kinds for name in get_args(kind.model_fields["criterion"].annotation)]
    assert sorted(named) == sorted(CRITERIA)


SPACES = {
    "core": {"criterion": "kernel", "pruning_fraction": 0.5},
    "spread": {"criterion": "k_centre", "pruning_fraction": 0.5, "space": "embeddings"},
    "unlike": {"criterion": "semdedup", "pruning_fraction": 0.5},
    "both": {"criterion": "intersection", "of": ["near", "hard"]},
}


def test_a_subset_reads_what_it_is_chosen_by():
    found = study(**{f"subsets__{name}": spec for name, spec in SPACES.items()})
    root = "results/faces"
    latents, embeddings = f"{root}/latents/vqvae.npy", f"{root}/embeddings/probe.npy"
    clusters, scores = f"{root}/clusters/k4.parquet", f"{root}/scores/surrogate.parquet"
    assert {name: paths.chosen_by(found, name) for name in found.subsets} == {
        "half": {},
        "near": {"clusters": clusters},
        "hard": {"scores": scores},
        "core": {"latents": latents},
        "spread": {"embeddings": embeddings},
        "unlike": {"clusters": clusters, "embeddings": embeddings},
        "both": {f"subset {name}": f"{root}/subsets/{name}.parquet" for name in ("near", "hard")},
    }
    assert paths.sidecar(latents) == f"{root}/latents/vqvae.json"


def test_a_space_needs_its_own_network_alone():
    alone = {key: SMALL[key] for key in ("name", "datasets", "encoders")}
    found = parse_study({**alone, "subsets": {"spread": SPACES["spread"]}}).subsets["spread"]
    assert (found.encoder, found.tokenizer) == ("probe", None)
    with pytest.raises(
        UserError, match=r"^subsets\.core\.tokenizer: has to be named, since the study has no tokenizers$"
    ):
        parse_study({**alone, "subsets": {"core": SPACES["core"]}})


@pytest.mark.parametrize(
    ("edit", "changed"),
    [
        ({"tokenizers__vqvae__steps": 11}, {"core"}),
        ({"encoders__probe__steps": 11}, {"near", "spread", "unlike", "both"}),
        ({"subsets__near__pruning_fraction": 0.6}, {"near", "both"}),
    ],
)
def test_the_identity_of_a_subset_follows_its_space_and_its_members(edit, changed):
    subsets = {f"subsets__{name}": spec for name, spec in SPACES.items()} | {"subsets__hard": ...}
    subsets |= {"runs__hard": ..., "subsets__both": {"criterion": "intersection", "of": ["near", "half"]}}
    before, after = study(**subsets), study(**copy.deepcopy(subsets), **edit)
    assert {n for n in before.subsets if subset_identity(before, n) != subset_identity(after, n)} == changed


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


def test_the_documentation_lists_every_criterion_with_its_keys():
    page = (ROOT / "docs" / "pruning.md").read_text(encoding="utf-8")
    specs = {
        name: kind
        for kind in get_args(get_args(Subset)[0])
        for name in get_args(kind.model_fields["criterion"].annotation)
    }
    rows = [
        f"| `{name}` | {criterion.keeps} | {keys_of(specs[name])} | {criterion.source} |".replace("|  |", "| |")
        for name, criterion in CRITERIA.items()
    ]
    assert [line for line in page.splitlines() if line.startswith("| `")] == rows


def keys_of(spec):
    """The keys of a subset beside those that all have; in brackets what may be left out."""
    fields = {name: field for name, field in spec.model_fields.items() if name not in ("criterion", "dataset", "label")}
    return ", ".join(name if field.is_required() else f"({name})" for name, field in fields.items())


def test_the_schema_of_the_editors_is_in_sync():
    written = (ROOT / "workflow" / "schemas" / "study.schema.json").read_text(encoding="utf-8")
    assert written == study_schema(), "python -m steadyflow.study.schema > workflow/schemas/study.schema.json"


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.name)
def test_every_study_of_the_project_is_valid(path):
    loaded = load_study(path)
    assert all(paths.state_file(loaded, "runs", name) for name in loaded.runs)


def test_parsing_a_study_imports_nothing_heavy():
    code = (
        "import sys, steadyflow.study as s, steadyflow.study.paths\n"
        f"s.load_study({str(STUDIES[0])!r})\n"
        "print(*sorted({'torch', 'numpy', 'pandas', 'scipy', 'sklearn', 'matplotlib'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""


def test_downloads_lie_where_the_study_or_the_environment_says(monkeypatch):
    monkeypatch.delenv("STEADYFLOW_DOWNLOADS", raising=False)
    assert parse_study(complete()).downloads == "downloads"
    monkeypatch.setenv("STEADYFLOW_DOWNLOADS", "/data/shared")
    assert parse_study(complete()).downloads == "/data/shared"
    assert parse_study(complete(downloads="here")).downloads == "here"
    monkeypatch.setenv("STEADYFLOW_DOWNLOADS", "/with space")
    with pytest.raises(UserError, match="downloads: string should match"):
        parse_study(complete())
