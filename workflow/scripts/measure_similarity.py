"""Stage: how alike the samples of two runs are when they share x0, and when they do not."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from steadyflow.artifacts import read_array, read_json, write_parquet
from steadyflow.cli import run_stage, stage_parser
from steadyflow.data.images import read_manifest, train_ids
from steadyflow.evaluate.metrics import metrics_table
from steadyflow.evaluate.sample_fairness import ImageAttributes, predicted_attributes
from steadyflow.evaluate.sample_similarity import (
    Samples,
    attribute_classes,
    compare_samples,
    floor_metric,
    histograms_table,
)
from steadyflow.progress import progress
from steadyflow.prune import overlap
from steadyflow.study import Study, load_study, paths

parser = stage_parser(__doc__, study=True)
parser.add_argument("--dataset", required=True, help="its name in the study; the evaluation is the one of that name")
parser.add_argument("--output", type=Path, required=True, help="metrics .parquet")
parser.add_argument("--histograms", type=Path, required=True, help="histograms .parquet")

Sampled = tuple[str, str]
"""A run, and a sampling of it."""


def main() -> None:
    args = parser.parse_args()
    study, dataset = load_study(args.study), args.dataset
    spec = study.evaluations[dataset]
    manifest = read_manifest(paths.dataset_files(study, dataset)["manifest"])
    training = train_ids(manifest)
    validation = manifest.loc[manifest["split"] == "val", "id"].to_numpy()
    reference = (str(spec.reference), str(spec.sampling))
    attributes = {name: sampled_attributes(study, name, *reference) for name in spec.classifiers or ()}
    classes = attribute_classes(attributes, study.modes(dataset))
    metrics, histograms = [], []
    for a, b in progress(list(compared(study, dataset)), "similarity"):
        found = compare_samples(
            samples(study, dataset, *a),
            samples(study, dataset, *b),
            dataset=dataset,
            overlap=shared_images(study, a[0], b[0], dataset, training),
            classes=classes if b == reference else None,
        )
        metrics += found.metrics
        histograms += found.histograms
    for encoder in spec.similarity_encoders or ():
        embeddings = read_array(paths.embeddings_file(study, dataset, encoder))
        metrics.append(floor_metric(embeddings, validation, dataset=dataset, encoder=encoder))
    write_parquet(args.histograms, histograms_table(histograms))
    write_parquet(args.output, metrics_table(metrics))


def compared(study: Study, dataset: str) -> Iterator[tuple[Sampled, Sampled]]:
    """Every run with the reference, inverses with each other, and the reference with itself under another solver."""
    spec = study.evaluations[dataset]
    sampling = str(spec.sampling)
    for run, reference in study.compared_pairs(dataset):
        yield (run, sampling), (reference, sampling)
    if spec.ceiling is not None:
        yield (str(spec.reference), spec.ceiling), (str(spec.reference), sampling)


def samples(study: Study, dataset: str, run: str, sampling: str) -> Samples:
    files, description = (
        paths.samples_files(study, run, sampling),
        read_json(paths.run_files(study, run)["description"]),
    )
    encoders = study.evaluations[dataset].similarity_encoders or ()
    return Samples(
        run=run,
        sampling=sampling,
        protocol=study.protocol(run, sampling),
        weights_hash=description["weights_hash"],
        num_classes=description["architecture"]["num_classes"],
        seed=read_json(files["description"])["spec"]["seed"],
        latents=read_array(files["latents"]),
        features={name: read_array(paths.features_file(study, name, run, sampling)) for name in encoders},
    )


def sampled_attributes(study: Study, classifier: str, run: str, sampling: str) -> ImageAttributes:
    path = paths.sampled_attributes_file(study, classifier, run, sampling)
    return predicted_attributes(pd.read_parquet(path), read_json(paths.sidecar(path)))


def shared_images(study: Study, run: str, other: str, dataset: str, training: np.ndarray) -> float | None:
    """Jaccard index of two runs' training images: 0 of two datasets', None of two runs of another than the
    evaluation's."""
    datasets = {study.runs[run].dataset, study.runs[other].dataset}
    if len(datasets) > 1:
        return 0.0
    if datasets != {dataset}:
        return None
    return overlap(*(training_images(study, each, training) for each in (run, other)))


def training_images(study: Study, run: str, training: np.ndarray) -> np.ndarray:
    subset = study.runs[run].subset
    if subset is None:
        return training
    return pd.read_parquet(paths.subset_files(study, subset)["subset"])["id"].to_numpy()


if __name__ == "__main__":
    run_stage(main)
