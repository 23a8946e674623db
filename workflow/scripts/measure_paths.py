"""Stage: how far apart two runs carry the same noise on its way to data, and how far different noises lie apart."""

import pandas as pd

from steadyflow.data.images import read_dataset_info
from steadyflow.evaluate.metrics import metrics_table
from steadyflow.evaluate.trajectory_distances import Trace, compare_traces
from steadyflow.ground.artifacts import read_array, read_json, write_parquet
from steadyflow.ground.progress import progress
from steadyflow.plan.script import StageRun, run_stage, stage_parser
from steadyflow.stages.samples import trace_artifacts

parser = stage_parser("measure_paths", __doc__)


def main(job: StageRun) -> None:
    study, dataset = job.study, job.names["dataset"]
    spec, sampling = study.evaluations[dataset], str(study.evaluations[dataset].sampling)
    num_classes = read_dataset_info(job.inputs["info"]).num_classes

    def trace(run: str) -> Trace:
        traced = trace_artifacts(study, run, sampling)
        description = read_json(job.file(traced["description"]))
        # Another evaluation may follow more noises.
        followed = read_array(job.file(traced["paths"]))[:, : spec.paths]
        return Trace(run, description["weights_hash"], description["spec"]["seed"], description["times"], followed)

    metrics, distances = [], []
    for run, reference in progress(study.trajectory_pairs(dataset), "paths"):
        protocol = study.protocol(run, sampling)
        found, over_time = compare_traces(
            trace(run), trace(reference), dataset=dataset, protocol=protocol, num_classes=num_classes
        )
        metrics += found
        distances.append(over_time)
    write_parquet(job.outputs["distances"], pd.concat(distances, ignore_index=True))
    write_parquet(job.outputs["metrics"], metrics_table(metrics))


if __name__ == "__main__":
    run_stage(parser, main)
