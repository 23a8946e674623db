# The study, where and how it is computed, and what the rules share. What a stage reads, leaves and costs stands in
# src/steadyflow/stages.
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from steadyflow.ground.artifacts import UserError
from steadyflow.fetch.lock import read_lock
from steadyflow.plan import snakemake as plan
from steadyflow.ground.results_lock import ResultsLock
from steadyflow.study import load_study

ROOT = Path(workflow.basedir)
STUDY_FILE = plan.study_file(workflow, ROOT / "config.yaml")
RESOURCES = ROOT / "resources"
try:
    study = load_study(STUDY_FILE)
    WEIGHTS = read_lock(RESOURCES / "weights.lock")
except UserError as error:
    raise WorkflowError(str(error)) from None
settings = plan.command_line_config(workflow)

# What every command needs and no result depends on. Where these lie must not enter params, or moving the repository
# would rerun everything.
os.environ |= {
    "STUDY": str(STUDY_FILE),
    "DEVICE": str(settings.get("device", "auto")),
    "SCRIPTS": str(ROOT / "workflow" / "scripts"),
    "SNAKEFILE": str(ROOT / "Snakefile"),
    "PAPER": str(RESOURCES / "paper"),
    "WEIGHTS_LOCK": str(RESOURCES / "weights.lock"),
    "DATASETS_LOCK": str(RESOURCES / "datasets.lock"),
    "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]),
    # This very Python for every job, whether or not the environment was activated; --sdm conda goes before it.
    "PATH": os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()]),
}
# By default a training knows how often to save its state.
if "save_seconds" in settings:
    os.environ |= {"SAVE_SECONDS": str(settings["save_seconds"])}

# Inputs, outputs, log, benchmark and resource requests of the rule of a stage, from its declaration.
stage = plan.Rules(study)
plan.decide_by_provenance(workflow, stage)


# Nothing is locked yet: a dry run locks nothing.
results_lock = ResultsLock(study.results)


def lock_results():
    """Refuses to start where another Snakemake works on the same results, unless this one writes none."""
    try:
        if plan.writes_results(workflow):
            results_lock.acquire(jobs=plan.slurm_name(workflow))
    except UserError as error:
        raise WorkflowError(str(error)) from None


# For --sdm apptainer, of every rule: what envs/steadyflow.def builds, put where weights are put. The same place from
# wherever this repository lies.
container: f"{study.downloads}/steadyflow.sif"


pathvars:
    results=study.results,
    downloads=study.downloads,


wildcard_constraints:
    **plan.wildcard_constraints(study),
    weights="|".join(map(re.escape, WEIGHTS)),
