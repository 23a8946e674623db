"""Where the files beside the outputs of a job lie: its log, benchmark, provenance record and checkpoint."""

from pathlib import Path

from steadyflow.stages.stage import Job
from steadyflow.study import Study


def record_place(place: str) -> str:
    """Below the results. A place as a stage has it, with wildcards or filled in."""
    return f"provenance/{place}.json"


def log_place(place: str) -> str:
    return f"logs/{place}.log"


def benchmark_place(place: str) -> str:
    return f"benchmarks/{place}.tsv"


def filled(job: Job) -> str:
    """The place of a job."""
    return job.stage.place.format_map(job.names)


def record_file(study: Study, job: Job) -> Path:
    return Path(study.results) / record_place(filled(job))


def log_file(study: Study, job: Job) -> Path:
    return Path(study.results) / log_place(filled(job))


def checkpoint_file(study: Study, job: Job, key: str) -> Path:
    """What a killed job resumes from. `key` is a hash of all that its result is made from: after an edit, or another
    result upstream, the job starts from the beginning, and never finds a checkpoint of other content."""
    return Path(study.results) / "state" / f"{filled(job)}-{key}.{job.stage.checkpoint}"
