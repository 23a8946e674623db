"""One Snakemake at a time for a folder of results.

Snakemake's own lock is that of a working directory, outlives a killed Snakemake, and knows nothing of the jobs that one
left on a cluster. This one is a file in the results, which says who holds it: a holder that is dead is succeeded.
"""

import contextlib
import dataclasses
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from steadyflow.artifacts import UserError

END_SECONDS = 300.0
"""For cancelled jobs to end: SLURM kills those that do not within its KillWait, 30 seconds by default."""
LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Driver:
    """A Snakemake process that runs a study. `began`, as `_began` tells it, tells it from a later process of the same
    number; `jobs` is the name that all its SLURM jobs bear, "" without SLURM."""

    host: str
    pid: int
    began: float
    jobs: str

    @classmethod
    def here(cls, jobs: str = "") -> "Driver":
        return cls(socket.gethostname(), os.getpid(), _began(os.getpid()), jobs)

    def is_dead(self) -> bool:
        """False for one on another machine, which cannot be seen from here."""
        if self.host != socket.gethostname():
            return False
        try:
            return psutil.Process(self.pid).status() == psutil.STATUS_ZOMBIE or abs(_began(self.pid) - self.began) > 1
        except psutil.NoSuchProcess:
            return True


def _began(pid: int) -> float:
    """When a process began, in seconds, the same whenever asked: on Linux since the machine did, since the time of day
    is worked out from the clock, which may have been set meanwhile."""
    booted = psutil.boot_time() if sys.platform == "linux" else 0.0
    return psutil.Process(pid).create_time() - booted


def driver_file(results: Path | str) -> Path:
    return Path(results) / "driver.json"


def begin_driving(results: Path | str, me: Driver) -> None:
    """Takes the lock of the results, or raises UserError where another Snakemake holds it.

    A dead holder is succeeded. The SLURM jobs it left are cancelled first, and have ended: they will be submitted anew,
    and go on. Whatever interrupts that leaves the dead one's lock, or none where its jobs have ended.
    """
    path = driver_file(results)
    path.parent.mkdir(parents=True, exist_ok=True)
    if _publish(path, me):
        return
    holder = _read(path)
    if not holder.is_dead():
        raise UserError(_refusal(path, holder))
    _cancel_jobs(holder.jobs)
    # Two may want to succeed: the one whose rename moves the dead one's file does.
    aside = path.with_name(f"{path.name}.{me.pid}")
    try:
        path.rename(aside)
    except FileNotFoundError:
        raise UserError(f"{path}: another Snakemake has just taken it; start again when it has ended") from None
    try:
        moved = _read(aside)
        if moved != holder:
            raise UserError(_refusal(path, moved))
    except BaseException:
        # It is that of another successor, who was faster.
        with contextlib.suppress(FileExistsError):
            os.link(aside, path)
        raise
    finally:
        aside.unlink()
    if not _publish(path, me):
        raise UserError(_refusal(path, _read(path)))
    print(f"{path}: Snakemake of process {holder.pid} is dead; its results are taken over", file=sys.stderr)


def end_driving(results: Path | str, me: Driver) -> None:
    """Gives the lock back."""
    path = driver_file(results)
    if path.exists() and _read(path) == me:
        path.unlink()


def _publish(path: Path, driver: Driver) -> bool:
    """Whether the file was not there yet, and now holds this driver. Nobody ever sees less than all of it."""
    try:
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", encoding="utf-8") as file:
            json.dump(dataclasses.asdict(driver), file)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.link(file.name, path)
    except FileExistsError:
        return False
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error}); it needs room, and a disk that has hard links"
        ) from error
    return True


def _read(path: Path) -> Driver:
    try:
        return Driver(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"{path}: another Snakemake is starting or ending here ({error}); if none is, delete this file"
        ) from error


def _refusal(path: Path, holder: Driver) -> str:
    cancel = f"cancel its jobs (scancel --name={holder.jobs}) and " if holder.jobs else ""
    return (
        f"{path}: another Snakemake, process {holder.pid} on {holder.host}, works on these results; wait for it, stop "
        "it, or give this study a folder of its own (results: ...). "
        f"If it is no longer alive on {holder.host}, {cancel}delete this file"
    )


def _cancel_jobs(name: str) -> None:
    """Cancels the SLURM jobs of that name, if it is one, and waits until they have ended: they are told beforehand, so
    trainings save, into files that their successors go on from."""
    if not name:
        return
    _slurm("scancel", f"--name={name}")
    until = time.monotonic() + END_SECONDS
    while left := _slurm("squeue", "--noheader", f"--name={name}", "--format=%i").split():
        if time.monotonic() > until:
            raise UserError(
                f"jobs that it left do not end: {' '.join(left)}; start again once `squeue --name={name}` shows none"
            )
        time.sleep(LOOK_SECONDS)
    print(f"SLURM jobs that it left were cancelled: scancel --name={name}", file=sys.stderr)


def _slurm(*command: str) -> str:
    """What a command of SLURM prints."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, "stderr", None) or error
        raise UserError(f"jobs that it left could not be cancelled ({reason}); try {' '.join(command)}") from error
