"""Stage: how many images each subset of a dataset keeps, and the overlap (Jaccard index) of each two."""

from typing import Any

import pandas as pd

from steadyflow.ground.artifacts import read_json, write_json
from steadyflow.plan.script import StageRun, run_stage, stage_parser
from steadyflow.prune import overlaps

parser = stage_parser("compare_subsets", __doc__)


def main(job: StageRun) -> None:
    names = job.study.subsets_of(job.names["dataset"])
    subsets, rules = (dict(zip(names, job.inputs[kind], strict=True)) for kind in ("subsets", "rules"))
    shared = overlaps({name: pd.read_parquet(file)["id"].to_numpy() for name, file in subsets.items()})
    rules = {name: read_json(file) for name, file in rules.items()}
    write_json(job.outputs["overlaps"], {name: facts(rule) | {"overlap": shared[name]} for name, rule in rules.items()})


def facts(rule: dict[str, Any]) -> dict[str, Any]:
    return {"criterion": rule["spec"]["criterion"], **{key: rule[key] for key in ("n_from", "n_kept", "n_drawn")}}


if __name__ == "__main__":
    run_stage(parser, main)
