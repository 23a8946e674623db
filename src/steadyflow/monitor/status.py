"""The status of the long jobs of a study: trainings and scorings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from steadyflow.ground.ledger import Ledger
from steadyflow.report.text import duration, number_or_blank, table_lines

State = Literal["done", "running", "stopped", "waiting"]
QUIET_SECONDS = 300.0
"""A job without an update for this long counts as stopped."""


@dataclass(frozen=True)
class JobStatus:
    """The status of a training or a scoring.

    `step` of `steps`: optimisation steps, or measured (image, time, noise) triples of a scoring; None where unknown.
    `log`: the path of its log file.
    """

    kind: str
    name: str
    state: State
    log: str
    step: int | None = None
    steps: int | None = None
    images_per_second: float | None = None
    loss: float | None = None
    seconds_left: float | None = None


def training_status(
    kind: str, name: str, *, done: bool, steps: int, ledger: Ledger | None, log: str, now: float
) -> JobStatus:
    """`done`: whether its results exist; `now`: in seconds since the epoch."""
    if done:
        return JobStatus(kind, name, "done", log, steps, steps)
    if ledger is None or ledger.finished:
        # Finished without results: these were deleted, and the training starts anew.
        return JobStatus(kind, name, "waiting", log, 0, steps)
    running = not ledger.stopped and now - ledger.updated < QUIET_SECONDS
    return JobStatus(
        kind,
        name,
        "running" if running else "stopped",
        log,
        ledger.step,
        ledger.steps,
        ledger.images_per_second if running else None,
        ledger.loss,
        ledger.seconds_left,
    )


def scoring_status(name: str, *, done: bool, items: tuple[int, int, float] | None, log: str, now: float) -> JobStatus:
    """`items`: measured items, all items, and the time of the last one (`resumable.items_done`)."""
    if done:
        return JobStatus("scoring", name, "done", log)
    if items is None:
        return JobStatus("scoring", name, "waiting", log)
    measured, wanted, last = items
    return JobStatus("scoring", name, "running" if now - last < QUIET_SECONDS else "stopped", log, measured, wanted)


def status_lines(jobs: Sequence[JobStatus]) -> list[str]:
    """A table with a line per job, and a line that counts them by state."""
    rows = [("", "", "", "step", "images/s", "loss", "time left", "log")]
    for job in jobs:
        share = "" if job.steps is None else f"{job.step:,} of {job.steps:,}"
        rows.append(
            (
                job.kind,
                job.name,
                job.state,
                share,
                number_or_blank(job.images_per_second, ",.0f"),
                number_or_blank(job.loss, ".4f"),
                duration(job.seconds_left),
                job.log if job.state in ("running", "stopped") else "",
            )
        )
    counts = {state: sum(job.state == state for job in jobs) for state in ("done", "running", "stopped", "waiting")}
    return [*table_lines(rows), ", ".join(f"{count} {state}" for state, count in counts.items() if count)]
