"""Studies that unit tests share: a small one to edit, and those of the project."""

import copy
from pathlib import Path

import yaml

from steadyflow.ground.artifacts import UserError
from steadyflow.plan.targets import all_jobs
from steadyflow.stages.registry import STAGES
from steadyflow.stages.stage import Job, upstream
from steadyflow.study import Study, parse_study

ROOT = Path(__file__).parents[2]


STUDIES = sorted([ROOT / "config.yaml", *(ROOT / "studies").glob("*.yaml")])


SMALL = yaml.safe_load("""
name: small
datasets:
  faces: {source: synthetic_faces, count: 100, resolution: 32}
tokenizers:
  vqvae: {width: 8, multipliers: [1, 2], steps: 10}
encoders:
  probe: {}
clusterings:
  k4: {k: 4}
scorings:
  surrogate: {measures: [loss]}
subsets:
  half: {criterion: random_half, part: a}
  near: {criterion: cluster_b, pruning_fraction: 0.5}
  hard: {criterion: loss, pruning_fraction: 0.5}
defaults:
  runs: {model: DiT-T/2, steps: 20, learning_rate: 0.01}
runs:
  surrogate: {steps: 5}
  all:
  half: {subset: half}
  near: {subset: near}
  hard: {subset: hard}
samplings:
  euler: {count: 80}
evaluations:
  faces: {reference: all, null_model: false}
""")


def edited(**edits):
    """SMALL with `section__name__key=value` set, or removed by `...`."""
    raw = copy.deepcopy(SMALL)
    for place, value in edits.items():
        *parents, key = place.split("__")
        inner = raw
        for parent in parents:
            inner[parent] = inner.get(parent) or {}
            inner = inner[parent]
        if value is ...:
            del inner[key]
        else:
            inner[key] = copy.deepcopy(value)
    return raw


def study(**edits):
    return parse_study(edited(**edits))


TWO_DATASETS = {"datasets__digits": {"source": "digits", "resolution": 32}, "tokenizers__vqvae__dataset": "faces"}


def complete(**edits):
    """Two datasets, with every reference named."""
    named = {"encoders__probe__dataset": "faces", "clusterings__k4__dataset": "faces"}
    named |= {f"subsets__{name}__dataset": "faces" for name in SMALL["subsets"]}
    named |= {f"runs__{name}__dataset": "faces" for name in SMALL["runs"]}
    return edited(**{**TWO_DATASETS, **named, **edits})


def every_job(made: Study) -> list[Job]:
    """All that a study can be asked for: its targets, every run, and every metric."""
    asked = all_jobs(made)
    asked += [STAGES["train_run"].job({"dataset": str(run.dataset), "run": name}) for name, run in made.runs.items()]
    for name, clustering in made.clusterings.items():
        names = {"dataset": str(clustering.dataset), "clustering": name}
        asked.append(STAGES["compare_cluster_numbers"].job(names))
    for dataset, evaluation in made.evaluations.items():
        measured = made.measured(dataset)
        asked += [STAGES["measure_quality"].job({"dataset": dataset, "measured": name}) for name in measured]
        wanted = {
            "measure_tokenizers": evaluation.tokenizers,
            "measure_similarity": evaluation.runs,
            "measure_paths": evaluation.paths,
            "measure_fairness": evaluation.runs and evaluation.classifiers,
        }
        asked += [STAGES[stage].job({"dataset": dataset}) for stage, needs in wanted.items() if needs]
    return upstream(made, asked)


def parsed_or_message(parse):
    """The message of the UserError that a study is refused with, "" if it is not."""
    try:
        parse()
    except UserError as error:
        return str(error)
    return ""
