import argparse
import errno
import os
import subprocess

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from torch import nn

from steadyflow.data.shards import write_shards
from steadyflow.ground.artifacts import (
    UserError,
    atomic_directory,
    write_array,
    write_json,
    write_parquet,
    write_weights,
)
from steadyflow.ground.command_line import (
    add_checkpoint_flags,
    add_device_flags,
    allocation_end,
    choose_device,
    exit_on_errors,
)
from steadyflow.report.style import write_figure
from steadyflow.train import Cadence, Execution, Schedule, train

BIG = np.random.default_rng(0).integers(0, 256, 3_000_000, dtype=np.uint8)


def test_an_error_of_the_user_is_one_message_and_status_1():
    with pytest.raises(SystemExit) as ended, exit_on_errors():
        raise UserError("a.yaml: no such run")
    assert ended.value.code == "error: a.yaml: no such run"  # python prints it and exits with 1


def test_an_error_of_ours_keeps_its_traceback():
    for error in (ValueError("bug"), OSError(errno.EACCES, "Permission denied"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as raised, exit_on_errors():
            raise error
        assert raised.value is error


def test_a_stage_that_ends_well_returns():
    with exit_on_errors():
        ended = True
    assert ended


def checkpointed(kind, *flags):
    parser = argparse.ArgumentParser()
    add_checkpoint_flags(parser, of_training=kind == "pt")
    return parser.parse_args(flags)


def fake_squeue(folder, monkeypatch, body):
    script = folder / "squeue"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize("name", ["SLURM_JOB_END_TIME", "SLURM_JOB_ID"])
def test_the_end_of_an_allocation_is_told_or_asked_for(tmp_path, monkeypatch, name):
    asked = "--noheader --jobs=7 --Format=EndTime"
    fake_squeue(tmp_path, monkeypatch, f'[ "$*" = "{asked}" ] && date -d @1234 "+$SLURM_TIME_FORMAT"')
    for variable in ("SLURM_JOB_END_TIME", "SLURM_JOB_ID"):
        monkeypatch.delenv(variable, raising=False)
    assert allocation_end() == float("inf")
    monkeypatch.setenv(name, {"SLURM_JOB_END_TIME": "1234", "SLURM_JOB_ID": "7"}[name])
    assert allocation_end() == 1234
    assert checkpointed("pt").deadline() == 1234
    assert checkpointed("pt", "--deadline", "99.5").deadline() == 99.5


def test_squeue_does_not_run_while_flags_are_parsed(tmp_path, monkeypatch):
    fake_squeue(tmp_path, monkeypatch, f"touch {tmp_path}/ran; echo 1234")
    monkeypatch.delenv("SLURM_JOB_END_TIME", raising=False)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    args = checkpointed("pt")
    assert not (tmp_path / "ran").exists()
    assert args.deadline() == 1234 and (tmp_path / "ran").exists()


def test_how_often_trainings_are_saved_is_said_of_them_alone(monkeypatch, capsys):
    def seconds(kind):
        return checkpointed(kind).save_seconds

    monkeypatch.delenv("SAVE_SECONDS", raising=False)
    assert (seconds("pt"), seconds("npy")) == (60, 10)
    monkeypatch.setenv("SAVE_SECONDS", "600")
    assert (seconds("pt"), seconds("npy")) == (600, 10)
    monkeypatch.setenv("SAVE_SECONDS", "often")
    with pytest.raises(SystemExit):
        seconds("pt")
    assert "--save-seconds: invalid float value: 'often'" in capsys.readouterr().err


@pytest.mark.parametrize("body", ["echo no controller >&2; exit 1", "echo NONE"])
def test_an_allocation_whose_end_is_not_to_be_had_has_none_and_says_so(tmp_path, monkeypatch, capsys, body):
    fake_squeue(tmp_path, monkeypatch, body)
    monkeypatch.delenv("SLURM_JOB_END_TIME", raising=False)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert allocation_end() == float("inf")
    assert "the time limit of SLURM job 7 is not known" in capsys.readouterr().err


@pytest.mark.parametrize("full", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("link", ["cause", "context"])
def test_a_full_disk_is_recognised_behind_another_error(link, full):
    with pytest.raises(SystemExit, match="the disk is full"), exit_on_errors():
        try:
            raise OSError(full, "x")
        except OSError as error:
            if link == "cause":
                raise RuntimeError("writer failed") from error
            raise RuntimeError("writer failed")  # noqa: B904


@pytest.fixture
def full_disk(tmp_path):
    """A disk of one MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"needs the right to mount a small disk: {mounted.stderr.strip()}")
    yield disk
    # Lazily: the writer that failed may still hold its file.
    subprocess.run(["umount", "-l", disk], check=True)


def write_state(path):
    model = nn.Linear(500, 500)
    train(
        model,
        lambda model, batch: (model(batch.x).square().mean(), {}),
        lambda rows: torch.ones(len(rows), 500),
        4,
        Schedule(steps=2, batch_size=2, learning_rate=0.1, ema_decay=0.5, seed=0),
        Execution(path, "id", torch.device("cpu"), Cadence(0.0)),
    )


def write_images(path):
    with atomic_directory(path) as folder:
        write_shards(folder, iter(BIG.reshape(-1, 100, 100, 3)), resolution=100, channels=3)


def write_noisy_figure(path):
    figure = Figure(figsize=(6, 6))
    figure.add_axes((0, 0, 1, 1)).imshow(BIG.reshape(1000, 1000, 3))
    write_figure([figure], path.with_suffix(""))


WRITERS = {
    "array.npy": lambda path: write_array(path, BIG.view(np.float64)),
    "fortran.npy": lambda path: write_array(path, np.asfortranarray(BIG.reshape(1000, 3000))),
    "weights.safetensors": lambda path: write_weights(path, {"x": torch.from_numpy(BIG)}),
    "table.parquet": lambda path: write_parquet(path, pd.DataFrame({"x": BIG.view(np.float64)})),
    "text.json": lambda path: write_json(path, BIG.tolist()),
    "state.pt": write_state,
    "images": write_images,
    "figure.png": write_noisy_figure,
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_one_message_and_leaves_the_old_result(full_disk, name):
    path = full_disk / name
    if name == "images":
        path.mkdir()
        (path / "old").write_text("old")
    elif name != "state.pt":  # a training would go on from it
        path.write_text("old")
    with pytest.raises(SystemExit) as ended, exit_on_errors():
        WRITERS[name](path)
    assert str(ended.value.code).startswith("error: the disk is full (")
    left = [file.relative_to(full_disk).as_posix() for file in full_disk.rglob("*") if file.is_file()]
    written_before = {"figure.pdf", "state.json"} & set(left)
    assert set(left) - written_before == {"state.pt": set(), "images": {"images/old"}}.get(name, {name})
    assert all((full_disk / file).read_text() == "old" for file in set(left) - written_before)


def test_a_training_on_a_disk_that_fills_up_goes_on_from_its_last_state(full_disk, tmp_path):
    def training(folder, fill=None):
        torch.manual_seed(0)
        model = nn.Linear(100, 100)

        def objective(model, batch):
            if batch.step == fill:
                with pytest.raises(OSError, match="No space left"):
                    (full_disk / "filler").write_bytes(bytes(1 << 20))
            return model(batch.x).square().mean(), {}

        return train(
            model,
            objective,
            lambda rows: torch.ones(len(rows), 100),
            4,
            Schedule(steps=6, batch_size=2, learning_rate=0.1, ema_decay=0.5, seed=0),
            Execution(folder / "state.pt", "id", torch.device("cpu"), Cadence(0.0)),
        )

    whole = training(tmp_path)
    with pytest.raises(SystemExit) as ended, exit_on_errors():
        training(full_disk, fill=3)
    assert str(ended.value.code).startswith("error: the disk is full (")
    states = [torch.load(full_disk / name, weights_only=True) for name in ("state.pt", "state.previous.pt")]
    assert [state["step"] for state in states] == [3, 2]
    (full_disk / "filler").unlink()
    assert training(full_disk).ema["weight"].equal(whole.ema["weight"])


def test_a_device_is_chosen_unless_a_flag_names_one():
    parser = argparse.ArgumentParser()
    add_device_flags(parser)
    assert vars(parser.parse_args([])) == {"device": "auto", "threads": 1}
    assert vars(parser.parse_args(["--device", "cpu", "--threads", "3"])) == {"device": "cpu", "threads": 3}


@pytest.mark.parametrize(
    ("name", "cuda", "mps", "device"),
    [
        ("auto", True, True, "cuda:0"),
        ("auto", False, True, "mps"),
        ("auto", False, False, "cpu"),
        ("cpu", True, True, "cpu"),
        ("cuda:1", True, False, "cuda:1"),
    ],
)
def test_auto_takes_the_best_device_there_is(monkeypatch, name, cuda, mps, device):
    pretend_gpus(monkeypatch, 2 * cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert choose_device(name, torch.get_num_threads()) == torch.device(device)


def pretend_gpus(monkeypatch, count):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.cuda, "set_device", lambda index: None)


def test_every_process_of_a_machine_has_a_gpu_of_its_own(monkeypatch):
    pretend_gpus(monkeypatch, 2)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert choose_device("auto", torch.get_num_threads()) == torch.device("cuda:1")
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(UserError, match="--device cuda: process 2 has no GPU, there are 2"):
        choose_device("auto", torch.get_num_threads())


@pytest.mark.parametrize("name", ["cuda", "cuda:1", "mps", "meta", "gpu", "cuda:x", ""])
def test_a_device_that_is_not_there_is_refused_by_name(monkeypatch, name):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UserError, match=f"--device {name}: "):
        choose_device(name, torch.get_num_threads())


def test_the_number_of_threads_is_the_one_asked_for(monkeypatch):
    asked = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    choose_device("cpu", 5)
    assert asked == [5]
