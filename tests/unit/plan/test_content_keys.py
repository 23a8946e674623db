"""What a result's key follows: its own spec, its stage's version, and the content of its inputs; nothing else."""

import dataclasses

import pytest
from support.studies import SMALL, study

from steadyflow.plan.layout import checkpoint_file
from steadyflow.plan.provenance import Fingerprint, content_key, identity_of, named_inputs
from steadyflow.stages.registry import STAGES
from steadyflow.stages.stage import Artifact, Job, upstream
from steadyflow.study import Study, parse_study

ALL = set(SMALL["runs"])


def keys_of(made: Study, stage: str, wildcard: str) -> dict[str, str]:
    """Of all jobs of a stage, each by the value of one of its wildcards. Every file's content is taken to be a hash of
    what its job is made from, so that an edit flows as far as it can."""
    keys: dict[Job, str] = {}
    jobs = [STAGES["train_run"].job({"dataset": str(run.dataset), "run": name}) for name, run in made.runs.items()]
    jobs += [STAGES["select_subset"].job({"dataset": "faces", "subset": name}) for name in made.subsets]
    for dataset, evaluation in made.evaluations.items():
        jobs += [STAGES["measure_quality"].job({"dataset": dataset, "measured": run}) for run in evaluation.runs or ()]
        jobs += [STAGES["measure_fairness"].job({"dataset": dataset})] if evaluation.classifiers else []
    for job in upstream(made, jobs):
        inputs = {
            name: Fingerprint(0, 0, f"{keys[item.job]} {item.output}" if isinstance(item, Artifact) else "")
            for name, item in named_inputs(job.stage.inputs(made, job.names))
        }
        keys[job] = content_key(job.stage.name, job.stage.version, identity_of(made, job), inputs)
    return {job.names[wildcard]: key for job, key in keys.items() if job.stage.name == stage}


def changed(before: Study, after: Study, stage: str, wildcard: str) -> set[str]:
    """The jobs whose key is another after an edit."""
    old, new = keys_of(before, stage, wildcard), keys_of(after, stage, wildcard)
    return {name for name in old.keys() & new.keys() if old[name] != new[name]}


@pytest.mark.parametrize(
    ("edits", "retrained"),
    [
        ({"runs__half__label": "a half"}, set()),
        ({"tokenizers__vqvae__label": "a tokenizer"}, set()),
        ({"subsets__half__label": "a half"}, set()),
        ({"datasets__faces__expected_images": 12}, set()),
        ({"name": "renamed"}, set()),
        ({"results": "elsewhere"}, set()),
        ({"downloads": "elsewhere"}, set()),
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
    assert changed(study(), study(**edits), "train_run", "run") == retrained


@pytest.mark.parametrize(
    ("edits", "stage", "wildcard", "remade"),
    [
        ({"tokenizers__vqvae__seed": 3}, "encode_latents", "tokenizer", {"vqvae"}),
        ({"datasets__faces__count": 99}, "encode_latents", "tokenizer", {"vqvae"}),
        ({"encoders__probe__steps": 5}, "encode_latents", "tokenizer", set()),
        ({"encoders__probe__steps": 5}, "embed_images", "encoder", {"probe"}),
        ({"datasets__faces__count": 99}, "embed_images", "encoder", {"probe"}),
        ({"tokenizers__vqvae__seed": 3}, "embed_images", "encoder", set()),
        ({"encoders__probe__steps": 5}, "classify_images", "classifier", {"probe"}),
        ({"tokenizers__vqvae__seed": 3}, "classify_images", "classifier", set()),
        ({"scorings__surrogate__seed": 1}, "score_samples", "run", {"surrogate"}),
        ({"runs__surrogate__steps": 6}, "score_samples", "run", {"surrogate"}),
        ({"runs__half__seed": 3}, "score_samples", "run", set()),
        ({"samplings__euler__steps": 7}, "embed_samples", "run", {"all", "half", "near", "hard"}),
        ({"runs__near__seed": 3}, "embed_samples", "run", {"near"}),
        ({"samplings__euler__steps": 7}, "classify_samples", "run", {"all", "half", "near", "hard"}),
        ({"runs__near__seed": 3}, "classify_samples", "run", {"near"}),
        ({"runs__near__seed": 3}, "measure_quality", "measured", {"near"}),
        ({"runs__near__label": "nearest"}, "measure_quality", "measured", set()),
        ({"runs__new": {}}, "measure_quality", "measured", set()),
        ({"evaluations__faces__inverse_pairs": [["half", "near"]]}, "measure_quality", "measured", set()),
        ({"runs__near__seed": 3}, "measure_fairness", "dataset", {"faces"}),
        ({"runs__near__label": "nearest"}, "measure_fairness", "dataset", set()),
    ],
)
def test_an_edit_makes_rows_and_metrics_anew_that_it_flows_into(edits, stage, wildcard, remade):
    assert changed(study(), study(**edits), stage, wildcard) == remade


SUBSETS = {
    "subsets__core": {"criterion": "kernel", "pruning_fraction": 0.5},
    "subsets__spread": {"criterion": "k_centre", "pruning_fraction": 0.5, "space": "embeddings"},
    "subsets__unlike": {"criterion": "semdedup", "pruning_fraction": 0.5},
    "subsets__both": {"criterion": "intersection", "of": ["near", "half"]},
    "subsets__hard": ...,
    "runs__hard": ...,
}


@pytest.mark.parametrize(
    ("edit", "chosen_anew"),
    [
        ({"tokenizers__vqvae__steps": 11}, {"core"}),
        ({"encoders__probe__steps": 11}, {"near", "spread", "unlike", "both"}),
        ({"subsets__near__pruning_fraction": 0.6}, {"near", "both"}),
        ({"subsets__near__label": "nearest"}, set()),
    ],
)
def test_a_subset_follows_its_space_and_its_members(edit, chosen_anew):
    after = study(**SUBSETS, **edit)
    assert changed(study(**SUBSETS), after, "select_subset", "subset") == chosen_anew


def reordered(value):
    """The same mapping, its keys and those of all that it holds in reverse."""
    if isinstance(value, dict):
        return {key: reordered(each) for key, each in reversed(value.items())}
    return value


def test_the_order_of_keys_is_no_content():
    raw = SMALL | {
        "evaluations": {"faces": {"reference": "all", "runs": ["all", "half", "near", "hard"], "null_model": False}}
    }
    before, after = parse_study(raw), parse_study(reordered(raw))
    assert list(before.runs) == [*reversed(after.runs)]
    for stage, wildcard in (("train_run", "run"), ("measure_quality", "measured"), ("measure_fairness", "dataset")):
        assert keys_of(before, stage, wildcard) and not changed(before, after, stage, wildcard)


def test_a_key_is_of_the_stage_its_version_the_identity_and_the_content_of_every_input():
    content = {"images": Fingerprint(10, 1, "aa"), "labels": Fingerprint(20, 2, "bb")}
    identity = {"steps": 5, "model": {"width": 8, "depth": 2}}
    plain = content_key("train", 1, identity, content)
    assert len(plain) == 16 and int(plain, 16)
    others = [
        content_key("score", 1, identity, content),
        content_key("train", 2, identity, content),
        content_key("train", 1, {**identity, "steps": 6}, content),
        content_key("train", 1, identity, {**content, "images": Fingerprint(10, 1, "cc")}),
        content_key("train", 1, identity, {"images": content["images"]}),
        content_key("train", 1, identity, {"pictures": content["images"], "labels": content["labels"]}),
        content_key("train", 1, identity, {"images": content["labels"], "labels": content["images"]}),
    ]
    assert len({plain, *others}) == 1 + len(others)
    # Nor do names in another order, or times and sizes of files, which a copy changes.
    copied = {name: dataclasses.replace(each, mtime_ns=9, size=0) for name, each in reversed(content.items())}
    assert content_key("train", 1, reordered(identity), copied) == plain


@pytest.mark.parametrize(
    ("stage", "names", "place"),
    [
        ("train_run", {"run": "half"}, "faces/runs/half-0123.pt"),
        ("train_tokenizer", {"tokenizer": "vqvae"}, "faces/tokenizers/vqvae-0123.pt"),
        ("train_probe", {"encoder": "probe"}, "faces/encoders/probe-0123.pt"),
        ("score_samples", {"run": "surrogate"}, "faces/scores/surrogate-0123.npy"),
        ("encode_latents", {"tokenizer": "vqvae"}, "faces/latents/vqvae-0123.npy"),
        (
            "embed_samples",
            {"encoder": "probe", "run": "half", "sampling": "euler"},
            "faces/features/probe/half/euler-0123.npy",
        ),
    ],
)
def test_a_checkpoint_bears_the_key_of_what_it_is_made_from(stage, names, place):
    job = STAGES[stage].job({"dataset": "faces", **names})
    assert str(checkpoint_file(study(), job, "0123")) == f"results/state/{place}"
