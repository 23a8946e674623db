"""Prints how far the trainings and scorings of a study are; also while they run, and from any machine that sees the
results."""

import argparse
import os
import time
from pathlib import Path

import pandas as pd

from steadyflow.artifacts import UserError
from steadyflow.cli import run_stage
from steadyflow.ledger import ledger_file, read_ledger
from steadyflow.report.progress import (
    Progress,
    efficiency_lines,
    progress_lines,
    scoring_progress,
    stage_times,
    training_efficiency,
    training_progress,
)
from steadyflow.resumable import items_done
from steadyflow.study import load_study, paths
from steadyflow.study.specs import Study

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--study", type=Path, default=Path("config.yaml"))
parser.add_argument(
    "--directory", type=Path, default=Path(), help="Snakemake's working directory, which results are in"
)
parser.add_argument("--efficiency", action="store_true", help="also how well the time was used, by training and stage")


def main() -> None:
    args = parser.parse_args()
    study = load_study(args.study)
    if not args.directory.joinpath(study.results).is_dir():
        raise UserError(
            f"{args.directory / study.results}: no results are there; --directory names the working directory of "
            "Snakemake, where a profile says `directory` or it was given --directory"
        )
    os.chdir(args.directory)
    print("\n".join(progress_lines([progress(study, kind, section, name) for kind, section, name in work(study)])))
    if args.efficiency:
        print("\n" + "\n".join(efficiency(study)))


def work(study: Study) -> list[tuple[str, str, str]]:
    """Kind, section and name of all that trains or scores."""
    return [
        *(("tokenizer", "tokenizers", name) for name in study.tokenizers),
        *(("probe", "encoders", name) for name, spec in study.encoders.items() if spec.kind == "probe"),
        *(("run", "runs", name) for name, spec in study.runs.items() if spec.weights is None),
        *(("scoring", "scorings", name) for name in study.scorings),
    ]


def progress(study: Study, kind: str, section: str, name: str) -> Progress:
    files = paths.work_files(study, section, name)
    done, state = Path(files["result"]).exists(), Path(files["state"])
    if section == "scorings":
        return scoring_progress(name, done=done, items=items_done(state), log=files["log"], now=time.time())
    return training_progress(
        kind,
        name,
        done=done,
        steps=getattr(study, section)[name].steps,
        ledger=read_ledger(ledger_file(state)),
        log=files["log"],
        now=time.time(),
    )


def efficiency(study: Study) -> list[str]:
    trainings = []
    for _, section, name in work(study):
        files = paths.work_files(study, section, name)
        ledger, curve = read_ledger(ledger_file(files["state"])), Path(files["result"]).with_name("curve.parquet")
        if section != "scorings" and ledger is not None and ledger.finished and curve.exists():
            trainings.append(training_efficiency(ledger, pd.read_parquet(curve)))
    root = Path(study.results, "benchmarks")
    tables = sorted(path for dataset in study.datasets for path in (root / dataset).rglob("*.tsv"))
    benchmarks = {str(path.relative_to(root)): pd.read_csv(path, sep="\t") for path in tables}
    return efficiency_lines(trainings, stage_times(benchmarks))


run_stage(main)
