"""Resource requests of jobs, held to the hours that the papers print and to arithmetic."""

import csv
import math
import re

import pytest
from support.studies import ROOT, STUDIES, every_job

from steadyflow.plan.snakemake import Rules
from steadyflow.stages.cost import LONGEST, SHORTEST, Cost, images, training_hours
from steadyflow.stages.flops import velocity_flops, velocity_weights
from steadyflow.stages.registry import STAGES
from steadyflow.study import load_study, parse_study
from steadyflow.study.specs import Study

NODE_MB = 500_000
"""Of a node of JUWELS Booster."""


def published_hours():
    with (ROOT / "resources/paper/scalars.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["quantity"] == "training_hours"]
    for row in rows:
        assert row["unit"] == "h on 4 A100" and row["note"] == "batch 128"
        model, steps = re.fullmatch(r"(\S+) (\d+)k iterations", row["variant"]).groups()
        yield model, 1000 * int(steps), float(row["value"])


def test_there_are_three_published_trainings():
    assert [model for model, *_ in published_hours()] == ["DiT-XL/2", "DiT-S/2", "DiT-B/2"]


@pytest.mark.parametrize(("model", "steps", "hours"), list(published_hours()))
def test_the_published_hours_are_reproduced_within_a_tenth(model, steps, hours):
    estimated = training_hours(steps, 128, velocity_flops(model, 32))
    assert 1 / 1.1 < estimated / hours < 1.1


@pytest.fixture
def study() -> Study:
    return parse_study(
        {
            "name": "small",
            "datasets": {"faces": {"source": "synthetic_faces", "count": 1000, "resolution": 64}},
            "tokenizers": {"vqvae": {"latent_channels": 8, "perceptual": "none", "adversarial": "none"}},
            "encoders": {"probe": {"feature_dim": 32}},
            "clusterings": {"k4": {"k": 4}},
            "subsets": {
                "half": {"criterion": "random", "pruning_fraction": 0.5},
                "b": {"criterion": "cluster_b", "pruning_fraction": 0.5},
                "both": {"criterion": "intersection", "of": ["half", "b"]},
            },
            "defaults": {"runs": {"steps": 1000}},
            "runs": {
                "unpruned": {},
                "long": {"steps": 2000, "subset": "half"},
                "conditional": {"conditional": True},
                "of_both": {"subset": "both", "model": "UNet-M"},
            },
            "samplings": {"euler": {"steps": 10, "count": 500, "guidance": 2.0}},
            "evaluations": {"faces": {"reference": "unpruned", "paths": 8}},
        }
    )


def of(study, stage, **names):
    return STAGES[stage].cost(study, {"dataset": "faces", **names})


def test_hours_and_bytes_follow_what_there_is_to_do(study):
    start = of(study, "train_run", run="unpruned").hours - training_hours(1000, 128, velocity_flops("DiT-S/2", 8))
    double = of(study, "train_run", run="long").hours - start
    assert double == pytest.approx(2 * (of(study, "train_run", run="unpruned").hours - start))
    assert of(study, "prepare_dataset").disk_mb == pytest.approx(1000 * 64 * 64 * 3 / 1e6)
    assert of(study, "encode_latents", tokenizer="vqvae").disk_mb == pytest.approx(1000 * 8 * 8 * 8 * 2 / 1e6)
    assert of(study, "embed_images", encoder="probe").disk_mb == pytest.approx(1000 * 32 * 4 / 1e6)
    samples = of(study, "sample_run", run="unpruned", sampling="euler")
    assert samples.disk_mb == pytest.approx(500 * (64 * 64 * 3 + 8 * 8 * 8 * 4) / 1e6)
    guided = of(study, "sample_run", run="conditional", sampling="euler")
    assert guided.hours > samples.hours and guided.disk_mb == samples.disk_mb
    assert of(study, "select_subset", subset="half").gpu_hours == 0 < samples.gpu_hours


def test_a_job_that_begins_anew_at_each_try_requests_more():
    for hours, first in ((0.01, SHORTEST), (1.0, 90), (100.0, LONGEST)):
        cost = Cost(hours, disk_mb=1)
        expected = [min(LONGEST, attempt * first) for attempt in (1, 2, 3, 1000)]
        assert [cost.minutes(attempt, resumes=False) for attempt in (1, 2, 3, 1000)] == expected
        assert [cost.minutes(attempt) for attempt in (1, 2, 3, 1000)] == [first] * 4


def test_a_rule_requests_what_its_stage_costs(study):
    for stage, names in (("prepare_dataset", {}), ("train_run", {"run": "unpruned"})):
        job = STAGES[stage].job({"dataset": "faces", **names})
        requested, cost = Rules(study).resources(stage), job.stage.cost(study, job.names)
        resumes = stage == "train_run"
        for attempt in (1, 2):
            minutes = requested["runtime"](job.names, attempt)
            assert minutes == cost.minutes(attempt, resumes=resumes) == (1 if resumes else attempt) * SHORTEST
        assert requested["mem_mb"](job.names) == math.ceil(cost.mem_mb)
        assert requested["disk_mb"](job.names) == math.ceil(cost.disk_mb)


def test_a_weights_file_is_not_trained(study):
    taken = study.runs["unpruned"].model_copy(update={"weights": "file.pt"})
    study = study.model_copy(update={"runs": {**study.runs, "unpruned": taken}})
    assert of(study, "train_run", run="unpruned").hours < 0.1


@pytest.mark.parametrize("model", ["DiT-S/2", "DiT-XL/2"])
def test_every_process_of_a_node_has_room_for_the_state_that_it_goes_on_from(study, model):
    """And for torch, beside it."""
    run = study.runs["unpruned"].model_copy(update={"model": model})
    study = study.model_copy(update={"runs": {"unpruned": run}})
    # Weights, their average and two moments, in fp32.
    state_mb = 4 * 4 * velocity_weights(model) / 1e6
    asked = of(study, "train_run", run="unpruned")
    assert asked.mem_mb > 4 * (state_mb + 5_000)
    assert asked.state_mb == pytest.approx(3 * state_mb, rel=1e-6)
    sampled = of(study, "sample_run", run="unpruned", sampling="euler").mem_mb
    assert 4 * (state_mb / 4 + 5_000) < sampled < asked.mem_mb


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_job_of_every_study_asks_for_what_a_cluster_can_give(path):
    study = load_study(path)
    for job in every_job(study):
        if job.stage.cost is None:
            continue
        asked = job.stage.cost(study, job.names)
        assert SHORTEST <= asked.minutes() <= LONGEST
        assert 0 < asked.mem_mb < NODE_MB
        assert 0 < asked.disk_mb < math.inf and 0 < asked.hours < 24 * 7


def test_the_number_of_images_is_said_known_or_taken_for_many(study):
    assert images(study.datasets["faces"]) == 1000
    folder = {"source": "folder", "path": "somewhere", "resolution": 64}
    said = [
        parse_study({"name": "folder", "datasets": {"mine": folder | more}}).datasets["mine"]
        for more in ({}, {"expected_images": 12})
    ]
    assert [images(dataset) for dataset in said] == [100_000, 12]
    # It is of use before the images are there, and makes nothing anew.
    assert said[0].identity() == said[1].identity()
