"""A script called by hand: names that the study has not are refused with those that it has."""

import sys

import pytest
import yaml
from support.records import SMALL

from steadyflow.plan.script import run_stage, stage_parser


def test_a_name_that_the_study_has_not_is_refused(tmp_path, monkeypatch):
    study = tmp_path / "study.yaml"
    study.write_text(yaml.safe_dump({"results": str(tmp_path / "results"), **SMALL}, sort_keys=False))
    monkeypatch.setattr(sys, "argv", ["x", "--study", str(study), "--dataset", "digits", "--run", "halb"])
    with pytest.raises(SystemExit, match=rf"error: --run halb: {study} has none of that name \(known: surrogate, "):
        run_stage(stage_parser("train_run", "x"), lambda job: None)
    assert not (tmp_path / "results").exists()


def test_what_a_job_reads_has_to_be_there_before_it_begins(tmp_path, monkeypatch):
    study = tmp_path / "study.yaml"
    study.write_text(yaml.safe_dump({"results": str(tmp_path / "results"), **SMALL}, sort_keys=False))
    monkeypatch.setattr(sys, "argv", ["x", "--study", str(study), "--dataset", "digits", "--run", "unpruned"])
    latents = tmp_path / "results" / "digits" / "latents" / "vqvae.npy"
    with pytest.raises(SystemExit, match=f"error: {latents}: it is not there, or not complete; encode_latents "):
        run_stage(stage_parser("train_run", "x"), lambda job: None)
