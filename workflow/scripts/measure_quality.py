"""Stage: how good and how new the samples of a run, or of a mixture of runs, are in each encoder."""

from pathlib import Path

import numpy as np
import pandas as pd

from steadyflow.artifacts import read_array, read_json, write_parquet
from steadyflow.cli import run_stage, stage_parser
from steadyflow.data.images import read_manifest
from steadyflow.evaluate.metrics import metrics_table
from steadyflow.evaluate.sample_quality import quality_metrics
from steadyflow.progress import progress
from steadyflow.study import Study, load_study, paths

parser = stage_parser(__doc__, study=True)
parser.add_argument("--dataset", required=True, help="its name in the study; the evaluation is the one of that name")
parser.add_argument("--measured", required=True, help="the run, or the mixture of the evaluation")
parser.add_argument("--output", type=Path, required=True, help="metrics .parquet")


def main() -> None:
    args = parser.parse_args()
    study = load_study(args.study)
    spec, sampling = study.evaluations[args.dataset], str(study.evaluations[args.dataset].sampling)
    manifest = read_manifest(paths.dataset_files(study, args.dataset)["manifest"], ["id", "split"])
    ids = {split: manifest.loc[manifest["split"] == split, "id"].to_numpy() for split in ("train", "val")}
    runs = study.measured(args.dataset)[args.measured]
    # A mixture has no training images of its own, and those of a run of another dataset are elsewhere.
    trained_here = len(runs) == 1 and study.runs[runs[0]].dataset == args.dataset
    metrics = []
    for encoder in progress(spec.encoders or (), f"quality of {args.measured}"):
        embeddings = Path(paths.embeddings_file(study, args.dataset, encoder))
        made_of = read_json(embeddings.with_suffix(".json"))
        metrics += quality_metrics(
            [read_array(paths.features_file(study, encoder, run, sampling)) for run in runs],
            read_array(embeddings),
            validation=ids["val"],
            training=ids["train"] if trained_here else None,
            kept=kept_ids(study, runs[0]) if trained_here else None,
            sampled=study.protocol(runs[0], sampling),
            protocol=made_of["protocol"],
            fields={
                "dataset": args.dataset,
                "run": args.measured,
                "encoder": encoder,
                "seed": study.samplings[sampling].seed,
                "hashes": f"encoder {made_of['encoder_hash']}",
            },
            seed=spec.seed,
        )
    write_parquet(args.output, metrics_table(metrics))


def kept_ids(study: Study, run: str) -> np.ndarray | None:
    subset = study.runs[run].subset
    return None if subset is None else pd.read_parquet(paths.subset_files(study, subset)["subset"])["id"].to_numpy()


if __name__ == "__main__":
    run_stage(main)
