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
        if len(evaluation.runs or ()) < 2:
            continue
        csv = paths.table_files(study, dataset, "similarity_to_unpruned")[0]
        encoder, reference = evaluation.similarity_encoders[0], study.label(evaluation.reference)
        table = pd.read_csv(csv)
        rows = table[table["run"].isin(set(evaluation.runs) - {evaluation.reference})].to_dict("records")
        width = max(len(row["label"]) for row in rows)
        n = rows[0][f"{encoder}_cosine_matched_n"]
        print(f"\n{dataset}: cosine similarity of samples to those of '{reference}', in {encoder} features")
        print(f"n = {n:.0f}; mean ± SD over pairs; difference of the means with its 95% interval\n")
        print(f"{'trained on':{width}}   same noise      other noise     difference")
        for row in rows:
            cosine = {part: row[f"{encoder}_cosine_{part}"] for part in ("matched", "unmatched", "difference")}
            spread = {part: row[f"{encoder}_cosine_{part}_sd"] for part in ("matched", "unmatched")}
            low, high = (row[f"{encoder}_cosine_difference_{end}"] for end in ("ci_low", "ci_high"))
            cells = [f"{cosine[part]:.3f} ± {sd:.3f}" for part, sd in spread.items()]
            print(f"{row['label']:{width}}   {'   '.join(cells)}   {cosine['difference']:.3f} [{low:.3f}, {high:.3f}]")
        verdicts = pd.read_csv(paths.table_files(study, dataset, "claims")[0])["verdict"].value_counts()
        print(f"\nThe papers' claims: {', '.join(f'{count} {verdict}' for verdict, count in verdicts.items())}")
    print(f"\nReport: {Path(study.results, 'reports', f'{study.name}.html').resolve()}")


run_stage(main)
