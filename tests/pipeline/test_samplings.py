"""Samplings beside the common one, by the real script."""

import subprocess
from typing import Any

import numpy as np
import pytest
from support.workspace import Finished, edited

from steadyflow.ground.artifacts import read_array, read_json

pytestmark = pytest.mark.pipeline


def sampled(space: Finished, run: str, sampling: dict[str, Any], batch_size: int) -> tuple[np.ndarray, Any]:
    """Latents of 16 samples, and what is said of them."""
    study = space.write(edited(space.raw, {"samplings/other": {"count": 16, **sampling}}), "samplings.yaml")
    names = ("--dataset=digits", f"--run={run}", "--sampling=other")
    space.ran("sample_run", *names, f"--batch-size={batch_size}", "--device=cpu", study=study)
    output = space.target("digits", "samples", run, "other")
    return np.array(read_array(output / "latents.npy")), read_json(output / "sampling.json")


def test_ancestral_samples_do_not_depend_on_the_batch_size(copied: Finished) -> None:
    sampling = {"diffusion": {"sampler": "ancestral", "steps": 6}}
    (whole, said), (parts, said_too) = (sampled(copied, "diffusion", sampling, n) for n in (16, 5))
    assert np.allclose(whole, parts, atol=1e-4)
    assert np.abs(whole - finished_latents(copied, "diffusion")[:16]).max() > 0.1
    assert said["evaluations_per_image"] == said_too["evaluations_per_image"] == 6


def test_an_adaptive_solver_agrees_with_many_small_steps(copied: Finished) -> None:
    adaptive, spent = sampled(copied, "unpruned", {"solver": "dopri5", "rtol": 1e-4, "atol": 1e-4}, 7)
    steps, fixed = sampled(copied, "unpruned", {"solver": "heun", "steps": 30, "time_shift": 1.5}, 16)
    assert np.abs(adaptive - steps).max() < 1e-4 < np.abs(steps - finished_latents(copied, "unpruned")[:16]).max()
    assert spent["evaluations_per_image"] >= 8
    assert spent["spec"]["rtol"] == 1e-4 and "steps" not in spent["spec"]
    assert fixed["evaluations_per_image"] == 60


def trace(
    space: Finished, run: str, sampling: dict[str, Any], batch_size: int, count: int = 16
) -> subprocess.CompletedProcess[str]:
    edits = {"samplings/other": {"count": 64, **sampling}}
    edits["evaluations/digits"] = {"sampling": "other", "reference": "unpruned", "paths": count}
    study = space.write(edited(space.raw, edits), "samplings.yaml")
    names = ("--dataset=digits", f"--run={run}", "--sampling=other")
    return space.script("trace_run", *names, f"--batch-size={batch_size}", "--device=cpu", study=study)


@pytest.mark.parametrize(
    ("sampling", "times"),
    [({"solver": "heun", "steps": 50, "time_shift": 1.5}, None), ({"solver": "dopri5"}, np.linspace(0, 1, 33))],
    ids=["heun", "dopri5"],
)
def test_paths_do_not_depend_on_the_batch_size_and_end_in_the_samples(
    copied: Finished, sampling: dict[str, Any], times: np.ndarray | None
) -> None:
    output, found = copied.target("digits", "samples", "conditional", "other"), []
    for n in (16, 5):
        done = trace(copied, "conditional", sampling, n)
        assert done.returncode == 0, done.stderr
        found.append(np.array(read_array(output / "paths.npy")))
    whole, parts = found
    said = read_json(output / "paths.json")
    assert len(said["times"]) == len(whole) and 25 < len(whole) <= 33
    assert said["times"][0] == 0 and said["times"][-1] == 1 and said["labels"] == "index modulo 10"
    if times is not None:
        assert np.allclose(said["times"], times, atol=1e-7)
    assert np.abs(whole - parts).max() < 1e-3 < np.abs(whole[-1] - whole[0]).max()
    assert np.allclose(whole[-1], sampled(copied, "conditional", sampling, 16)[0], atol=1e-6)


def test_what_has_no_path_is_refused(copied: Finished) -> None:
    before = copied.digests()
    for run, count, message in (
        ("diffusion", 4, "objective diffusion is no velocity, so it has no trajectories"),
        ("unpruned", 0, "runs.unpruned: no noise to follow"),
    ):
        done = trace(copied, run, {}, 4, count)
        assert done.returncode == 1 and "Traceback" not in done.stderr and message in done.stderr
    assert copied.digests() == before


def finished_latents(finished: Finished, run: str) -> np.ndarray:
    return read_array(finished.target("digits", "samples", run, "euler", "latents.npy"))
