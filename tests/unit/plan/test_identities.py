"""An upgrade of steadyflow makes no result anew unless it means to: today's records of every job of four studies, the
tiny one among them, are those of the studies finished earlier (identities.json)."""

import json

import pytest
from freeze_identities import FROZEN, frozen_studies, identities, lasting_jobs

from steadyflow.stages.registry import STAGES

NOW = {study.name: identities(study) for study in frozen_studies()}
BEFORE = json.loads(FROZEN.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", NOW)
def test_an_upgrade_makes_no_result_anew(name):
    now, before = NOW[name], BEFORE[name]
    changed = [
        f"{job} ({', '.join(part for part in now[job] if now[job][part] != before[job][part])})"
        for job in now.keys() & before.keys()
        if now[job] != before[job]
    ]
    assert not changed, (
        f"upgrading would make these results anew: {', '.join(sorted(changed))}; raise the stage's version and say why "
        f"in CHANGELOG, or give the new key a Neutral value. Then, or where {name} itself was edited on purpose, write "
        "identities.json again (freeze_identities.py says how)"
    )


@pytest.mark.parametrize("name", NOW)
def test_every_job_is_frozen(name):
    assert NOW[name].keys() == BEFORE[name].keys(), "write identities.json again (freeze_identities.py says how)"


def test_every_stage_is_frozen():
    lasting = {name for name, stage in STAGES.items() if not stage.checks_all_upstream}
    assert {job.stage.name for study in frozen_studies() for job in lasting_jobs(study)} == lasting
