"""Stages under torchrun: what several processes leave behind is what one does."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from workspace import SCRIPTS, Finished, edited

from steadyflow.artifacts import file_hash, read_array, read_json, read_weights

pytestmark = pytest.mark.pipeline


def launch(processes: int, script: str, *flags: object) -> None:
    command = [str(SCRIPTS / "launch.sh"), str(processes), script, *map(str, flags), "--device", "cpu"]
    # As the Snakefile does: this very Python.
    path = os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()])
    done = subprocess.run(command, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def encode(finished: Finished, output: Path, processes: int, batch_size: int) -> np.ndarray:
    root = finished.target("digits")
    flags = ("--dataset", root, "--tokenizer", root / "tokenizers" / "vqvae", "--batch-size", batch_size)
    launch(processes, "encode_latents.py", *flags, "--state", output.with_name("state.npy"), "--output", output)
    return read_array(output)


def test_latents_are_the_same_by_three_processes_and_alone(finished: Finished, tmp_path: Path) -> None:
    """By three processes: bit for bit. Alone in a batch: a convolution may round otherwise, so of two codes about
    equally near the other may be chosen; no more than 1 in 10,000 positions, and the others bit for bit."""
    stored = read_array(finished.target("digits", "latents", "vqvae.npy"))
    encode(finished, tmp_path / "three.npy", 3, 64)
    assert file_hash(tmp_path / "three.npy") == file_hash(finished.target("digits", "latents", "vqvae.npy"))
    sidecars = [
        read_json(path) for path in (tmp_path / "three.json", finished.target("digits", "latents", "vqvae.json"))
    ]
    assert sidecars[0] == sidecars[1]
    alone = encode(finished, tmp_path / "alone.npy", 1, 1)
    positions = (alone != stored).any(axis=1)
    assert positions.mean() < 1e-4
    assert np.isfinite(stored).all() and stored.astype(np.float32).std() > 0


def test_scores_are_the_same_by_three_processes(finished: Finished, tmp_path: Path) -> None:
    root = finished.target("digits")
    flags = ("--study", finished.path, "--scoring", "surrogate", "--manifest", root / "manifest.parquet")
    flags += ("--latents", root / "latents" / "vqvae.npy", "--run", root / "runs" / "surrogate")
    launch(3, "score_samples.py", *flags, "--state", tmp_path / "state.npy", "--output", tmp_path / "scores.parquet")
    three, stored = (pd.read_parquet(path) for path in (tmp_path / "scores.parquet", root / "scores/surrogate.parquet"))
    pd.testing.assert_frame_equal(three, stored, check_exact=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scores.json", "scores.parquet"]
    assert not list(finished.target("state", "scorings").iterdir())


def test_a_tokenizer_is_trained_by_two_processes(finished: Finished, tmp_path: Path) -> None:
    """The real script: its curve, and outputs of one process alone."""
    study = finished.write(
        edited(finished.raw, {"tokenizers/vqvae/steps": 6, "tokenizers/vqvae/adversarial/start": 2}), "processes.yaml"
    )
    for processes in (1, 2):
        output = tmp_path / str(processes)
        flags = ("--study", study, "--tokenizer", "vqvae", "--dataset", finished.target("digits"))
        launch(processes, "train_tokenizer.py", *flags, "--state", tmp_path / "state.pt", "--output", output)
    one, two = (read_weights(tmp_path / name / "weights.safetensors") for name in ("1", "2"))
    assert one.keys() == two.keys()
    for name in one:
        assert np.allclose(one[name], two[name], rtol=1e-3, atol=1e-5), name
    curves = [
        pd.read_parquet(tmp_path / name / "curve.parquet").drop(columns=["images_per_second", "mfu"])
        for name in ("1", "2")
    ]
    assert curves[0]["discriminator"].notna().sum() == 4
    pd.testing.assert_frame_equal(curves[0], curves[1], rtol=1e-3)
    assert sorted(path.name for path in (tmp_path / "2").iterdir()) == sorted(
        path.name for path in (tmp_path / "1").iterdir()
    )
