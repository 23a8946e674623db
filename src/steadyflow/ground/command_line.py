"""Shared by all stage scripts: common flags, the choice of the device, and errors as one clear message."""

import argparse
import contextlib
import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from steadyflow.ground.artifacts import Unfinished, UserError

if TYPE_CHECKING:
    import torch


UNFINISHED = 75
"""Exit status of a stage that stopped at a checkpoint and has to be started again (EX_TEMPFAIL)."""


def add_device_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="auto (cuda, then mps, then cpu), cuda, cuda:1, mps, cpu")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")


def add_checkpoint_flags(parser: argparse.ArgumentParser, *, of_training: bool) -> None:
    """Adds --save-seconds and, for trainings, --save-steps and --deadline.

    The environment variable SAVE_SECONDS sets the default of --save-seconds of trainings, whose checkpoints are large.
    """
    # A string, so that argparse reports a value that is no number.
    seconds = os.environ.get("SAVE_SECONDS", "60") if of_training else "10"
    parser.add_argument("--save-seconds", type=float, default=seconds, help="minimum seconds between two checkpoints")
    if of_training:
        steps = "steps after which a checkpoint is saved even before --save-seconds have passed"
        parser.add_argument("--save-steps", type=float, default=float("inf"), help=steps)
        end = "time by which to stop, in seconds since the epoch; by default the end of the SLURM allocation"
        # A function, so that only rank 0 queries SLURM, and only when a training begins.
        parser.add_argument("--deadline", type=_fixed_deadline, default=allocation_end, help=end)


def _fixed_deadline(text: str) -> Callable[[], float]:
    seconds = float(text)
    return lambda: seconds


def allocation_end() -> float:
    """The time limit of the SLURM job of this process, in seconds since the epoch; inf outside SLURM.

    SLURM sets SLURM_JOB_END_TIME since 23.02, but Snakemake's executor starts jobs without it; then `squeue` is called.
    """
    end, job = os.environ.get("SLURM_JOB_END_TIME"), os.environ.get("SLURM_JOB_ID")
    if end or not job:
        return float(end or "inf")
    command = ["squeue", "--noheader", f"--jobs={job}", "--Format=EndTime"]
    try:
        shown = subprocess.run(
            command,
            env={**os.environ, "SLURM_TIME_FORMAT": "%s"},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return float(shown.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        # Jobs of a partition without a time limit have no end time: ValueError.
        reason = getattr(error, "stderr", None) or error
        print(f"the time limit of SLURM job {job} is not known ({reason}): stopping only on SIGTERM", file=sys.stderr)
        return float("inf")


def choose_device(name: str, threads: int) -> "torch.device":
    """The device of a --device flag; under torchrun the GPU of this process's local rank. Sets torch's CPU threads.

    Raises UserError if the device does not exist: there is no silent fallback.
    """
    import torch

    from steadyflow.ground.distributed import local_rank, world_size

    torch.set_num_threads(threads)
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, there in available.items() if there)
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UserError(f"--device {name}: unknown device; use auto, cuda, cuda:N, mps or cpu") from error
    if not available.get(device.type, False):
        raise UserError(f"--device {name}: this machine has no such device; use auto or cpu")
    if device.type != "cuda":
        return device
    # Under torchrun each process has a GPU of its own.
    if device.index is not None and world_size() > 1:
        raise UserError(f"--device {name}: {world_size()} processes cannot share one GPU; use cuda or auto")
    index = local_rank() if device.index is None else device.index
    if index >= torch.cuda.device_count():
        there = torch.cuda.device_count()
        raise UserError(f"--device {name}: process {index} has no GPU, there are {there}; ask for {there} processes")
    torch.cuda.set_device(index)
    return torch.device("cuda", index)


@contextlib.contextmanager
def exit_on_errors() -> Iterator[None]:
    """Turns UserError and a full disk into one message and exit status 1, Unfinished into exit status UNFINISHED."""
    try:
        yield
    except UserError as error:
        sys.exit(f"error: {error}")
    except Unfinished as notice:
        print(f"{notice}; start it again to resume", file=sys.stderr)
        sys.exit(UNFINISHED)
    except Exception as error:
        if _disk_is_full(error):
            sys.exit(f"error: the disk is full ({error}); free some space and rerun: no other result was touched")
        raise


def _disk_is_full(error: BaseException | None) -> bool:
    # Libraries that do not write through Python's files wrap the OSError, or mention it only in their message.
    while error is not None:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left on device" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False
