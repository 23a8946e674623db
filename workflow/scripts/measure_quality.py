"""Stage: Frechet distance to the validation split, and nearest training neighbours, of every evaluated run."""

from pathlib import Path

import numpy as np
import pandas as pd

from steadyflow.artifacts import read_array, read_json, write_parquet
from steadyflow.cli import run_stage, stage_parser
from steadyflow.data.images import read_manifest
from steadyflow.evaluate import feature_statistics, frechet_with_interval, memorisation_ratio
from steadyflow.evaluate.metrics import Metric, interval, metrics_table
from steadyflow.evaluate.rows import with_features
from steadyflow.progress import progress
from steadyflow.study import load_study, paths

parser = stage_parser(__doc__, study=True)
parser.add_argument("--dataset", required=True, help="its name in the study; the evaluation is the one of that name")
parser.add_argument("--output", type=Path, required=True, help="metrics .parquet")


def main() -> None:
    args = parser.parse_args()
    study = load_study(args.study)
    spec = study.evaluations[args.dataset]
    sampling = study.samplings[spec.sampling]
    manifest = read_manifest(paths.dataset_files(study, args.dataset)["manifest"], ["id", "split"])
    ids = {split: manifest.loc[manifest["split"] == split, "id"].to_numpy() for split in ("train", "val")}
    embeddings_path = Path(paths.embeddings_file(study, args.dataset, spec.encoder))
    embeddings = read_array(embeddings_path)
    held_out = with_features(embeddings, ids["val"])
    reference = feature_statistics(held_out)
    metrics = []
    for run in progress(spec.runs, "quality"):
        features = with_features(read_array(paths.features_file(study, spec.encoder, run, spec.sampling)))
        subset = study.runs[run].subset
        trained_on = (
            ids["train"] if subset is None else pd.read_parquet(paths.subset_files(study, subset)["subset"])["id"]
        )
        common = {
            "dataset": args.dataset,
            "run": run,
            "reference": "",
            "encoder": spec.encoder,
            "n": len(features),
            "seed": sampling.seed,
            "hashes": "encoder " + read_json(embeddings_path.with_suffix(".json"))["encoder_hash"],
        }
        path = study.protocol(run, spec.sampling)
        fd = frechet_with_interval(features, reference)
        against = f"{path}, against the {len(held_out)} validation images"
        metrics.append(Metric(**common, metric="fd", protocol=against, **interval(fd)))
        training = with_features(embeddings, np.asarray(trained_on))
        ratio = memorisation_ratio(features, held_out, training, seed=spec.seed)
        metrics.append(Metric(**common, metric="nn_ratio", protocol=path, **interval(ratio)))
    write_parquet(args.output, metrics_table(metrics))


run_stage(main)
