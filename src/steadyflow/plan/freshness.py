"""Which results are out of date, and why: because of themselves, or of what they were made from."""

from collections.abc import Iterable
from dataclasses import dataclass

from steadyflow.ground.artifacts import UserError
from steadyflow.plan.provenance import Provenance
from steadyflow.stages.stage import Artifact, Job, each_input, upstream
from steadyflow.study import Study


@dataclass(frozen=True)
class Stale:
    """Why a job has to be run: of itself, or because another job is."""

    reason: str
    because_of: Job | None = None


def out_of_date(study: Study, jobs: Iterable[Job], forced: Iterable[Job] = ()) -> dict[Job, Stale]:
    """Of these jobs and all that they need, those that have to be run, in an order in which they can be. `forced`
    are run in any case."""
    provenance, forced, found = Provenance(study), set(forced), dict[Job, Stale]()
    for job in upstream(study, jobs):
        inputs = each_input(job.stage.inputs(study, job.names))
        remade = next((each.job for each in inputs if isinstance(each, Artifact) and each.job in found), None)
        if remade is not None:
            found[job] = Stale(f"{remade} is run", remade)
        elif (reason := provenance.reason(job)) is not None:
            found[job] = Stale(reason)
        elif job in forced:
            found[job] = Stale("it is forced")
    return found


def require_fresh(study: Study, job: Job, command: str) -> None:
    """Raises UserError unless all that a job reads, directly or through others, is what the study says now; `command`
    mends it."""
    needed = [each.job for each in each_input(job.stage.inputs(study, job.names)) if isinstance(each, Artifact)]
    stale = out_of_date(study, needed).items()
    lines = [f"  {each}: {why.reason}" for each, why in stale if why.because_of is None]
    if lines:
        more = [f"  and {len(lines) - 5} more"] if len(lines) > 5 else []
        heading = f"{job}: what it is made from is not what the study says now; run `{command}`"
        raise UserError("\n".join([heading, *lines[:5], *more]))
