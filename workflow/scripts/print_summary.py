"""Prints the headline of a finished study, and where its report is."""

import argparse
from pathlib import Path

import pandas as pd

from steadyflow.cli import run_stage
from steadyflow.study import load_study, paths

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--study", type=Path, default=Path("config.yaml"))


def main() -> None:
    study = load_study(parser.parse_args().study)
    for dataset, evaluation in study.evaluations.items():
        csv = paths.table_files(study, dataset, "similarity_to_unpruned")[0]
        rows = pd.read_csv(csv).to_dict("records")
        width = max(len(row["label"]) for row in rows)
        n, reference = rows[0]["cosine_matched_n"], study.label(evaluation.reference)
        print(f"\n{dataset}: cosine similarity of samples to those of '{reference}', in {evaluation.encoder} features")
        print(f"n = {n}; mean ± SD over pairs; difference of the means with its 95% interval\n")
        print(f"{'trained on':{width}}   same noise      other noise     difference")
        for row in rows:
            cells = [f"{row[f'cosine_{m}']:.3f} ± {row[f'cosine_{m}_sd']:.3f}" for m in ("matched", "unmatched")]
            low, high = row["cosine_difference_ci_low"], row["cosine_difference_ci_high"]
            difference = f"{row['cosine_difference']:.3f} [{low:.3f}, {high:.3f}]"
            print(f"{row['label']:{width}}   {'   '.join(cells)}   {difference}")
    print(f"\nReport: {Path(study.results, 'reports', f'{study.name}.html').resolve()}")


run_stage(main)
