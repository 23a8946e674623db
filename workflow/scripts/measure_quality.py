"""Stage: how good and how new the samples of a run, or of a mixture of runs, are in each encoder."""

import numpy as np
import pandas as pd

from steadyflow.data.images import held_out_ids, read_dataset_info, read_manifest, train_ids
from steadyflow.evaluate.metrics import metrics_table
from steadyflow.evaluate.quality import read_reference
from steadyflow.evaluate.sample_quality import TrainedOn, quality_metrics
from steadyflow.ground.artifacts import read_array, read_json, write_parquet
from steadyflow.ground.progress import progress
from steadyflow.plan.script import StageRun, run_stage, stage_parser
from steadyflow.stages.encoders import embeddings_artifacts
from steadyflow.stages.metrics import held_out_of, reference_artifact
from steadyflow.stages.pruning import subset_artifact
from steadyflow.stages.samples import features_artifact

parser = stage_parser("measure_quality", __doc__)


def main(job: StageRun) -> None:
    study, dataset, measured = job.study, job.names["dataset"], job.names["measured"]
    spec, sampling = study.evaluations[dataset], str(study.evaluations[dataset].sampling)
    num_classes = read_dataset_info(job.inputs["info"]).num_classes
    runs = study.measured_quality(dataset)[measured]
    # A mixture has no training images of its own, and those of a run of another dataset are elsewhere.
    trained_here = len(runs) == 1 and study.runs[runs[0]].dataset == dataset
    metrics = []
    for encoder in progress(spec.encoders or (), f"quality of {measured}"):
        embedded = embeddings_artifacts(dataset, encoder)
        made_of = read_json(job.file(embedded["embeddings_sidecar"]))
        features = read_array(job.file(embedded["embeddings"]))
        metrics += quality_metrics(
            [read_array(job.file(features_artifact(study, encoder, run, sampling))) for run in runs],
            features,
            reference=read_reference(job.file(reference_artifact(dataset, encoder)), features),
            trained_on=trained_on(job, runs[0]) if trained_here else None,
            sampled=study.protocol(runs[0], sampling),
            protocol=made_of["protocol"],
            fields={
                "dataset": dataset,
                "run": measured,
                "encoder": encoder,
                "seed": study.samplings[sampling].seed,
                "hashes": f"encoder {made_of['encoder_hash']}",
            },
            seed=spec.seed,
            num_classes=num_classes,
        )
    write_parquet(job.outputs["metrics"], metrics_table(metrics))


def trained_on(job: StageRun, run: str) -> TrainedOn:
    manifest, info = read_manifest(job.inputs["manifest"]), read_dataset_info(job.inputs["info"])
    population = held_out_of(job.study, run)
    held_out = None if population is None else held_out_ids(manifest, info, population)
    enough = held_out is not None and len(held_out) > 1
    return TrainedOn(train_ids(manifest), kept_ids(job, run), held_out if enough else None)


def kept_ids(job: StageRun, run: str) -> np.ndarray | None:
    subset = job.study.runs[run].subset
    return None if subset is None else pd.read_parquet(job.file(subset_artifact(job.study, subset)))["id"].to_numpy()


if __name__ == "__main__":
    run_stage(parser, main)
