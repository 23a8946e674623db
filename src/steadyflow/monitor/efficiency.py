"""How well trainings and stages used their time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from steadyflow.ground.ledger import Ledger
from steadyflow.report.text import duration, number_or_blank, table_lines


@dataclass(frozen=True)
class Efficiency:
    """How well a training used its time, over all its starts.

    mfu: model FLOPs utilisation in [0, 1], None where it is not known
    saving_share: of the seconds, those spent in saving checkpoints
    recomputed_share: of the computed steps, those computed again after a kill
    """

    name: str
    seconds: float
    images_per_second: float
    mfu: float | None
    saving_share: float
    starts: int
    recomputed_share: float


def training_efficiency(ledger: Ledger, curve: pd.DataFrame) -> Efficiency:
    """Speed and MFU are medians over the training's curve: its first points include compilation, single others a busy
    disk."""
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

    Columns: stage, jobs, seconds (sum), longest (seconds), memory_mb (maximum), cpu_share (CPU seconds per second). A
    benchmark covers the last start of a job alone.
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


def efficiency_lines(trainings: Sequence[Efficiency], stages: pd.DataFrame) -> list[str]:
    """A table of trainings, and a table of stages (`stage_times`)."""
    of_trainings = [("training", "time", "images/s", "MFU", "saving", "starts", "recomputed")]
    of_trainings += [
        (
            item.name,
            duration(item.seconds),
            number_or_blank(item.images_per_second, ",.0f"),
            number_or_blank(item.mfu, ".1%"),
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
            number_or_blank(row["memory_mb"], ",.0f", " MB"),
            number_or_blank(row["cpu_share"], ".0%"),
        )
        for row in stages.to_dict("records")
    ]
    return [*table_lines(of_trainings), "", *table_lines(of_stages)]
