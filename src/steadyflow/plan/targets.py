"""What each target of the workflow makes: its jobs, of which Snakemake runs those that are out of date."""

from collections.abc import Callable
from functools import partial

from steadyflow.stages.exhibits import EXHIBITS, WRITE_REPORT, exhibit_jobs
from steadyflow.stages.pruning import prune_jobs
from steadyflow.stages.stage import Job
from steadyflow.study import Study


def report_jobs(study: Study) -> list[Job]:
    """A study that only prunes has nothing to report."""
    return [WRITE_REPORT.job({"study": study.name})] if study.evaluations else []


def all_jobs(study: Study) -> list[Job]:
    return [*prune_jobs(study), *report_jobs(study)]


TARGETS: dict[str, Callable[[Study], list[Job]]] = {
    "all": all_jobs,
    "prune": prune_jobs,
    "report": report_jobs,
    "all_tables": partial(exhibit_jobs, kind="table"),
    "all_figures": partial(exhibit_jobs, kind="figure"),
    **{
        f"{kind}_{name}": partial(exhibit_jobs, kind=kind, name=name)
        for kind, exhibits in EXHIBITS.items()
        for name in exhibits
    },
}
