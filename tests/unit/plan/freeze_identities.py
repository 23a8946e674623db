"""Today's identity of every result of some studies, to notice an upgrade that would make results anew.

PYTHONPATH=src:tests:tests/unit python tests/unit/plan/freeze_identities.py writes identities.json beside this file.
"""

import json
from pathlib import Path

from support.studies import ROOT, every_job
from support.tiny import TINY

from steadyflow.ground.artifacts import spec_hash
from steadyflow.plan.provenance import identity_of
from steadyflow.study import Study, load_study, parse_study

FROZEN = Path(__file__).with_name("identities.json")


def frozen_studies() -> list[Study]:
    files = ("config.yaml", "studies/digits.yaml", "studies/celebahq.yaml")
    return [parse_study(TINY), *(load_study(ROOT / file) for file in files)]


def identities(study: Study) -> dict[str, str]:
    """Job -> a hash of its stage's version and of its own identity."""
    return {str(job): spec_hash([job.stage.version, identity_of(study, job)]) for job in every_job(study)}


if __name__ == "__main__":
    found = {study.name: identities(study) for study in frozen_studies()}
    FROZEN.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
