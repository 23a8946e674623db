"""A training's ledger: a small JSON file beside its checkpoint with its progress and the time spent.

It names the process that owns the training, which is the last one that started it; no result depends on it otherwise.
It is kept when the checkpoint is deleted.
"""

import dataclasses
import math
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from steadyflow.ground.artifacts import delete_leftovers, read_json, write_json

NOTE_SECONDS = 5.0
"""Minimum time between two updates while a training runs."""


@dataclass(frozen=True)
class Worker:
    """A process, identified by host, process id and start time (`began`, in seconds since the epoch). `job` is its
    SLURM job, "" outside SLURM."""

    host: str
    pid: int
    job: str
    began: float

    @classmethod
    def here(cls) -> "Worker":
        return cls(socket.gethostname(), os.getpid(), os.environ.get("SLURM_JOB_ID", ""), time.time())

    @property
    def is_this(self) -> bool:
        """Whether it is the calling process."""
        here = Worker.here()
        return (self.host, self.pid, self.job) == (here.host, here.pid, here.job)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}" + (f", SLURM job {self.job}" if self.job else "")


@dataclass(frozen=True)
class Ledger:
    """The history of one training over all processes that worked on it.

    steps, batch_size: of the training; `processes` share a batch
    worker: the process that owns the training
    step, saved: steps that are done, and those of the last checkpoint
    starts, stops: number of processes that started, and of those that saved a checkpoint and stopped by themselves
    recomputed: steps computed again because a process was killed after its last checkpoint; counted up to that
        process's last update, so a few seconds too low each
    seconds, saving_seconds: spent in steps and checkpoints, and in checkpoints alone
    images_per_second, mfu, loss: of the last point of the curve, None if unknown
    updated: in seconds since the epoch
    stopped: the last process stopped by itself, and none has resumed
    finished: the results are written
    """

    name: str
    steps: int
    batch_size: int
    worker: Worker
    processes: int = 1
    step: int = 0
    saved: int = 0
    starts: int = 0
    stops: int = 0
    recomputed: int = 0
    seconds: float = 0.0
    saving_seconds: float = 0.0
    images_per_second: float | None = None
    mfu: float | None = None
    loss: float | None = None
    updated: float = 0.0
    stopped: bool = False
    finished: bool = False

    @property
    def seconds_left(self) -> float | None:
        """Estimate of the remaining time from the last `images_per_second`, None if that is unknown."""
        if not self.images_per_second:
            return None
        return (self.steps - self.step) * self.batch_size / self.images_per_second


def ledger_file(checkpoint: Path | str) -> Path:
    """The ledger of the training whose checkpoint is the file `checkpoint`."""
    return Path(checkpoint).with_suffix(".json")


def read_ledger(path: Path | str) -> Ledger | None:
    """None if the file does not exist or is not a ledger."""
    try:
        content = read_json(path)
        # A ledger of another version may have other keys.
        known = {field.name: content[field.name] for field in dataclasses.fields(Ledger) if field.name in content}
        return Ledger(**{**known, "worker": Worker(**content["worker"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def is_held_here(path: Path | str) -> bool:
    """Whether no other process has started the same training since this one did."""
    found = read_ledger(path)
    return found is None or found.worker.is_this


def close_ledger(path: Path | str) -> None:
    """Marks the training as finished."""
    found = read_ledger(path)
    if found is not None:
        write_json(path, dataclasses.asdict(dataclasses.replace(found, finished=True, updated=time.time())))


class Bookkeeper:
    """Updates the ledger of one training while a process works on it; only on rank 0, which writes checkpoints."""

    def __init__(self, path: Path, name: str, steps: int, batch_size: int, processes: int, start: int) -> None:
        """Makes this process the owner of the training, which it resumes at step `start`."""
        delete_leftovers(path)
        earlier = read_ledger(path)
        if earlier is None or earlier.finished:
            earlier = Ledger(name, steps, batch_size, Worker.here())
        self._path, self._worker = path, Worker.here()
        self._began = self._noted = time.monotonic()
        self._earlier_seconds = earlier.seconds
        self.ledger = dataclasses.replace(
            earlier,
            name=name,
            steps=steps,
            batch_size=batch_size,
            worker=self._worker,
            processes=processes,
            step=start,
            saved=start,
            starts=earlier.starts + 1,
            stopped=False,
            recomputed=earlier.recomputed + max(0, earlier.step - start),
        )
        self._write()

    def note(self, step: int, point: Mapping[str, float] | None = None) -> None:
        """Records that `step` steps are done, and the curve's `point` at this step if there is one. The file is written
        at most every NOTE_SECONDS, and at the last step."""
        self.ledger = dataclasses.replace(self.ledger, step=step)
        if point is not None:
            rate, mfu, loss = (_known(point[name]) for name in ("images_per_second", "mfu", "loss"))
            self.ledger = dataclasses.replace(self.ledger, images_per_second=rate, mfu=mfu, loss=loss)
        if time.monotonic() - self._noted >= NOTE_SECONDS or step == self.ledger.steps:
            self._write()

    def saved(self, seconds: float, *, stops: bool) -> None:
        """Records a checkpoint that took `seconds`, and whether the process `stops` after it."""
        ledger = self.ledger
        self.ledger = dataclasses.replace(
            ledger,
            saved=ledger.step,
            saving_seconds=ledger.saving_seconds + seconds,
            stops=ledger.stops + stops,
            stopped=stops,
        )
        self._write()

    def successor(self) -> Worker | None:
        """The other process that owns the training by now, None if this one still does."""
        found = read_ledger(self._path)
        return None if found is None or found.worker == self._worker else found.worker

    def _write(self) -> None:
        self._noted = time.monotonic()
        seconds = self._earlier_seconds + self._noted - self._began
        self.ledger = dataclasses.replace(self.ledger, seconds=seconds, updated=time.time())
        write_json(self._path, dataclasses.asdict(self.ledger))


def _known(number: float) -> float | None:
    """JSON has no NaN."""
    return number if math.isfinite(number) else None
