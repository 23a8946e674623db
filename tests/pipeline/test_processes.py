"""Stages under torchrun: what several processes leave behind is what one does."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.workspace import SCRIPTS, Finished, edited

from steadyflow.ground.artifacts import file_hash, read_array, read_json, read_weights

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


def sample(finished: Finished, output: Path, processes: int, run: str) -> list[str]:
    root = finished.target("digits")
    flags = ("--study", finished.path, "--sampling", "euler", "--run", root / "runs" / run, "--batch-size", 13)
    flags += ("--tokenizer", root / "tokenizers" / "vqvae", "--latents", root / "latents" / "vqvae.json")
    launch(processes, "sample_run.py", *flags, "--output", output)
    return [file_hash(output / name) for name in ("latents.npy", "images.npy")]


@pytest.mark.parametrize("run", ["unpruned", "conditional"])
def test_samples_are_the_same_by_three_processes(finished: Finished, tmp_path: Path, run: str) -> None:
    """64 images in 5 batches of 13, the last of 12: whole batches go to processes, bit for bit."""
    assert sample(finished, tmp_path / "three", 3, run) == sample(finished, tmp_path / "one", 1, run)
    stored = read_json(finished.target("digits", "samples", run, "euler", "sampling.json"))
    for name in ("one", "three"):
        described = read_json(tmp_path / name / "sampling.json")
        assert described["evaluations_per_image"] == stored["evaluations_per_image"]
        assert all(took > 0 for took in described["ms_per_image"].values())
    assert read_array(tmp_path / "three" / "images.npy").shape == (64, 16, 16, 1)
    assert sorted(path.name for path in (tmp_path / "three").iterdir()) == [
        "images.npy",
        "latents.npy",
        "sampling.json",
    ]


@pytest.fixture
def started(tmp_path: Path):
    """How `launch.sh` starts a stage: the words after the name of a fake Python, with the environment given."""
    commands = tmp_path / "bin"
    commands.mkdir()
    script = commands / "python"
    script.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n', encoding="utf-8")
    script.chmod(0o755)

    def start(processes: object, **environment: str) -> list[str]:
        unset = {"SLURM_GPUS_ON_NODE", "CUDA_VISIBLE_DEVICES"}
        inherited = {key: value for key, value in os.environ.items() if key not in unset}
        path = os.pathsep.join([str(commands), *os.get_exec_path()])
        command = [str(SCRIPTS / "launch.sh"), str(processes), "stage.py", "--run", "a b"]
        done = subprocess.run(
            command, env={**inherited, "PATH": path, **environment}, capture_output=True, text=True, check=True
        )
        return done.stdout.splitlines()

    return start


@pytest.mark.parametrize(
    ("processes", "environment", "expected"),
    [
        ("auto", {}, 1),
        ("auto", {"CUDA_VISIBLE_DEVICES": "3"}, 1),
        ("auto", {"CUDA_VISIBLE_DEVICES": "0,2,3"}, 3),
        ("auto", {"CUDA_VISIBLE_DEVICES": ""}, 1),
        ("auto", {"SLURM_GPUS_ON_NODE": "4", "CUDA_VISIBLE_DEVICES": "0"}, 4),
        ("auto", {"SLURM_GPUS_ON_NODE": "1"}, 1),
        (2, {"SLURM_GPUS_ON_NODE": "4"}, 2),
        (1, {"SLURM_GPUS_ON_NODE": "4"}, 1),
    ],
)
def test_there_are_as_many_processes_as_the_allocation_has_gpus(started, processes, environment, expected) -> None:
    words = started(processes, **environment)
    stage = [str(SCRIPTS / "stage.py"), "--run", "a b"]
    several = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={expected}", "--"]
    assert words == stage if expected == 1 else words == [*several, *stage]


# Two machines on one: what SLURM would start on each is started here, under the names that it would set there.
SRUN = """#!/usr/bin/env bash
set -eu
[ "$1 $2 $3 $4" = "--nodes=2 --ntasks-per-node=1 --cpus-per-task=48 --cpu-bind=none" ]
shift 4
export SLURM_NNODES=2 SLURM_STEP_NODELIST="here[1-2]"
for node in 0 1; do SLURM_NODEID=$node SLURM_GPUS_ON_NODE=$((node + 1)) "$@" & pids+=($!); done
for pid in "${pids[@]}"; do wait "$pid"; done
"""
SCONTROL = """#!/bin/sh
case "$*" in
  "show hostnames here[1-2]") printf "local\\nelsewhere\\n" ;;
  "show job 7 --oneliner") echo "JobId=7 JobState=RUNNING NumNodes=2 NumCPUs=96 NumTasks=2 CPUs/Task=48 ReqB:S:C:T=0" ;;
  *) exit 1 ;;
esac
"""


STAGE = """import sys
from pathlib import Path
import torch
from steadyflow.ground import distributed
with distributed.process_group(torch.device("cpu")):
    me = torch.tensor([[distributed.rank(), distributed.local_rank(), distributed.world_size()]])
    everyone = distributed.all_gather(me)
if distributed.rank() == 0:
    Path(sys.argv[2]).write_text(str(everyone.tolist()))
"""


def test_two_machines_work_together(tmp_path: Path) -> None:
    """One with one GPU and one with two: three processes, which find each other at the first machine's address."""
    commands = {"srun": SRUN, "scontrol": SCONTROL, "launch.sh": (SCRIPTS / "launch.sh").read_text(encoding="utf-8")}
    for name, script in commands.items():
        (tmp_path / name).write_text(script, encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "stage.py").write_text(STAGE, encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = os.pathsep.join([str(tmp_path), str(Path(sys.executable).parent), *os.get_exec_path()])
    environment = {**os.environ, "PATH": path, "SLURM_JOB_ID": "7", "RENDEZVOUS_PORT": str(port)}
    environment["RENDEZVOUS_SUFFIX"] = "host"
    command = [str(tmp_path / "launch.sh"), "srun", "stage.py", "--run", str(tmp_path / "world")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    world = json.loads((tmp_path / "world").read_text(encoding="utf-8"))
    assert [rank for rank, _, _ in world] == [0, 1, 2]
    assert sorted(local for _, local, _ in world) == [0, 0, 1]
    assert {size for *_, size in world} == {3}
