"""What every stage declares is complete, and of one piece with the others."""

import argparse
import re
from collections import Counter
from pathlib import Path
from string import Formatter

import pytest
from support.studies import STUDIES, every_job, study

from steadyflow.plan.layout import benchmark_place, checkpoint_file, filled, log_file, record_file
from steadyflow.plan.script import StageRun
from steadyflow.stages.data import dataset_artifacts
from steadyflow.stages.registry import STAGES
from steadyflow.stages.stage import Artifact, External, each_input, file_of, output_files, upstream
from steadyflow.stages.tokenizers import latents_artifacts
from steadyflow.study import load_study


def wildcards(place):
    return {name for _, name, _, _ in Formatter().parse(place) if name}


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_every_place_has_all_wildcards(stage):
    assert stage.outputs and len(set(stage.outputs.values())) == len(stage.outputs)
    for place in (stage.place, *stage.outputs.values()):
        assert wildcards(place) == set(stage.wildcards)
        assert not place.startswith("/") and ".." not in place
    # Snakemake takes an output's name as an attribute.
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in stage.outputs)


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_is_registered_under_its_name(name):
    assert STAGES[name].name == name and STAGES[name].version >= 1


def test_a_job_takes_the_wildcards_of_its_stage_and_no_others():
    job = STAGES["train_run"].job({"run": "half", "dataset": "faces", "sampling": "euler"})
    assert job.names == {"dataset": "faces", "run": "half"}
    assert job == STAGES["train_run"].job({"dataset": "faces", "run": "half"})
    assert job["weights"].place == "faces/runs/half/weights.safetensors"
    with pytest.raises(KeyError, match="run"):
        STAGES["train_run"].job({"dataset": "faces"})


@pytest.mark.parametrize("file", STUDIES, ids=lambda file: file.stem)
def test_every_input_is_an_output_of_a_stage(file):
    made = load_study(file)
    jobs = every_job(made)
    for job in jobs:
        for each in each_input(job.stage.inputs(made, job.names)):
            if isinstance(each, Artifact):
                assert STAGES[each.job.stage.name] is each.job.stage
                assert each.output in each.job.stage.outputs
                assert each.job in jobs
            else:
                assert isinstance(each, External) and each.path


@pytest.mark.parametrize("file", STUDIES, ids=lambda file: file.stem)
def test_no_two_jobs_write_one_file(file):
    made = load_study(file)
    jobs = every_job(made)
    written = [path for job in jobs for path in output_files(made, job).values()]
    for place in (log_file, record_file):
        written += [place(made, job) for job in jobs]
    written += [Path(made.results, benchmark_place(filled(job))) for job in jobs]
    written += [checkpoint_file(made, job, "key") for job in jobs if job.stage.checkpoint]
    assert [path for path, count in Counter(written).items() if count > 1] == []
    # Nor does one lie in a folder that another leaves: Snakemake empties it before the job.
    folders = {job.stage.outputs[name]: path for job in jobs for name, path in output_files(made, job).items()}
    folders = {path for place, path in folders.items() if place.endswith("/")}
    assert [path for path in written if folders & set(path.parents)] == []


@pytest.mark.parametrize("file", STUDIES, ids=lambda file: file.stem)
def test_every_job_comes_once_and_after_what_it_needs(file):
    made = load_study(file)
    place = {job: index for index, job in enumerate(every_job(made))}
    assert len(place) == len(every_job(made))
    for job in place:
        needed = [each for each in each_input(job.stage.inputs(made, job.names)) if isinstance(each, Artifact)]
        assert all(place[each.job] < place[job] for each in needed)


def test_a_job_with_all_that_it_needs_is_a_part_of_the_whole():
    made = study()
    whole = upstream(made, every_job(made))
    for job in whole:
        alone = upstream(made, [job])
        assert alone[-1] == job and set(alone) <= set(whole)


@pytest.fixture
def training():
    """Of the run `half`, as its script has it."""
    made, names = study(), {"dataset": "faces", "run": "half"}
    declared = frozenset(each_input(STAGES["train_run"].inputs(made, names)))
    return StageRun(made, names, {}, {}, Path("state.pt"), argparse.Namespace(stage="train_run"), declared)


def test_a_script_reads_what_its_stage_declares(training):
    for artifact in (*latents_artifacts("faces", "vqvae").values(), *dataset_artifacts("faces", "manifest").values()):
        assert training.file(artifact) == file_of(training.study, artifact)


def test_a_script_reads_nothing_else(training):
    images = dataset_artifacts("faces")["images"]
    expected = "train_run reads prepare_dataset dataset=faces images, which is not among its declared inputs"
    for artifact in (images, STAGES["train_run"].job(training.names)["weights"]):
        with pytest.raises(LookupError):
            training.file(artifact)
    with pytest.raises(LookupError, match=expected):
        training.file(images)
