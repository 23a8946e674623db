"""A run may take the weights of a file instead of a training, and is then like any other."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from support.workspace import Finished, edited, jobs_of

from steadyflow.ground.artifacts import read_array, read_json, read_weights

pytestmark = pytest.mark.pipeline

RUNS = ("unpruned", "conditional")


@pytest.fixture(scope="module")
def exported(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The weights of two trained runs, as a training of the public code would leave them."""
    folder = tmp_path_factory.mktemp("of others")
    files = {run: folder / f"{run}'s.pt" for run in RUNS}
    for run, file in files.items():
        weights = read_weights(finished.target("digits", "runs", run, "weights.safetensors"))
        other = {name: tensor + 1 for name, tensor in weights.items()}
        torch.save({"model": other, "ema": {f"module.{name}": tensor for name, tensor in weights.items()}}, file)
    return files


@pytest.fixture(scope="module")
def taken(finished: Finished, exported: dict[str, Path]) -> Path:
    """The study with two runs of exported weights, and no others evaluated."""
    spec = {run: {key: value for key, value in finished.raw["runs"][run].items() if key != "label"} for run in RUNS}
    runs = {f"runs/{run}-again": {**spec[run], "weights": str(exported[run])} for run in RUNS}
    again = [f"{run}-again" for run in RUNS]
    evaluation = {"sampling": "euler", "reference": again[0], "runs": again}
    return finished.write(edited(finished.raw, {**runs, "evaluations/digits": evaluation}), "weights.yaml")


def test_its_samples_are_those_of_the_training_that_made_the_weights(
    finished: Finished, taken: Path, exported: dict[str, Path]
) -> None:
    root = finished.target("digits")
    samples = [root / "samples" / f"{run}-again" / "euler" / "latents.npy" for run in RUNS]
    printed = finished.run(*samples, study=taken)
    assert {job.split()[0] for job in jobs_of(printed)} == {"train_run", "sample_run"}
    for run, path in zip(RUNS, samples, strict=True):
        np.testing.assert_array_equal(read_array(path), read_array(root / "samples" / run / "euler" / "latents.npy"))
        old, new = (read_json(root / "runs" / name / "run.json") for name in (run, f"{run}-again"))
        assert [new[key] for key in ("architecture", "parameters", "n_train", "weights_hash", "inputs")] == [
            old[key] for key in ("architecture", "parameters", "n_train", "weights_hash", "inputs")
        ]
        file = exported[run]
        notes = [f"{file}: the entry 'ema' of 'model', 'ema'", f"{file}: every key without its prefix 'module.'"]
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        assert new["pretrained"] == {"file": str(file), "sha256": sha256, "notes": notes} and old["pretrained"] is None
        assert "steps" not in new["spec"]
        curves = [pd.read_parquet(root / "runs" / name / "curve.parquet") for name in (run, f"{run}-again")]
        # What is followed and watched in a training comes after what every curve has.
        shared = list(curves[1].columns)
        assert list(curves[0].columns)[: len(shared)] == shared and len(curves[1]) == 0


def test_losses_are_drawn_of_the_runs_that_have_them(
    finished: Finished, copied: Finished, taken: Path, exported: dict[str, Path]
) -> None:
    assert not any("training_curves" in job for job in finished.planned("all", study=taken))
    mixed = copied.write(edited(copied.raw, {"runs/again": {"weights": str(exported["unpruned"])}}), "mixed.yaml")
    figure = copied.target("digits", "figures", "training_curves.png")
    # The evaluation has a run more, but the figure needs nothing of it.
    assert copied.planned(figure, study=mixed) == {"draw_training_curves dataset=digits"}
    before = figure.read_bytes()
    figure.unlink()
    copied.ran("draw_figure", "--dataset=digits", "--figure=training_curves", study=mixed)
    assert figure.read_bytes() == before


def test_a_file_that_does_not_fit_is_one_clear_error(finished: Finished, exported: dict[str, Path]) -> None:
    wrong = {"runs/wrong": {"weights": str(exported["conditional"])}, "runs/gone": {"weights": "nowhere.pt"}}
    study = finished.write(edited(finished.raw, wrong), "wrong_weights.yaml")
    messages = {"wrong": f"error: {exported['conditional']}: weights of a conditional model", "gone": "nowhere.pt"}
    for run, message in messages.items():
        target = finished.target("digits", "runs", run, "weights.safetensors")
        done = finished.snakemake(target, study=study)
        assert done.returncode != 0 and message in done.stdout and "Traceback" not in done.stdout, done.stdout
        assert not target.exists()
