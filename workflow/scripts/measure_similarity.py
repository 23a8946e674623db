"""Stage: how alike the samples of two runs are when they share x0, and when they do not."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from steadyflow.data.images import read_dataset_info, read_manifest, train_ids
from steadyflow.design.pairs import pairs_of_repeats
from steadyflow.evaluate.beyond_null import compare_beyond_null
from steadyflow.evaluate.metrics import metrics_table
from steadyflow.evaluate.sample_fairness import ImageAttributes, predicted_attributes
from steadyflow.evaluate.sample_similarity import (
    Samples,
    attribute_classes,
    compare_samples,
    floor_metric,
    histograms_table,
)
from steadyflow.ground.artifacts import read_array, read_json, write_parquet
from steadyflow.ground.progress import progress
from steadyflow.plan.script import StageRun, run_stage, stage_parser
from steadyflow.prune import overlap
from steadyflow.stages.attributes import sample_attributes
from steadyflow.stages.encoders import embeddings_artifacts
from steadyflow.stages.pruning import subset_artifact
from steadyflow.stages.runs import run_artifacts
from steadyflow.stages.samples import features_artifact, samples_artifacts
from steadyflow.study import Study

parser = stage_parser("measure_similarity", __doc__)

Sampled = tuple[str, str]
"""A run, and a sampling of it."""


def main(job: StageRun) -> None:
    study, dataset = job.study, job.names["dataset"]
    spec = study.evaluations[dataset]
    manifest = read_manifest(job.inputs["manifest"])
    num_classes = read_dataset_info(job.inputs["info"]).num_classes
    training = train_ids(manifest)
    validation = manifest.loc[manifest["split"] == "val", "id"].to_numpy()
    reference = (str(spec.reference), str(spec.sampling))
    attributes = {name: sampled_attributes(job, name, *reference) for name in spec.classifiers or ()}
    classes = attribute_classes(attributes, study.modes(dataset))
    metrics, histograms, null_runs = [], [], study.null_runs(dataset)
    for a, b in progress(list(compared(study, dataset)), "similarity"):
        found = compare_samples(
            samples(job, *a),
            samples(job, *b),
            dataset=dataset,
            overlap=shared_images(job, a[0], b[0], training),
            classes=classes if b == reference else None,
            num_classes=num_classes,
            of_null_model=a[0] in null_runs,
        )
        metrics += found.metrics
        histograms += found.histograms
        nulls = [study.null_models(dataset).get(run) for run, _ in (a, b)]
        if all(nulls):
            flows = (samples(job, str(null), str(spec.sampling)) for null in nulls)
            metrics += compare_beyond_null(
                samples(job, *a), samples(job, *b), *flows, dataset=dataset, num_classes=num_classes
            )
    for encoder in spec.similarity_encoders or ():
        embeddings = read_array(job.file(embeddings_artifacts(dataset, encoder)["embeddings"]))
        metrics.append(floor_metric(embeddings, validation, dataset=dataset, encoder=encoder))
    write_parquet(job.outputs["histograms"], histograms_table(histograms))
    write_parquet(job.outputs["metrics"], metrics_table(metrics))


def compared(study: Study, dataset: str) -> Iterator[tuple[Sampled, Sampled]]:
    """Every run with the reference, inverses with each other, repeats with those of the reference, null models, and the
    reference with itself under another solver."""
    spec = study.evaluations[dataset]
    sampling = str(spec.sampling)
    of_repeats = pairs_of_repeats(study, dataset)
    for run, reference in (*study.compared_pairs(dataset), *of_repeats, *study.null_pairs(dataset)):
        yield (run, sampling), (reference, sampling)
    if spec.ceiling is not None:
        yield (str(spec.reference), spec.ceiling), (str(spec.reference), sampling)


def samples(job: StageRun, run: str, sampling: str) -> Samples:
    study, sampled = job.study, samples_artifacts(job.study, run, sampling)
    description = read_json(job.file(run_artifacts(study, run)["description"]))
    encoders = study.evaluations[job.names["dataset"]].similarity_encoders or ()
    return Samples(
        run=run,
        sampling=sampling,
        protocol=study.protocol(run, sampling),
        weights_hash=description["weights_hash"],
        num_classes=description["architecture"]["num_classes"],
        seed=read_json(job.file(sampled["description"]))["spec"]["seed"],
        latents=read_array(job.file(sampled["latents"])),
        features={name: read_array(job.file(features_artifact(study, name, run, sampling))) for name in encoders},
    )


def sampled_attributes(job: StageRun, classifier: str, run: str, sampling: str) -> ImageAttributes:
    predicted = sample_attributes(job.study, classifier, run, sampling)
    return predicted_attributes(
        pd.read_parquet(job.file(predicted["attributes"])), read_json(job.file(predicted["sidecar"]))
    )


def shared_images(job: StageRun, run: str, other: str, training: np.ndarray) -> float | None:
    """Jaccard index of two runs' training images: 0 of two datasets', None of two runs of another than the
    evaluation's."""
    datasets = {job.study.runs[each].dataset for each in (run, other)}
    if len(datasets) > 1:
        return 0.0
    if datasets != {job.names["dataset"]}:
        return None
    return overlap(*(training_images(job, each, training) for each in (run, other)))


def training_images(job: StageRun, run: str, training: np.ndarray) -> np.ndarray:
    subset = job.study.runs[run].subset
    return (
        training if subset is None else pd.read_parquet(job.file(subset_artifact(job.study, subset)))["id"].to_numpy()
    )


if __name__ == "__main__":
    run_stage(parser, main)
