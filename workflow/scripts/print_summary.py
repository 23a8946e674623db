"""Prints the headline of a finished study: similarity of matched and unmatched samples, and where the report is."""

import argparse
from pathlib import Path

from steadyflow.cli import run_stage
from steadyflow.study import load_study, paths

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--study", type=Path, default=Path("config.yaml"))


def main() -> None:
    study = load_study(parser.parse_args().study)
    for dataset in study.evaluations:
        _, markdown, _, _ = paths.table_files(study, dataset, "similarity_to_unpruned")
        print(f"\n{Path(markdown).read_text(encoding='utf-8')}")
    print(f"Report: {Path(study.results, 'reports', f'{study.name}.html').resolve()}")


run_stage(main)
