"""Stage: how far each attribute is from evenly spread, and from the training data, by every classifier."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from steadyflow.artifacts import read_json, write_parquet
from steadyflow.cli import run_stage, stage_parser
from steadyflow.data.images import attribute_codes, read_dataset_info, read_manifest, train_ids
from steadyflow.evaluate.metrics import metrics_table
from steadyflow.evaluate.sample_fairness import (
    ImageAttributes,
    fairness_metrics,
    mixed_attributes,
    predicted_attributes,
    require_known,
)
from steadyflow.names import LABELS, TRAINING_DATA
from steadyflow.progress import progress
from steadyflow.study import load_study, paths

parser = stage_parser(__doc__, study=True)
parser.add_argument("--dataset", required=True, help="its name in the study; the evaluation is the one of that name")
parser.add_argument("--output", type=Path, required=True, help="metrics .parquet")


def main() -> None:
    args = parser.parse_args()
    study = load_study(args.study)
    spec, sampling = study.evaluations[args.dataset], str(study.evaluations[args.dataset].sampling)
    files = paths.dataset_files(study, args.dataset)
    manifest, info = read_manifest(files["manifest"]), read_dataset_info(files["info"])
    train = train_ids(manifest)

    def fields(run: str, encoder: str) -> dict[str, Any]:
        return {"dataset": args.dataset, "run": run, "encoder": encoder, "seed": study.samplings[sampling].seed}

    labels = ImageAttributes(
        {name: codes[train] for name, codes in attribute_codes(manifest, info).items()},
        {**info.attributes, **({"label": info.classes} if info.classes else {})},
        info.content_hash,
    )
    metrics = fairness_metrics(labels, images="training images", seed=spec.seed, fields=fields(TRAINING_DATA, LABELS))
    for classifier in progress(spec.classifiers or (), "fairness"):
        training = read_attributes(paths.attributes_file(study, args.dataset, classifier), train)
        metrics += fairness_metrics(
            training, images="training images", seed=spec.seed, fields=fields(TRAINING_DATA, classifier)
        )
        for name, runs in study.measured(args.dataset).items():
            sampled = [paths.sampled_attributes_file(study, classifier, run, sampling) for run in runs]
            metrics += fairness_metrics(
                mixed_attributes([read_attributes(file) for file in sampled]),
                training,
                images=study.protocol(runs[0], sampling),
                fields=fields(name, classifier),
                seed=spec.seed,
            )
    write_parquet(args.output, metrics_table(metrics))


def read_attributes(path: str, ids: np.ndarray | None = None) -> ImageAttributes:
    """Of all images of a file, or of some. Raises UserError where an attribute is unknown of all of them."""
    table, sidecar = pd.read_parquet(path), read_json(paths.sidecar(path))
    attributes = predicted_attributes(table if ids is None else table.iloc[ids], sidecar)
    require_known(attributes, path, sidecar["classifier"])
    return attributes


if __name__ == "__main__":
    run_stage(main)
