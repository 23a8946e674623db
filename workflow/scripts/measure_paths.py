"""Stage: how far apart two runs carry the same noise on its way to data, and how far different noises lie apart."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from steadyflow.artifacts import read_array, read_json, write_parquet
from steadyflow.cli import run_stage, stage_parser
from steadyflow.evaluate import common_times, compare_paths
from steadyflow.evaluate.metrics import Metric, metrics_table, path_fields
from steadyflow.evaluate.similarity import Noises, require_shared_noises
from steadyflow.progress import progress
from steadyflow.study import load_study, paths

parser = stage_parser(__doc__, study=True)
parser.add_argument("--dataset", required=True, help="its name in the study; the evaluation is the one of that name")
parser.add_argument("--output", type=Path, required=True, help="metrics .parquet")
parser.add_argument("--distances", type=Path, required=True, help="distances over time .parquet")


def main() -> None:
    args = parser.parse_args()
    study = load_study(args.study)
    spec = study.evaluations[args.dataset]

    def traced(run: str) -> tuple[np.ndarray, dict[str, Any]]:
        files = paths.trace_files(study, run, spec.sampling)
        # Another evaluation may follow more noises.
        return read_array(files["paths"])[:, : spec.paths], read_json(files["description"])

    def noises(points: np.ndarray, said: dict[str, Any]) -> Noises:
        return Noises(said["spec"]["seed"], points.shape[1], points.shape[2:])

    metrics, bands = [], []
    for run, reference in progress(study.path_pairs(args.dataset), "paths"):
        (a, of_run), (b, of_reference) = traced(run), traced(reference)
        require_shared_noises((run, reference), (noises(a, of_run), noises(b, of_reference)))
        times = common_times(of_run["times"], of_reference["times"])
        found = compare_paths(a, b, times)
        weights = {run: of_run["weights_hash"], reference: of_reference["weights_hash"]}
        common = {
            "dataset": args.dataset,
            "run": run,
            "reference": reference,
            "encoder": "latent",
            "protocol": f"{study.protocol(run, spec.sampling)} from shared noise, {len(times)} times",
            "n": found.n,
            "seed": of_run["spec"]["seed"],
            "hashes": " ".join(f"{name} {value}" for name, value in weights.items()),
        }
        metrics += [Metric(**common, metric=metric, **fields) for metric, fields in path_fields(found).items()]
        columns = {
            f"{kind}_{part}": band[:, place]
            for kind, band in (("matched", found.matched_band), ("unmatched", found.unmatched_band))
            for place, part in enumerate(("low", "median", "high"))
        }
        bands.append(pd.DataFrame({"run": run, "reference": reference, "t": times, **columns}))
    write_parquet(args.distances, pd.concat(bands, ignore_index=True))
    write_parquet(args.output, metrics_table(metrics))


run_stage(main)
