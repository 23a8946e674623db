"""How far the long work of a study is, and how well its time was used: plain facts, and lines of text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from steadyflow.ledger import Ledger
from steadyflow.report.text import table_lines

State = Literal["done", "running", "stopped", "waiting"]
QUIET_SECONDS = 300.0
"""Work that nothing was heard of for that long is taken for stopped."""


@dataclass(frozen=True)
class Progress:
    """A training or scoring. `step` of `steps`: of a scoring the triples measured; None where nothing is known."""

    kind: str
    name: str
    state: State
    log: str
    step: int | None = None
    steps: int | None = None
    images_per_second: float | None = None
    loss: float | None = None
    seconds_left: float | None = None


def training_progress(
    kind: str, name: str, *, done: bool, steps: int, ledger: Ledger | None, log: str, now: float
) -> Progress:
    """`done`: its results are there; `now` in seconds since the epoch."""
    if done:
        return Progress(kind, name, "done", log, steps, steps)
    if ledger is None or ledger.finished:
        return Progress(kind, name, "waiting", log, 0, steps)
    runs = not ledger.stopped and now - ledger.updated < QUIET_SECONDS
    return Progress(
        kind,
        name,
        "running" if runs else "stopped",
        log,
        ledger.step,
        ledger.steps,
        ledger.images_per_second if runs else None,
        ledger.loss,
        ledger.seconds_left,
    )


def scoring_progress(name: str, *, done: bool, items: tuple[int, int, float] | None, log: str, now: float) -> Progress:
    """`items`: of its table how many are done, of how many, and when one was last."""
    if done:
        return Progress("scoring", name, "done", log)
    if items is None:
        return Progress("scoring", name, "waiting", log)
    measured, wanted, when = items
    return Progress("scoring", name, "running" if now - when < QUIET_SECONDS else "stopped", log, measured, wanted)


@dataclass(frozen=True)
class Efficiency:
    """What a training made of its time, over all its starts. `mfu` is None where it is not known."""

    name: str
    seconds: float
    images_per_second: float
    mfu: float | None
    saving_share: float
    starts: int
    recomputed_share: float


def training_efficiency(ledger: Ledger, curve: pd.DataFrame) -> Efficiency:
    """The speed is the curve's median: its first points hold compilation, and a few others a busy disk."""
    known = curve["mfu"].dropna() if "mfu" in curve else pd.Series(dtype=float)
    computed = ledger.step + ledger.recomputed
    return Efficiency(
        ledger.name,
        ledger.seconds,
        float(curve["images_per_second"].median()),
        float(known.median()) if len(known) else None,
        ledger.saving_seconds / ledger.seconds if ledger.seconds else 0.0,
        ledger.starts,
        ledger.recomputed / computed if computed else 0.0,
    )


def stage_times(benchmarks: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Snakemake's benchmark tables by their path under `benchmarks/`, summed by stage.

    stage, jobs, seconds (in all), longest (seconds), memory_mb (the most), cpu_share (of one core's time). A benchmark
    is that of the last start of a job alone.
    """
    rows = [
        {
            "stage": Path(path).parts[1].removesuffix(".tsv"),
            "seconds": float(table["s"].sum()),
            "memory_mb": float(pd.to_numeric(table["max_rss"], errors="coerce").max()),
            "cpu_seconds": float(pd.to_numeric(table["cpu_time"], errors="coerce").sum()),
        }
        for path, table in benchmarks.items()
    ]
    if not rows:
        return pd.DataFrame(columns=["stage", "jobs", "seconds", "longest", "memory_mb", "cpu_share"])
    grouped = pd.DataFrame(rows).groupby("stage", sort=True)
    times = grouped.agg(
        jobs=("seconds", "size"),
        total=("seconds", "sum"),
        longest=("seconds", "max"),
        memory_mb=("memory_mb", "max"),
        cpu_seconds=("cpu_seconds", "sum"),
    ).reset_index()
    times["cpu_share"] = times.pop("cpu_seconds") / times["total"].clip(lower=1e-9)
    return times.rename(columns={"total": "seconds"})


def progress_lines(items: Sequence[Progress]) -> list[str]:
    """A table, a line each, and a line that counts."""
    rows = [("", "", "", "step", "images/s", "loss", "time left", "log")]
    for item in items:
        share = "" if item.steps is None else f"{item.step:,} of {item.steps:,}"
        rows.append(
            (
                item.kind,
                item.name,
                item.state,
                share,
                _number(item.images_per_second, ",.0f"),
                _number(item.loss, ".4f"),
                duration(item.seconds_left),
                item.log if item.state in ("running", "stopped") else "",
            )
        )
    counts = {state: sum(item.state == state for item in items) for state in ("done", "running", "stopped", "waiting")}
    return [*table_lines(rows), ", ".join(f"{count} {state}" for state, count in counts.items() if count)]


def efficiency_lines(trainings: Sequence[Efficiency], stages: pd.DataFrame) -> list[str]:
    of_trainings = [("training", "time", "images/s", "MFU", "saving", "starts", "recomputed")]
    of_trainings += [
        (
            item.name,
            duration(item.seconds),
            _number(item.images_per_second, ",.0f"),
            _number(item.mfu, ".1%"),
            f"{item.saving_share:.1%}",
            str(item.starts),
            f"{item.recomputed_share:.1%}",
        )
        for item in trainings
    ]
    of_stages = [("stage", "jobs", "time", "longest", "memory", "CPU")]
    of_stages += [
        (
            row["stage"],
            str(row["jobs"]),
            duration(row["seconds"]),
            duration(row["longest"]),
            _number(row["memory_mb"], ",.0f", " MB"),
            _number(row["cpu_share"], ".0%"),
        )
        for row in stages.to_dict("records")
    ]
    return [*table_lines(of_trainings), "", *table_lines(of_stages)]


def duration(seconds: float | None) -> str:
    """Like 45 s, 12 min, 3 h 20 min, 2 d 4 h."""
    if seconds is None:
        return ""
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    if seconds < 100:
        return f"{seconds:.0f} s"
    if minutes < 100:
        return f"{minutes} min"
    if hours < 48:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{hours // 24} d {hours % 24} h"


def _number(value: float | None, form: str, unit: str = "") -> str:
    return "" if value is None or np.isnan(value) else f"{value:{form}}{unit}"
