"""A part of the tiny study as if it were finished: files that hold something, and a true record of each job."""

import copy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from steadyflow.plan.provenance import Provenance, identity_of, write_record
from steadyflow.plan.targets import all_jobs
from steadyflow.stages.stage import Job, output_files, upstream
from steadyflow.study import Study
from steadyflow.study.load import parse_study
from support.tiny import TINY

# Of each kind of stage some jobs.
SMALL: dict[str, Any] = TINY | {
    "runs": {run: TINY["runs"][run] for run in ("surrogate", "unpruned", "cluster_b-0.5", "conditional")},
    "subsets": {name: TINY["subsets"][name] for name in ("cluster_b-0.5", "loss-0.5")},
    "clusterings": {"k10": TINY["clusterings"]["k10"]},
    "evaluations": {"digits": {"sampling": "euler", "reference": "unpruned", "paths": 8}},
}


def study_in(folder: Path, **edits: Any) -> Study:
    raw = copy.deepcopy(SMALL) | {"results": str(folder)}
    for place, value in edits.items():
        *parents, key = place.split("/")
        inner = raw
        for parent in parents:
            inner = inner[parent]
        inner[key] = value
    return parse_study(raw)


def finish(study: Study, jobs: Iterable[Job] | None = None) -> None:
    """Every job's outputs, each with a content of its own, and its record."""
    for job in jobs or upstream(study, all_jobs(study)):
        inputs = Provenance(study).inputs(job)
        for name, path in output_files(study, job).items():
            if job.stage.outputs[name].endswith("/"):
                path.mkdir(parents=True, exist_ok=True)
                path = path / "00000.arrow"
            path.parent.mkdir(parents=True, exist_ok=True)
            made_from = [identity_of(study, job), sorted(each.sha256 for each in inputs.values())]
            path.write_text(f"{job} {name} {made_from}")
        write_record(study, job, inputs)
