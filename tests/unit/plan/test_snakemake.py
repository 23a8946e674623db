"""Snakemake runs the jobs that are out of date, and no other."""

import base64
import re

import pytest
import yaml
from support import warm
from support.records import SMALL, finish, study_in
from support.workspace import REPOSITORY, edited

from steadyflow.plan.freshness import out_of_date
from steadyflow.plan.snakemake import rule_of
from steadyflow.plan.targets import all_jobs
from steadyflow.stages.stage import upstream

TRAINED = {"runs/surrogate/steps": 6}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    finish(study_in(folder / "results"))
    return folder


def dry_run(folder, *arguments, **edits):
    """What Snakemake says that it would do."""
    study = {"results": "results", **edited(SMALL, edits)}
    (folder / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    command = ["-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile"), "--nocolor", "-n"]
    command += ["--directory", str(folder), "--configfile", str(folder / "study.yaml"), "--cores", "1", *arguments]
    found = warm.run(command)
    return found.returncode, found.stdout + found.stderr


def jobs_of(output):
    """rule -> how many jobs of it would be run."""
    _, _, counts = output.partition("Job stats:")
    found = {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", counts, re.MULTILINE)}
    return {name: count for name, count in found.items() if name not in ("total", "all")}


def counted(jobs):
    rules = [rule_of(job) for job in jobs]
    return {rule: rules.count(rule) for rule in rules}


def test_a_finished_study_has_nothing_to_do(folder):
    code, output = dry_run(folder)
    assert code == 0, output
    assert jobs_of(output) == {}, output[:3000]


def test_an_edit_runs_all_that_follows_from_it(folder):
    """Also what lies two and more stages below, whose old files are all there."""
    study = study_in(folder / "results", **TRAINED)
    code, output = dry_run(folder, **TRAINED)
    assert code == 0, output
    assert jobs_of(output) == counted(out_of_date(study, all_jobs(study)))


@pytest.mark.parametrize("forced", ["train_run", "results/digits/runs/surrogate/weights.safetensors"])
def test_forcing_runs_all_that_follows(folder, forced):
    study = study_in(folder / "results")
    roots = [job for job in upstream(study, all_jobs(study)) if rule_of(job) == "train_run"]
    roots = roots if forced == "train_run" else [job for job in roots if job.names["run"] == "surrogate"]
    code, output = dry_run(folder, "--forcerun", forced)
    assert code == 0, output
    assert jobs_of(output) == counted(out_of_date(study, all_jobs(study), roots))


def test_a_job_that_outlived_its_snakemake_is_not_run_again(folder):
    """Snakemake, killed, leaves its marks of incomplete files; the record says that the job ended well."""
    marks = folder / ".snakemake" / "incomplete"
    marks.mkdir(parents=True, exist_ok=True)
    mark = marks / base64.b64encode(b"results/digits/runs/surrogate/weights.safetensors").decode()
    mark.write_text("{}")
    for flags in ((), ("--rerun-incomplete",)):
        code, output = dry_run(folder, *flags)
        assert (code, jobs_of(output)) == (0, {}), output
    mark.unlink()


def test_an_unknown_rule_is_not_forced_in_silence(folder):
    code, output = dry_run(folder, "--forcerun", "trian_run")
    assert code != 0
    assert "trian_run" in output


def test_a_record_is_a_target(folder):
    code, output = dry_run(folder, "results/provenance/digits/runs/surrogate.json", **TRAINED)
    assert code == 0, output
    assert jobs_of(output) == {"train_run": 1}
