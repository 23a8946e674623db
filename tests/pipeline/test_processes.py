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
from support.workspace import SCRIPTS, Finished, digests, edited, half_written

from steadyflow.ground.artifacts import file_hash, read_array, read_json, read_weights

pytestmark = pytest.mark.pipeline


@pytest.fixture
def copies(finished: Finished, tmp_path: Path) -> dict[str, Finished]:
    """One for each number of processes."""
    return {number: finished.linked(tmp_path / number) for number in ("one", "several")}


def test_latents_are_the_same_by_three_processes_and_alone(finished: Finished, copies: dict[str, Finished]) -> None:
    """By three processes: bit for bit. Alone in a batch: a convolution may round otherwise, so of two codes about
    equally near the other may be chosen; no more than 1 in 10,000 positions, and the others bit for bit."""
    names = ("--dataset=digits", "--tokenizer=vqvae", "--device=cpu")
    several, alone = copies["several"], copies["one"]
    several.ran("encode_latents", *names, study=several.path, processes=3)
    for place in ("digits/latents/vqvae.npy", "digits/latents/vqvae.json"):
        assert several.target(place).read_bytes() == finished.target(place).read_bytes()
    assert several.planned("all", study=several.path) == set()
    alone.ran("encode_latents", *names, "--batch-size=1", study=alone.path)
    found, stored = (read_array(space.target("digits", "latents", "vqvae.npy")) for space in (alone, finished))
    positions = (found != stored).any(axis=1)
    assert positions.mean() < 1e-4
    assert np.isfinite(stored).all() and stored.astype(np.float32).std() > 0


def test_scores_are_the_same_by_three_processes(finished: Finished, copied: Finished) -> None:
    flags = ("--dataset=digits", "--run=surrogate", "--device=cpu")
    copied.ran("score_samples", *flags, study=copied.path, processes=3)
    before, after = finished.digests(), copied.digests()
    record = "provenance/digits/scores/surrogate.json"
    # The record alone, which holds times of files: no checkpoint is left, and nothing half-written.
    assert {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} <= {record}
    assert half_written(copied.results) == []


def test_a_tokenizer_is_trained_by_two_processes(finished: Finished, copies: dict[str, Finished]) -> None:
    """The real script: its curve, and outputs of one process alone."""
    edits = {"tokenizers/vqvae/steps": 6, "tokenizers/vqvae/adversarial/start": 2}
    folders = {}
    for processes, (name, space) in enumerate(copies.items(), 1):
        study = space.write(edited(finished.raw, edits), "processes.yaml")
        flags = ("--dataset=digits", "--tokenizer=vqvae", "--device=cpu")
        space.ran("train_tokenizer", *flags, study=study, processes=processes)
        folders[name] = space.target("digits", "tokenizers", "vqvae")
    one, two = (read_weights(folder / "weights.safetensors") for folder in folders.values())
    assert one.keys() == two.keys()
    for name in one:
        assert np.allclose(one[name], two[name], rtol=1e-3, atol=1e-5), name
    curves = [
        pd.read_parquet(folder / "curve.parquet").drop(columns=["images_per_second", "mfu"])
        for folder in folders.values()
    ]
    assert curves[0]["discriminator"].notna().sum() == 4
    pd.testing.assert_frame_equal(curves[0], curves[1], rtol=1e-3)
    assert digests(copies["one"].results).keys() == digests(copies["several"].results).keys()


@pytest.mark.parametrize("run", ["unpruned", "conditional"])
def test_samples_are_the_same_by_three_processes(finished: Finished, copies: dict[str, Finished], run: str) -> None:
    """64 images in 5 batches of 13, the last of 12: whole batches go to processes, bit for bit."""
    place = f"digits/samples/{run}/euler"
    for processes, space in zip((1, 3), copies.values(), strict=True):
        names = ("--dataset=digits", f"--run={run}", "--sampling=euler")
        space.ran("sample_run", *names, "--batch-size=13", "--device=cpu", study=space.path, processes=processes)
    one, three = (
        [file_hash(space.target(place, name)) for name in ("latents.npy", "images.npy")] for space in copies.values()
    )
    assert one == three
    stored = read_json(finished.target(place, "sampling.json"))
    for space in copies.values():
        described = read_json(space.target(place, "sampling.json"))
        assert described["evaluations_per_image"] == stored["evaluations_per_image"]
        assert all(took > 0 for took in described["ms_per_image"].values())
        assert half_written(space.results) == []
    assert read_array(copies["several"].target(place, "images.npy")).shape == (64, 16, 16, 1)


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
