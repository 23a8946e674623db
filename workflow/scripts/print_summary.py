"""Prints the headline of a finished study, and the path of its report."""

import argparse
from pathlib import Path

import pandas as pd

from steadyflow.cli import exit_on_errors
from steadyflow.monitor.summary import similarity_lines, verdict_line
from steadyflow.study import load_study, paths

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--study", type=Path, default=Path("config.yaml"))


def main() -> None:
    study = load_study(parser.parse_args().study)
    for dataset, evaluation in study.evaluations.items():
        if len(evaluation.runs or ()) < 2:
            continue
        similarity, claims = (
            pd.read_csv(paths.table_files(study, dataset, table)[0]) for table in ("similarity_to_unpruned", "claims")
        )
        encoder, reference = evaluation.similarity_encoders[0], evaluation.reference
        print(
            f"\n{dataset}: cosine similarity of samples to those of '{study.label(reference)}', in {encoder} features"
        )
        print("\n".join(similarity_lines(similarity, set(evaluation.runs) - {reference}, encoder)))
        print(f"\n{verdict_line(claims['verdict'])}")
    print(f"\nReport: {Path(study.results, 'reports', f'{study.name}.html').resolve()}")


if __name__ == "__main__":
    with exit_on_errors():
        main()
