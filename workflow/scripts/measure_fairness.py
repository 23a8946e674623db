"""Stage: how far each attribute is from evenly spread, and from the training data, by every classifier, and how often
each is right about held-out images."""

from typing import Any

import numpy as np
import pandas as pd

from steadyflow.data.images import attribute_codes, read_dataset_info, read_manifest, train_ids
from steadyflow.evaluate.classifier_accuracy import accuracy_metrics
from steadyflow.evaluate.metrics import metrics_table
from steadyflow.evaluate.sample_fairness import (
    ImageAttributes,
    fairness_metrics,
    mixed_attributes,
    predicted_attributes,
    require_known,
)
from steadyflow.ground.artifacts import read_json, write_parquet
from steadyflow.ground.constants import LABELS, TRAINING_DATA
from steadyflow.ground.progress import progress
from steadyflow.plan.script import StageRun, run_stage, stage_parser
from steadyflow.stages.attributes import sample_attributes
from steadyflow.stages.image_attributes import image_attributes
from steadyflow.stages.stage import Artifact

parser = stage_parser("measure_fairness", __doc__)


def main(job: StageRun) -> None:
    study, dataset = job.study, job.names["dataset"]
    spec, sampling = study.evaluations[dataset], str(study.evaluations[dataset].sampling)
    manifest, info = read_manifest(job.inputs["manifest"]), read_dataset_info(job.inputs["info"])
    train, held_out = train_ids(manifest), manifest.loc[manifest["split"] == "val", "id"].to_numpy()

    def fields(run: str, encoder: str) -> dict[str, Any]:
        return {"dataset": dataset, "run": run, "encoder": encoder, "seed": study.samplings[sampling].seed}

    def labels_of(ids: np.ndarray) -> ImageAttributes:
        codes = {name: of_all[ids] for name, of_all in attribute_codes(manifest, info).items()}
        values = {**info.attributes, **({"label": info.classes} if info.classes else {})}
        return ImageAttributes(codes, values, info.content_hash)

    metrics = fairness_metrics(
        labels_of(train), images="training images", seed=spec.seed, fields=fields(TRAINING_DATA, LABELS)
    )
    for classifier in progress(spec.classifiers or (), "fairness"):
        of_images = image_attributes(dataset, classifier)
        described = {name: value for name, value in fields("", classifier).items() if name != "run"}
        metrics += accuracy_metrics(told_of(job, of_images, held_out), labels_of(held_out), described)
        training = read_attributes(job, of_images, train)
        metrics += fairness_metrics(
            training, images="training images", seed=spec.seed, fields=fields(TRAINING_DATA, classifier)
        )
        for name, runs in study.measured(dataset).items():
            sampled = [sample_attributes(study, classifier, run, sampling) for run in runs]
            metrics += fairness_metrics(
                mixed_attributes([read_attributes(job, each) for each in sampled]),
                training,
                images=study.protocol(runs[0], sampling),
                fields=fields(name, classifier),
                seed=spec.seed,
                num_classes=info.num_classes,
            )
    write_parquet(job.outputs["metrics"], metrics_table(metrics))


def read_attributes(job: StageRun, predicted: dict[str, Artifact], ids: np.ndarray | None = None) -> ImageAttributes:
    """Of all images of a file, or of some. Raises UserError where an attribute is unknown of all of them."""
    attributes, sidecar = told_of(job, predicted, ids), read_json(job.file(predicted["sidecar"]))
    require_known(attributes, str(job.file(predicted["attributes"])), sidecar["classifier"])
    return attributes


def told_of(job: StageRun, predicted: dict[str, Artifact], ids: np.ndarray | None = None) -> ImageAttributes:
    """Of all images of a file, or of some, whether known or not."""
    table = pd.read_parquet(job.file(predicted["attributes"]))
    return predicted_attributes(table if ids is None else table.iloc[ids], read_json(job.file(predicted["sidecar"])))


if __name__ == "__main__":
    run_stage(parser, main)
