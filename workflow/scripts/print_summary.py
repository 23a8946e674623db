"""Prints the headline of a finished study, and the path of its report."""

import argparse
from pathlib import Path

import pandas as pd

from steadyflow.ground.command_line import exit_on_errors
from steadyflow.monitor.summary import beyond_lines, similarity_lines, verdict_line
from steadyflow.stages.exhibits import WRITE_REPORT, WRITE_TABLE
from steadyflow.stages.stage import output_files
from steadyflow.study import Study, load_study

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--study", type=Path, default=Path("config.yaml"))


def main() -> None:
    study = load_study(parser.parse_args().study)
    for dataset, evaluation in study.evaluations.items():
        runs, encoders, reference = evaluation.runs or (), evaluation.similarity_encoders or (), evaluation.reference
        if len(runs) < 2 or reference is None:
            continue
        similarity, claims = (read_table(study, dataset, name) for name in ("similarity_to_unpruned", "claims"))
        label = study.label(reference)
        print(f"\n{dataset}: cosine similarity of samples to those of '{label}', in {encoders[0]} features")
        print("\n".join(similarity_lines(similarity, set(runs) - {reference}, encoders[0])))
        if study.null_models(dataset):
            print("\nof which a Gaussian flow explains, which knows the mean and covariance of the latents alone:\n")
            print("\n".join(beyond_lines(read_table(study, dataset, "beyond_gaussian_flow"))))
        print(f"\n{verdict_line(list(claims['verdict']))}")
    print(f"\nReport: {output_files(study, WRITE_REPORT.job({'study': study.name}))['page'].resolve()}")


def read_table(study: Study, dataset: str, table: str) -> pd.DataFrame:
    return pd.read_csv(output_files(study, WRITE_TABLE.job({"dataset": dataset, "table": table}))["csv"])


if __name__ == "__main__":
    with exit_on_errors():
        main()
