"""One Snakemake at a time for a folder of results.

Snakemake's own lock is that of a working directory, outlives a killed Snakemake, and knows nothing of the jobs that one
left on a cluster. This one is a file in the results, which says who holds it: a holder that is dead is succeeded.
"""

import dataclasses
import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

from steadyflow.artifacts import UserError


@dataclass(frozen=True)
class Driver:
    """A Snakemake process that runs a study. `began`, in seconds since the epoch, tells it from a later process of the
    same number; `jobs` is the name that all its SLURM jobs bear, "" without SLURM."""

    host: str
    pid: int
    began: float
    jobs: str

    @classmethod
    def here(cls, jobs: str = "") -> "Driver":
        return cls(socket.gethostname(), os.getpid(), psutil.Process().create_time(), jobs)

    def is_dead(self) -> bool:
        """False for one on another machine, which cannot be seen from here."""
        if self.host != socket.gethostname():
            return False
        try:
            process = psutil.Process(self.pid)
            return process.status() == psutil.STATUS_ZOMBIE or abs(process.create_time() - self.began) > 1
        except psutil.NoSuchProcess:
            return True


def driver_file(results: Path | str) -> Path:
    return Path(results) / "driver.json"


def begin_driving(results: Path | str, me: Driver) -> None:
    """Takes the lock of the results, or raises UserError where another Snakemake holds it.

    A dead holder is succeeded. The SLURM jobs it left are cancelled first: they will be submitted anew, and go on.
    """
    path = driver_file(results)
    path.parent.mkdir(parents=True, exist_ok=True)
    if _publish(path, me):
        return
    holder = _read(path)
    if not holder.is_dead():
        raise UserError(_refusal(path, holder))
    # Two may want to succeed: the one whose rename moves the dead one's file does.
    aside = path.with_name(f"{path.name}.{me.pid}")
    try:
        path.rename(aside)
    except FileNotFoundError:
        raise UserError(f"{path}: another Snakemake has just taken it; start again when it has ended") from None
    moved = _read(aside)
    aside.unlink()
    if moved == holder:
        try:
            _cancel_jobs(holder.jobs)
        except UserError:
            _publish(path, holder)
            raise
        print(f"{path}: Snakemake of process {holder.pid} is dead; its results are taken over", file=sys.stderr)
    if not _publish(path, me if moved == holder else moved) or moved != holder:
        raise UserError(_refusal(path, _read(path)))


def end_driving(results: Path | str, me: Driver) -> None:
    """Gives the lock back."""
    path = driver_file(results)
    if path.exists() and _read(path) == me:
        path.unlink()


def _publish(path: Path, driver: Driver) -> bool:
    """Whether the file was not there yet, and now holds this driver."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    except FileExistsError:
        return False
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(dataclasses.asdict(driver), file)
    except OSError as error:
        path.unlink()
        raise UserError(f"{path}: cannot be written ({error})") from error
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
    """Cancels the SLURM jobs of that name, if it is one. They are told beforehand, so trainings save."""
    if not name:
        return
    command = ["scancel", f"--name={name}"]
    try:
        subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, "stderr", None) or error
        raise UserError(f"jobs that it left could not be cancelled ({reason}); run {' '.join(command)}") from error
    print(f"SLURM jobs that it left were cancelled: {' '.join(command)}", file=sys.stderr)
