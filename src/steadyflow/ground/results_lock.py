"""The lock of a results folder, which allows one Snakemake at a time.

Snakemake's own lock is per working directory, outlasts a killed Snakemake, and does not cover jobs that one left on a
cluster. This lock is the operating system's, and released when the process that holds it ends. A JSON file beside it
names the holder and its SLURM jobs, so that the next Snakemake can cancel the jobs of a dead one, and for machines
that do not see each other's file locks.
"""

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

from filelock import FileLock, Timeout

from steadyflow.ground.artifacts import UserError, write_json

END_SECONDS = 300.0
"""Timeout for cancelled jobs to end: SLURM kills them after its KillWait, 30 seconds by default."""
POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Holder:
    """A Snakemake process that holds the lock; `jobs` is the common name of its SLURM jobs, "" without SLURM."""

    host: str
    pid: int
    jobs: str


def holder_file(results: Path | str) -> Path:
    """The JSON file that names the holder of the lock."""
    return Path(results) / "lock.json"


class ResultsLock:
    """The lock of one results folder. It is acquired by `acquire`, not by the constructor."""

    def __init__(self, results: Path | str) -> None:
        self._file = holder_file(results)
        self._lock = FileLock(Path(results) / ".lock", thread_local=False)
        self._holder: Holder | None = None

    def acquire(self, jobs: str = "") -> None:
        """Locks the results for this process, whose SLURM jobs are named `jobs`.

        SLURM jobs of a dead holder are cancelled first, and have ended on return: they are submitted again, and resume
        from their checkpoints. An interrupt meanwhile leaves the results unlocked and the dead holder's file in place.

        Raises UserError if another process holds the lock, if the last holder was on another machine (file locks may
        not be visible across machines), or if its jobs do not end.
        """
        holder = Holder(socket.gethostname(), os.getpid(), jobs)
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(blocking=False)
        except Timeout:
            raise UserError(_refusal(self._file, _read(self._file))) from None
        except OSError as error:
            raise UserError(f"{self._lock.lock_file}: cannot be locked ({error})") from error
        try:
            _register(self._file, holder)
        except BaseException:
            self._lock.release()
            raise
        self._holder = holder

    def release(self) -> None:
        """Unlocks the results; no effect if this process does not hold the lock."""
        if not self._lock.is_locked:
            return
        if self._file.exists() and _read(self._file) == self._holder:
            self._file.unlink()
        self._lock.release()


def _register(file: Path, holder: Holder) -> None:
    """Writes the new holder to the JSON file. The lock is held, so a former holder on this machine is dead."""
    if _create(file, holder):
        return
    former = _read(file)
    if former.host != holder.host:
        raise UserError(_refusal(file, former))
    _cancel_jobs(former.jobs)
    write_json(file, dataclasses.asdict(holder))
    print(f"{file}: Snakemake of process {former.pid} is dead; its results are taken over", file=sys.stderr)


def _create(file: Path, holder: Holder) -> bool:
    """Creates the file, complete from the start; False if it exists. Of two machines at most one succeeds."""
    try:
        with tempfile.NamedTemporaryFile("w", dir=file.parent, prefix=f".{file.name}.", encoding="utf-8") as temporary:
            json.dump(dataclasses.asdict(holder), temporary)
            temporary.flush()
            os.fchmod(temporary.fileno(), 0o644)
            os.link(temporary.name, file)
    except FileExistsError:
        return False
    except OSError as error:
        raise UserError(
            f"{file}: cannot be written ({error}); the file system needs free space and support for hard links"
        ) from error
    return True


def _read(file: Path) -> Holder:
    try:
        return Holder(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"{file}: another Snakemake is starting or ending here ({error}); if none is, delete this file"
        ) from error


def _refusal(file: Path, holder: Holder) -> str:
    refusal = (
        f"{file}: another Snakemake, process {holder.pid} on {holder.host}, works on these results; wait for it, stop "
        "it, or give this study a folder of its own (results: ...)"
    )
    if holder.host == socket.gethostname():
        return refusal
    cancel = f"cancel its jobs (scancel --name={holder.jobs}) and " if holder.jobs else ""
    return f"{refusal}. If it is no longer alive on {holder.host}, {cancel}delete this file"


def _cancel_jobs(name: str) -> None:
    """Cancels the SLURM jobs of that name, unless it is empty, and waits until they have ended. They get SIGTERM first,
    on which trainings save a checkpoint."""
    if not name:
        return
    _slurm("scancel", f"--name={name}")
    until = time.monotonic() + END_SECONDS
    while left := _slurm("squeue", "--noheader", f"--name={name}", "--format=%i").split():
        if time.monotonic() > until:
            raise UserError(
                f"jobs that it left do not end: {' '.join(left)}; start again once `squeue --name={name}` shows none"
            )
        time.sleep(POLL_SECONDS)
    print(f"SLURM jobs that it left were cancelled: scancel --name={name}", file=sys.stderr)


def _slurm(*command: str) -> str:
    """The output of a SLURM command."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, "stderr", None) or error
        raise UserError(f"jobs that it left could not be cancelled ({reason}); try {' '.join(command)}") from error
