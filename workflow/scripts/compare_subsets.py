"""Stage: how many images each subset of a dataset keeps, and the overlap (Jaccard index) of each two."""

from pathlib import Path
from typing import Any

import pandas as pd

from steadyflow.artifacts import read_json, write_json
from steadyflow.cli import run_stage, stage_parser
from steadyflow.prune import overlaps
from steadyflow.study import load_study, paths

parser = stage_parser(__doc__, study=True)
parser.add_argument("--dataset", required=True, help="its name in the study")
parser.add_argument("--output", type=Path, required=True, help=".json")


def main() -> None:
    args = parser.parse_args()
    study = load_study(args.study)
    files = {name: paths.subset_files(study, name) for name in study.subsets_of(args.dataset)}
    shared = overlaps({name: pd.read_parquet(of["subset"])["id"].to_numpy() for name, of in files.items()})
    rules = {name: read_json(of["rule"]) for name, of in files.items()}
    write_json(args.output, {name: facts(rule) | {"overlap": shared[name]} for name, rule in rules.items()})


def facts(rule: dict[str, Any]) -> dict[str, Any]:
    return {"criterion": rule["spec"]["criterion"], **{key: rule[key] for key in ("n_from", "n_kept", "n_drawn")}}


if __name__ == "__main__":
    run_stage(main)
