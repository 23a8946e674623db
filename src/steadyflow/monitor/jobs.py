"""The long jobs of a study, and what their files say of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from steadyflow.ground.ledger import ledger_file, read_ledger
from steadyflow.ground.resumable import items_done
from steadyflow.monitor.efficiency import Efficiency, training_efficiency
from steadyflow.monitor.status import JobStatus, scoring_status, training_status
from steadyflow.plan.freshness import out_of_date
from steadyflow.plan.layout import log_file
from steadyflow.plan.provenance import current_checkpoint
from steadyflow.plan.targets import all_jobs
from steadyflow.stages.stage import Job, output_files, upstream
from steadyflow.study import Study

_KINDS = {
    "train_tokenizer": ("tokenizer", "tokenizers"),
    "train_probe": ("probe", "encoders"),
    "train_run": ("run", "runs"),
    "score_samples": ("scoring", "scorings"),
}
"""Stage -> what its jobs are called, and the section of the study that has their specs."""


@dataclass(frozen=True)
class LongJob:
    """A training, or a scoring (`steps` is None).

    done: its result is there, and is what the study says now
    state: its checkpoint, None as long as what it reads is not there; curve: the curve of a training; log: its log file
    """

    kind: str
    name: str
    steps: int | None
    done: bool
    state: Path | None
    curve: Path | None
    log: str


def long_jobs(study: Study) -> Iterator[LongJob]:
    """Everything that a study trains or scores, by kind."""
    jobs = upstream(study, all_jobs(study))
    stale = out_of_date(study, jobs)
    for stage, (kind, section) in _KINDS.items():
        for job in (job for job in jobs if job.stage.name == stage):
            found = _long_job(study, job, kind, section, done=job not in stale)
            if found is not None:
                yield found


def _long_job(study: Study, job: Job, kind: str, section: str, *, done: bool) -> LongJob | None:
    """None of a run that is not trained: pretrained, or a null model."""
    name = job.wildcards[-1][1]
    spec = getattr(study, section)[name]
    if section == "runs" and not spec.trained:
        return None
    return LongJob(
        kind,
        name,
        getattr(spec, "steps", None),
        done,
        current_checkpoint(study, job),
        output_files(study, job).get("curve"),
        str(log_file(study, job)),
    )


def job_status(job: LongJob, now: float) -> JobStatus:
    """`now`: in seconds since the epoch."""
    if job.steps is None:
        items = items_done(job.state) if job.state else None
        return scoring_status(job.name, done=job.done, items=items, log=job.log, now=now)
    ledger = read_ledger(ledger_file(job.state)) if job.state else None
    return training_status(job.kind, job.name, done=job.done, steps=job.steps, ledger=ledger, log=job.log, now=now)


def job_efficiency(job: LongJob) -> Efficiency | None:
    """None of a scoring, and of a training that is not finished."""
    ledger = read_ledger(ledger_file(job.state)) if job.state else None
    if job.curve is None or ledger is None or not ledger.finished or not job.curve.exists():
        return None
    return training_efficiency(ledger, pd.read_parquet(job.curve))


def read_benchmarks(study: Study) -> dict[str, pd.DataFrame]:
    """Snakemake's benchmark tables of the study's datasets, by their paths under `benchmarks/`."""
    root = Path(study.results, "benchmarks")
    files = sorted(file for dataset in study.datasets for file in (root / dataset).rglob("*.tsv"))
    return {str(file.relative_to(root)): pd.read_csv(file, sep="\t") for file in files}
