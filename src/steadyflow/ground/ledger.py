"""How far a training got and what that took: a small JSON file beside its state, for whoever watches, counts or waits.

No result depends on it. It outlives the state, and says which process works on the training: the last that began to.
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
"""Between two notes of a training that goes on, at least."""


@dataclass(frozen=True)
class Worker:
    """A process, told from every other by when it began. `job` is its SLURM job, "" outside SLURM."""

    host: str
    pid: int
    job: str
    began: float

    @classmethod
    def here(cls) -> "Worker":
        return cls(socket.gethostname(), os.getpid(), os.environ.get("SLURM_JOB_ID", ""), time.time())

    @property
    def is_this(self) -> bool:
        """Whether it is the process that asks."""
        here = Worker.here()
        return (self.host, self.pid, self.job) == (here.host, here.pid, here.job)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}" + (f", SLURM job {self.job}" if self.job else "")


@dataclass(frozen=True)
class Ledger:
    """One training over all its starts.

    `step` of `steps` is done, `saved` is the step of the last state; `starts` counts processes, `stops` those that
    saved and stopped by themselves; `recomputed` steps had been done before, by processes that were killed after their
    last save (counted up to their last note, so a few seconds too low each). `seconds` were spent in steps and saves,
    `saving_seconds` of them in saves. `images_per_second`, `mfu` and `loss` are those of the last point of the curve,
    None where they are not known; `processes` share a batch of `batch_size`; `updated` in seconds since the epoch;
    `stopped` from when it has stopped by itself until it goes on; `finished` once the results are written.
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
        """At the pace of the last point of the curve."""
        if not self.images_per_second:
            return None
        return (self.steps - self.step) * self.batch_size / self.images_per_second


def ledger_file(state: Path | str) -> Path:
    """The ledger of the training whose state lies at `state`."""
    return Path(state).with_suffix(".json")


def read_ledger(path: Path | str) -> Ledger | None:
    """None where there is none yet, or it is not a ledger: nothing depends on it."""
    try:
        content = read_json(path)
        # Of another version it may hold more.
        known = {field.name: content[field.name] for field in dataclasses.fields(Ledger) if field.name in content}
        return Ledger(**{**known, "worker": Worker(**content["worker"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def is_held_here(path: Path | str) -> bool:
    """Whether no other process has begun to work on the training since this one did."""
    found = read_ledger(path)
    return found is None or found.worker.is_this


def close_ledger(path: Path | str) -> None:
    """The results are written."""
    found = read_ledger(path)
    if found is not None:
        write_json(path, dataclasses.asdict(dataclasses.replace(found, finished=True, updated=time.time())))


class Bookkeeper:
    """Keeps the ledger of one training while a process works on it. Only the process that writes states has one."""

    def __init__(self, path: Path, name: str, steps: int, batch_size: int, processes: int, start: int) -> None:
        """Claims the training for this process, which goes on at step `start`."""
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
        """`step` steps are done; `point` is that of the curve at this step, if it has one. Written now and then."""
        self.ledger = dataclasses.replace(self.ledger, step=step)
        if point is not None:
            rate, mfu, loss = (_known(point[name]) for name in ("images_per_second", "mfu", "loss"))
            self.ledger = dataclasses.replace(self.ledger, images_per_second=rate, mfu=mfu, loss=loss)
        if time.monotonic() - self._noted >= NOTE_SECONDS or step == self.ledger.steps:
            self._write()

    def saved(self, seconds: float, *, stops: bool) -> None:
        """The state was saved in `seconds`, and the process `stops`."""
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
        """Another process that has begun to work on this training since: it is that one's now."""
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
