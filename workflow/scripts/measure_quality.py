"""Stage: how good and how new the samples of a run, or of a mixture of runs, are in each encoder."""

import numpy as np
import pandas as pd

from steadyflow.data.images import read_manifest, train_ids
from steadyflow.evaluate.metrics import metrics_table
from steadyflow.evaluate.quality import read_reference
from steadyflow.evaluate.sample_quality import quality_metrics
from steadyflow.ground.artifacts import read_array, read_json, write_parquet
from steadyflow.ground.progress import progress
from steadyflow.plan.script import StageRun, run_stage, stage_parser
from steadyflow.stages.encoders import embeddings_artifacts
from steadyflow.stages.metrics import reference_artifact
from steadyflow.stages.pruning import subset_artifact
from steadyflow.stages.samples import features_artifact

parser = stage_parser("measure_quality", __doc__)


def main(job: StageRun) -> None:
    study, dataset, measured = job.study, job.names["dataset"], job.names["measured"]
    spec, sampling = study.evaluations[dataset], str(study.evaluations[dataset].sampling)
    training = train_ids(read_manifest(job.inputs["manifest"], ["id", "split"]))
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
            training=training if trained_here else None,
            kept=kept_ids(job, runs[0]) if trained_here else None,
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
        )
    write_parquet(job.outputs["metrics"], metrics_table(metrics))


def kept_ids(job: StageRun, run: str) -> np.ndarray | None:
    subset = job.study.runs[run].subset
    return None if subset is None else pd.read_parquet(job.file(subset_artifact(job.study, subset)))["id"].to_numpy()


if __name__ == "__main__":
    run_stage(parser, main)
