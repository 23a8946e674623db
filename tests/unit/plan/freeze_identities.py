"""What makes every result of some studies out of date, as it is today: to notice an upgrade that would do so.

PYTHONPATH=src:tests:tests/unit python tests/unit/plan/freeze_identities.py writes identities.json beside this file.
"""

import json
from pathlib import Path

from support.studies import ROOT, every_job
from support.tiny import TINY

from steadyflow.ground.artifacts import spec_hash
from steadyflow.plan.provenance import identity_of, named_inputs
from steadyflow.stages.stage import Job
from steadyflow.study import Study, load_study, parse_study

FROZEN = Path(__file__).with_name("identities.json")


def frozen_studies() -> list[Study]:
    files = ("config.yaml", "studies/digits.yaml", "studies/celebahq.yaml")
    return [parse_study(TINY), *(load_study(ROOT / file) for file in files)]


def lasting_jobs(study: Study) -> list[Job]:
    """All but tables, figures and pages: these take seconds, and are made again when their own code is edited."""
    return [job for job in every_job(study) if not job.stage.checks_all_upstream]


def identities(study: Study) -> dict[str, dict[str, str]]:
    """Job -> all that its provenance record is compared with, but the content of files: the version of its stage, and
    hashes of its own identity and of the names of its inputs and outputs."""
    found = {}
    for job in lasting_jobs(study):
        inputs = sorted(name for name, _ in named_inputs(job.stage.inputs(study, job.names)))
        found[str(job)] = {
            "version": str(job.stage.version),
            "identity": spec_hash(identity_of(study, job)),
            "inputs": spec_hash(inputs),
            "outputs": spec_hash(sorted(job.stage.outputs)),
        }
    return found


if __name__ == "__main__":
    frozen = [
        f"{json.dumps(study.name)}: {{\n"
        + ",\n".join(f" {json.dumps(job)}: {json.dumps(parts)}" for job, parts in identities(study).items())
        + "\n}"
        for study in frozen_studies()
    ]
    FROZEN.write_text("{\n" + ",\n".join(frozen) + "\n}\n", encoding="utf-8")
