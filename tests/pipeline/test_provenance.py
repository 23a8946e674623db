"""What stands in a table was made from what the study says now: the real workflow on copies of a finished study."""

import os
import re
import shutil
from pathlib import Path

import pytest
from support.workspace import Finished, Workspace, edited

from steadyflow.plan.provenance import Provenance, fingerprint
from steadyflow.plan.targets import all_jobs
from steadyflow.stages.stage import output_files, upstream
from steadyflow.study import load_study

pytestmark = pytest.mark.pipeline


CHAIN = {
    "train_run dataset=digits run=threes",
    "sample_run dataset=digits run=threes sampling=euler",
    "embed_samples dataset=digits encoder=probe run=threes sampling=euler",
    "measure_quality dataset=digits measured=threes",
    "draw_fd_by_criterion dataset=digits",
}


def test_a_finished_result_is_not_read_once_more(finished: Finished) -> None:
    """The times of all outputs are those of their records: nothing has touched them since."""
    study = load_study(finished.path)
    provenance = Provenance(study)
    for job in upstream(study, all_jobs(study)):
        record = provenance.record(job)
        assert record is not None
        for name, path in output_files(study, job).items():
            assert fingerprint(path, record.outputs[name]) is record.outputs[name], path


def test_a_clone_has_nothing_to_do(copied: Finished) -> None:
    assert copied.planned("all", study=copied.path) == set()


def test_a_copy_without_times_has_nothing_to_do(finished: Finished, tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    shutil.copytree(
        finished.results, space.results, copy_function=shutil.copyfile, ignore=shutil.ignore_patterns(".lock")
    )
    for file in space.results.rglob("*"):
        os.utime(file, (1, 1))
    assert space.planned("all", study=space.write(finished.raw)) == set()


def test_an_edit_is_seen_from_another_working_directory(copied: Finished) -> None:
    study = copied.write(edited(copied.raw, {"runs/threes/seed": 1}), "edited.yaml")
    assert copied.planned("figure_fd_by_criterion", study=study) >= CHAIN
    printed = copied.snakemake("figure_fd_by_criterion", "--dry-run", study=study).stdout
    assert re.search(r"out of date: train_run dataset=digits run=threes: seed: \d+ -> 1", printed)


@pytest.mark.parametrize("target", ["figure_fd_by_criterion", "file"])
def test_a_killed_training_leaves_no_old_numbers_under_a_new_spec(copied: Finished, target: str) -> None:
    """As a new user does: edit a run, run, kill its training, ask for a figure, by its rule or by its file."""
    study = copied.write(edited(copied.raw, {"runs/threes/seed": 1}), "edited.yaml")
    # Snakemake deletes the outputs of a job before it starts it.
    shutil.rmtree(copied.target("digits", "runs", "threes"))
    figure = copied.target("digits", "figures", "fd_by_criterion.png") if target == "file" else target
    assert copied.planned(figure, study=study) >= CHAIN


def test_a_table_of_a_broken_chain_is_refused_by_name(copied: Finished) -> None:
    before = copied.target("digits", "tables", "quality.csv").read_bytes()
    weights = copied.target("digits", "runs", "threes", "weights.safetensors")
    weights.unlink()
    done = copied.script("write_table", "--dataset=digits", "--table=quality", study=copied.path)
    assert done.returncode == 1
    assert f"{weights} is missing" in done.stderr
    assert f"run `snakemake {copied.target('digits', 'tables', 'quality.csv')} " in done.stderr
    assert copied.target("digits", "tables", "quality.csv").read_bytes() == before


def test_a_flipped_bit_is_found_by_what_reads_it(copied: Finished) -> None:
    """Of the same size and time, so that only the content can tell."""
    latents = copied.target("digits", "latents", "vqvae.npy")
    times, content = latents.stat(), bytearray(latents.read_bytes())
    content[-1] ^= 1
    latents.unlink()
    latents.write_bytes(content)
    os.utime(latents, ns=(times.st_atime_ns, times.st_mtime_ns))
    done = copied.script("train_run", "--dataset=digits", "--run=threes", "--device=cpu", study=copied.path)
    assert done.returncode == 1
    assert f"{latents}: is not what its job wrote" in done.stderr


def test_a_swapped_artifact_is_made_anew(copied: Finished) -> None:
    a, b = (copied.target("digits", "runs", run, "weights.safetensors") for run in ("threes", "eights"))
    aside = a.with_suffix(".aside")
    a.rename(aside)
    b.rename(a)
    aside.rename(b)
    planned = copied.planned("all", study=copied.path)
    assert {f"train_run dataset=digits run={run}" for run in ("threes", "eights")} <= planned
    assert "measure_similarity dataset=digits" in planned


def test_forcing_a_rule_reruns_what_follows(copied: Finished) -> None:
    planned = copied.planned("all", "--forcerun", "compare_cluster_numbers", study=copied.path)
    assert {f"compare_cluster_numbers dataset=digits clustering={name}" for name in ("k10",)} <= planned
    assert "draw_number_of_clusters dataset=digits" in planned
    assert not any(job.startswith("train_run") for job in planned)


def test_an_unknown_config_key_is_refused(copied: Finished) -> None:
    done = copied.snakemake("all", "--dry-run", "--config", "devcie=cpu", study=copied.path)
    assert done.returncode == 1
    assert "--config devcie: unknown key (device: " in done.stdout
