"""Samplings beside the common one, by the real script."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.workspace import SCRIPTS, Finished, edited

from steadyflow.ground.artifacts import read_array, read_json

pytestmark = pytest.mark.pipeline


def sample(finished: Finished, output: Path, run: str, sampling: dict[str, Any], batch_size: int) -> np.ndarray:
    """Latents of 16 samples, in `output` with all else."""
    study = finished.write(edited(finished.raw, {"samplings/other": {"count": 16, **sampling}}), "samplings.yaml")
    root = finished.target("digits")
    command = [sys.executable, SCRIPTS / "sample_run.py", "--study", study, "--sampling", "other"]
    command += ["--run", root / "runs" / run, "--tokenizer", root / "tokenizers" / "vqvae", "--device", "cpu"]
    command += ["--latents", root / "latents" / "vqvae.json", "--batch-size", batch_size, "--output", output]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return read_array(output / "latents.npy")


def test_ancestral_samples_do_not_depend_on_the_batch_size(finished: Finished, tmp_path: Path) -> None:
    sampling = {"diffusion": {"sampler": "ancestral", "steps": 6}}
    whole, parts = (sample(finished, tmp_path / str(n), "diffusion", sampling, n) for n in (16, 5))
    assert np.allclose(whole, parts, atol=1e-4)
    assert np.abs(whole - finished_latents(finished, "diffusion")[:16]).max() > 0.1
    for n in (16, 5):
        assert read_json(tmp_path / str(n) / "sampling.json")["evaluations_per_image"] == 6


def test_an_adaptive_solver_agrees_with_many_small_steps(finished: Finished, tmp_path: Path) -> None:
    adaptive = sample(finished, tmp_path / "dopri5", "unpruned", {"solver": "dopri5", "rtol": 1e-4, "atol": 1e-4}, 7)
    steps = sample(finished, tmp_path / "heun", "unpruned", {"solver": "heun", "steps": 30, "time_shift": 1.5}, 16)
    assert np.abs(adaptive - steps).max() < 1e-4 < np.abs(steps - finished_latents(finished, "unpruned")[:16]).max()
    spent, spec = (read_json(tmp_path / "dopri5" / "sampling.json")[key] for key in ("evaluations_per_image", "spec"))
    assert spent >= 8 and spec["rtol"] == 1e-4 and "steps" not in spec
    assert read_json(tmp_path / "heun" / "sampling.json")["evaluations_per_image"] == 60


def trace(
    finished: Finished, output: Path, run: str, sampling: dict[str, Any], batch_size: int, count: int = 16
) -> subprocess.CompletedProcess[str]:
    study = finished.write(edited(finished.raw, {"samplings/other": {"count": 16, **sampling}}), "samplings.yaml")
    command = [sys.executable, SCRIPTS / "trace_run.py", "--study", study, "--sampling", "other", "--device", "cpu"]
    command += ["--run", finished.target("digits") / "runs" / run, "--count", count, "--batch-size", batch_size]
    return subprocess.run([*map(str, command), "--output", str(output)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("sampling", "times"),
    [({"solver": "heun", "steps": 50, "time_shift": 1.5}, None), ({"solver": "dopri5"}, np.linspace(0, 1, 33))],
    ids=["heun", "dopri5"],
)
def test_paths_do_not_depend_on_the_batch_size_and_end_in_the_samples(
    finished: Finished, tmp_path: Path, sampling: dict[str, Any], times: np.ndarray | None
) -> None:
    for n in (16, 5):
        done = trace(finished, tmp_path / f"{n}.npy", "conditional", sampling, n)
        assert done.returncode == 0, done.stderr
    whole, parts = (read_array(tmp_path / f"{n}.npy") for n in (16, 5))
    said = read_json(tmp_path / "16.json")
    assert len(said["times"]) == len(whole) and 25 < len(whole) <= 33
    assert said["times"][0] == 0 and said["times"][-1] == 1 and said["labels"] == "index modulo 10"
    if times is not None:
        assert np.allclose(said["times"], times, atol=1e-7)
    assert np.abs(whole - parts).max() < 1e-3 < np.abs(whole[-1] - whole[0]).max()
    assert np.allclose(whole[-1], sample(finished, tmp_path / "samples", "conditional", sampling, 16), atol=1e-6)


def test_what_has_no_path_is_refused(finished: Finished, tmp_path: Path) -> None:
    for run, count, message in (
        ("diffusion", 4, "objective diffusion is no velocity, so it has no trajectories"),
        ("unpruned", 0, "--count 0: no"),
    ):
        done = trace(finished, tmp_path / "x.npy", run, {}, 4, count)
        assert done.returncode == 1 and "Traceback" not in done.stderr and message in done.stderr
        assert not list(tmp_path.iterdir())


def finished_latents(finished: Finished, run: str) -> np.ndarray:
    return read_array(finished.target("digits", "samples", run, "euler", "latents.npy"))
