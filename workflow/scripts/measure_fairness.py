"""Stage: how far each attribute is from evenly spread, and from the training data, by every classifier."""

from typing import Any

import numpy as np
import pandas as pd

from steadyflow.data.images import attribute_codes, read_dataset_info, read_manifest, train_ids
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
from steadyflow.stages.attributes import image_attributes, sample_attributes
from steadyflow.stages.stage import Artifact

parser = stage_parser("measure_fairness", __doc__)


def main(job: StageRun) -> None:
    study, dataset = job.study, job.names["dataset"]
    spec, sampling = study.evaluations[dataset], str(study.evaluations[dataset].sampling)
    manifest, info = read_manifest(job.inputs["manifest"]), read_dataset_info(job.inputs["info"])
    train = train_ids(manifest)

    def fields(run: str, encoder: str) -> dict[str, Any]:
        return {"dataset": dataset, "run": run, "encoder": encoder, "seed": study.samplings[sampling].seed}

    labels = ImageAttributes(
        {name: codes[train] for name, codes in attribute_codes(manifest, info).items()},
        {**info.attributes, **({"label": info.classes} if info.classes else {})},
        info.content_hash,
    )
    metrics = fairness_metrics(labels, images="training images", seed=spec.seed, fields=fields(TRAINING_DATA, LABELS))
    for classifier in progress(spec.classifiers or (), "fairness"):
        training = read_attributes(job, image_attributes(dataset, classifier), train)
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
    path = job.file(predicted["attributes"])
    table, sidecar = pd.read_parquet(path), read_json(job.file(predicted["sidecar"]))
    attributes = predicted_attributes(table if ids is None else table.iloc[ids], sidecar)
    require_known(attributes, str(path), sidecar["classifier"])
    return attributes


if __name__ == "__main__":
    run_stage(parser, main)
