"""What a study costs, stage by stage: an ESTIMATE, the sum of what steadyflow.study.resources says of each job."""

from collections.abc import Iterable
from dataclasses import dataclass

from steadyflow.study.jobs import Job, jobs
from steadyflow.study.resources import WORK, Work, work
from steadyflow.study.specs import Study


@dataclass(frozen=True)
class Cost:
    """Of several jobs."""

    jobs: int
    gpu_hours: float
    longest_hours: float
    """Of one of them, on a whole node."""
    disk_gb: float
    state_gb: float
    """The most that the states of one take beside that while it is under way."""


def cost(works: Iterable[Work]) -> Cost:
    works = list(works)
    return Cost(
        jobs=len(works),
        gpu_hours=sum(each.gpu_hours for each in works),
        longest_hours=max((each.hours for each in works), default=0.0),
        disk_gb=sum(each.disk_mb for each in works) / 1000,
        state_gb=max((each.state_mb for each in works), default=0.0) / 1000,
    )


@dataclass(frozen=True)
class Estimate:
    """Of the jobs of one rule, or of all: everything, and what is not done yet."""

    everything: Cost
    left: Cost


def estimate(study: Study) -> dict[str, Estimate]:
    """Rule -> its jobs' cost, for the rules that have any, in the order of the work; last, `in all`."""
    asked = [(job, work(study, job.rule, dict(job.wildcards))) for job in jobs(study)]
    of_rules = {rule: [(job, each) for job, each in asked if job.rule == rule] for rule in WORK}
    return {name: _estimate(of) for name, of in {**of_rules, "in all": asked}.items() if of}


def _estimate(asked: list[tuple[Job, Work]]) -> Estimate:
    return Estimate(cost(each for _, each in asked), cost(each for job, each in asked if not job.done))
