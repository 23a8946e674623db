"""What each target of the workflow makes: its jobs, of which Snakemake runs those that are out of date."""

from collections.abc import Callable

from steadyflow.stages.pruning import prune_jobs
from steadyflow.stages.stage import Job
from steadyflow.study import Study


def all_jobs(study: Study) -> list[Job]:
    return prune_jobs(study)


TARGETS: dict[str, Callable[[Study], list[Job]]] = {"all": all_jobs, "prune": prune_jobs}
