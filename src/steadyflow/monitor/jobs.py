"""The long jobs of a study, and what their files say of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from steadyflow.ledger import ledger_file, read_ledger
from steadyflow.monitor.efficiency import Efficiency, training_efficiency
from steadyflow.monitor.status import JobStatus, scoring_status, training_status
from steadyflow.resumable import items_done
from steadyflow.study import Study, paths


@dataclass(frozen=True)
class LongJob:
    """A training, or a scoring (`steps` is None).

    result: the file that it writes last; state: its resumable state; log: its log file
    """

    kind: str
    name: str
    steps: int | None
    result: Path
    state: Path
    log: str


def long_jobs(study: Study) -> Iterator[LongJob]:
    """Everything that a study trains or scores."""
    for name, tokenizer in study.tokenizers.items():
        yield _job(study, "tokenizer", "tokenizers", name, tokenizer.steps)
    for name, probe in study.probes.items():
        yield _job(study, "probe", "encoders", name, probe.steps)
    for name, run in study.runs.items():
        if run.weights is None:
            yield _job(study, "run", "runs", name, run.steps)
    for name in study.scorings:
        yield _job(study, "scoring", "scorings", name, None)


def _job(study: Study, kind: str, section: str, name: str, steps: int | None) -> LongJob:
    files = paths.work_files(study, section, name)
    return LongJob(kind, name, steps, Path(files["result"]), Path(files["state"]), files["log"])


def job_status(job: LongJob, now: float) -> JobStatus:
    """`now`: in seconds since the epoch."""
    done = job.result.exists()
    if job.steps is None:
        return scoring_status(job.name, done=done, items=items_done(job.state), log=job.log, now=now)
    ledger = read_ledger(ledger_file(job.state))
    return training_status(job.kind, job.name, done=done, steps=job.steps, ledger=ledger, log=job.log, now=now)


def job_efficiency(job: LongJob) -> Efficiency | None:
    """None of a scoring, and of a training that is not finished."""
    ledger, curve = read_ledger(ledger_file(job.state)), job.result.with_name("curve.parquet")
    if job.steps is None or ledger is None or not ledger.finished or not curve.exists():
        return None
    return training_efficiency(ledger, pd.read_parquet(curve))


def read_benchmarks(study: Study) -> dict[str, pd.DataFrame]:
    """Snakemake's benchmark tables of the study's datasets, by their paths under `benchmarks/`."""
    root = Path(study.results, "benchmarks")
    files = sorted(file for dataset in study.datasets for file in (root / dataset).rglob("*.tsv"))
    return {str(file.relative_to(root)): pd.read_csv(file, sep="\t") for file in files}
