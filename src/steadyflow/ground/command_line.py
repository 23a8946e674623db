"""What every stage script shares: common flags, device and threads, and errors as one clear message."""

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
"""Exit status of a stage that is to be started again (EX_TEMPFAIL)."""


def add_device_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="auto (cuda, then mps, then cpu), cuda, cuda:1, mps, cpu")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")


def add_checkpoint_flags(parser: argparse.ArgumentParser, *, of_training: bool) -> None:
    """Of a training, or of a table that is filled batch by batch. Of trainings alone, whose checkpoints are large, the
    environment's SAVE_SECONDS may say how often they are saved."""
    # As text: a word that is no number is argparse's to refuse.
    seconds = os.environ.get("SAVE_SECONDS", "60") if of_training else "10"
    parser.add_argument("--save-seconds", type=float, default=seconds, help="between two checkpoints, at least")
    if of_training:
        steps = "steps after which a checkpoint is saved all the same"
        parser.add_argument("--save-steps", type=float, default=float("inf"), help=steps)
        end = "when to have stopped, in seconds since the epoch; by default the end of the SLURM allocation"
        # A function: SLURM is asked when a training begins, by its first process alone.
        parser.add_argument("--deadline", type=_fixed_deadline, default=allocation_end, help=end)


def _fixed_deadline(text: str) -> Callable[[], float]:
    seconds = float(text)
    return lambda: seconds


def allocation_end() -> float:
    """When the SLURM job that this process is in has to end, in seconds since the epoch; inf outside SLURM.

    SLURM sets SLURM_JOB_END_TIME since 23.02, but Snakemake's executor starts jobs without it: then `squeue` says.
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
        # Jobs of a partition without a limit have no end.
        reason = getattr(error, "stderr", None) or error
        print(f"SLURM does not say when job {job} ends ({reason}): no stop before it, but on SIGTERM", file=sys.stderr)
        return float("inf")


def choose_device(name: str, threads: int) -> "torch.device":
    """Raises UserError when the device asked for is not there: nothing falls back silently."""
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
        raise UserError(f"--device {name}: there is no such device here; use auto or cpu")
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
    """An error of the user's or a full disk ends the script with one message and exit status 1, a stop before a time
    limit with UNFINISHED."""
    try:
        yield
    except UserError as error:
        sys.exit(f"error: {error}")
    except Unfinished as notice:
        print(f"{notice}; start this again to go on", file=sys.stderr)
        sys.exit(UNFINISHED)
    except Exception as error:
        if _disk_is_full(error):
            sys.exit(f"error: the disk is full ({error}); free some space and rerun: no other result was touched")
        raise


def _disk_is_full(error: BaseException | None) -> bool:
    # Writers outside Python's own files wrap the cause, or name it in their message alone.
    while error is not None:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left on device" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False
