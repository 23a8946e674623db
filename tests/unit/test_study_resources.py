"""What jobs ask for, held to the hours that the papers print and to arithmetic; and what a study adds up to."""

import csv
import math
import re
from pathlib import Path

import pytest

from steadyflow.study import load_study, parse_study, paths
from steadyflow.study.estimate import cost, estimate
from steadyflow.study.flops import velocity_flops
from steadyflow.study.jobs import jobs
from steadyflow.study.resources import LONGEST, SHORTEST, WORK, images, training_hours, work
from steadyflow.study.specs import Study

ROOT = Path(__file__).parents[2]
STUDIES = sorted([ROOT / "config.yaml", *(ROOT / "studies").glob("*.yaml")])


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


def of(study, rule, **wildcards):
    return work(study, rule, {"dataset": "faces", **wildcards})


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


def test_the_estimate_is_the_sum_of_its_jobs_and_forgets_what_is_done(study, tmp_path):
    study = study.model_copy(update={"results": str(tmp_path)})
    asked = jobs(study)
    assert len(asked) == len(set(asked))
    counts = {rule: sum(job.rule == rule for job in asked) for rule in WORK}
    assert counts == {
        **dict.fromkeys(WORK, 1),
        "score_samples": 0,
        "select_subset": 3,
        "train_run": 4,
        "sample_run": 4,
        "embed_samples": 4,
        "classify_samples": 4,
        "measure_quality": 4,
        "trace_paths": 4,
    }
    found = estimate(study)
    assert list(found) == [*(rule for rule in WORK if counts[rule]), "in all"]
    for part in ("everything", "left"):
        stages = [getattr(each, part) for name, each in found.items() if name != "in all"]
        whole = getattr(found["in all"], part)
        assert whole == cost(work(study, job.rule, dict(job.wildcards)) for job in asked)
        for total in ("jobs", "gpu_hours", "disk_gb"):
            assert getattr(whole, total) == pytest.approx(sum(getattr(stage, total) for stage in stages))
        for largest in ("longest_hours", "state_gb"):
            assert getattr(whole, largest) == max(getattr(stage, largest) for stage in stages)
    done = Path(paths.run_files(study, "long")["description"])
    done.parent.mkdir(parents=True)
    done.touch()
    left = estimate(study)
    run = of(study, "train_run", run="long")
    for name in ("train_run", "in all"):
        assert left[name].everything == found[name].everything
        assert left[name].left.jobs == found[name].left.jobs - 1
        assert left[name].left.gpu_hours == pytest.approx(found[name].left.gpu_hours - run.gpu_hours)


def test_a_weights_file_is_not_trained(study):
    taken = study.runs["unpruned"].model_copy(update={"weights": "file.pt"})
    study = study.model_copy(update={"runs": {**study.runs, "unpruned": taken}})
    assert of(study, "train_run", run="unpruned").hours < 0.1


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_job_of_every_study_asks_for_what_a_cluster_can_give(path):
    study = load_study(path)
    for job in jobs(study):
        asked = work(study, job.rule, dict(job.wildcards))
        assert SHORTEST <= asked.runtime <= LONGEST
        assert 0 < asked.mem_mb < 64_000
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
