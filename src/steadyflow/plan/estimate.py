"""What a study costs, stage by stage: an ESTIMATE, the sum of what steadyflow.stages.cost says of each job."""

from collections.abc import Iterable
from dataclasses import dataclass

from steadyflow.design.arms import arms
from steadyflow.plan.freshness import out_of_date
from steadyflow.plan.targets import all_jobs
from steadyflow.stages.cost import Cost, train_run
from steadyflow.stages.registry import STAGES
from steadyflow.stages.runs import TRAIN_RUN
from steadyflow.stages.stage import Job, upstream
from steadyflow.study import Study


@dataclass(frozen=True)
class Total:
    """Of several jobs."""

    jobs: int
    gpu_hours: float
    longest_hours: float
    """Of one of them, on a whole node."""
    disk_gb: float
    state_gb: float
    """The most that the checkpoints of one take beside that while it is under way."""


def total(costs: Iterable[Cost]) -> Total:
    costs = list(costs)
    return Total(
        jobs=len(costs),
        gpu_hours=sum(each.gpu_hours for each in costs),
        longest_hours=max((each.hours for each in costs), default=0.0),
        disk_gb=sum(each.disk_mb for each in costs) / 1000,
        state_gb=max((each.state_mb for each in costs), default=0.0) / 1000,
    )


@dataclass(frozen=True)
class Estimate:
    """Of the jobs of one stage, or of all: everything, and what is not done yet."""

    everything: Total
    left: Total


def long_jobs(study: Study) -> list[Job]:
    """The jobs of `all` that take more than seconds, every one after what it needs."""
    return [job for job in upstream(study, all_jobs(study)) if job.stage.cost is not None]


def estimate(study: Study) -> dict[str, Estimate]:
    """Stage -> its jobs' cost, for the stages that have any, in the order of the work; last, `in all`."""
    jobs, stale = long_jobs(study), out_of_date(study, all_jobs(study))
    costs = {job: job.stage.cost(study, job.names) for job in jobs if job.stage.cost is not None}

    def of(chosen: Iterable[Job]) -> Estimate:
        chosen = list(chosen)
        return Estimate(total(costs[job] for job in chosen), total(costs[job] for job in chosen if job in stale))

    by_stage = {name: [job for job in jobs if job.stage.name == name] for name in STAGES}
    return {name: of(chosen) for name, chosen in {**by_stage, "in all": jobs}.items() if chosen}


def cost_of_trainings(study: Study) -> tuple[Total, Total]:
    """Of all trainings of velocity models, and of those that would be left if nothing were repeated: one of each arm,
    and those of no arm, such as surrogates."""
    repeated = {run for dataset in study.evaluations for arm in arms(study, dataset) for run in arm.runs[1:]}
    jobs = [job.names for job in long_jobs(study) if job.stage is TRAIN_RUN]
    costs = {names["run"]: train_run(study, names) for names in jobs if study.runs[names["run"]].trained}
    return total(costs.values()), total(cost for run, cost in costs.items() if run not in repeated)
