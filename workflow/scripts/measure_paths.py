"""Stage: how far apart two runs carry the same noise on its way to data, and how far different noises lie apart."""

from pathlib import Path

import pandas as pd

from steadyflow.artifacts import read_array, read_json, write_parquet
from steadyflow.cli import run_stage, stage_parser
from steadyflow.evaluate.metrics import metrics_table
from steadyflow.evaluate.path_distances import Trace, compare_traces
from steadyflow.progress import progress
from steadyflow.study import load_study, paths

parser = stage_parser(__doc__, study=True)
parser.add_argument("--dataset", required=True, help="its name in the study; the evaluation is the one of that name")
parser.add_argument("--output", type=Path, required=True, help="metrics .parquet")
parser.add_argument("--distances", type=Path, required=True, help="distances over time .parquet")


def main() -> None:
    args = parser.parse_args()
    study = load_study(args.study)
    spec, sampling = study.evaluations[args.dataset], str(study.evaluations[args.dataset].sampling)

    def trace(run: str) -> Trace:
        files = paths.trace_files(study, run, sampling)
        description = read_json(files["description"])
        # Another evaluation may follow more noises.
        followed = read_array(files["paths"])[:, : spec.paths]
        return Trace(run, description["weights_hash"], description["spec"]["seed"], description["times"], followed)

    metrics, distances = [], []
    for run, reference in progress(study.path_pairs(args.dataset), "paths"):
        protocol = study.protocol(run, sampling)
        found, over_time = compare_traces(trace(run), trace(reference), dataset=args.dataset, protocol=protocol)
        metrics += found
        distances.append(over_time)
    write_parquet(args.distances, pd.concat(distances, ignore_index=True))
    write_parquet(args.output, metrics_table(metrics))


if __name__ == "__main__":
    run_stage(main)
