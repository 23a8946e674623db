"""Stage: inertia and silhouette of a clustering with other numbers of clusters, and the elbow of the inertia."""

from steadyflow.data.images import read_manifest, train_ids
from steadyflow.ground.artifacts import file_hash, read_array, read_json, write_json
from steadyflow.plan.script import StageRun, run_stage, stage_parser
from steadyflow.prune import compare_numbers

parser = stage_parser("compare_cluster_numbers", __doc__)


def main(job: StageRun) -> None:
    spec = job.study.clusterings[job.names["clustering"]]
    found = compare_numbers(
        read_array(job.inputs["embeddings"]),
        read_json(job.inputs["clustering"]),
        spec.compare_k,
        rows=train_ids(read_manifest(job.inputs["manifest"], ["id", "split"])),
        seed=spec.seed,
        restarts=spec.restarts,
        device=job.device(),
    )
    comparison = {
        "k": spec.k,
        **found,
        "embeddings_hash": file_hash(job.inputs["embeddings"]),
        "spec": spec.model_dump(mode="json"),
    }
    write_json(job.outputs["numbers"], comparison)


if __name__ == "__main__":
    run_stage(parser, main)
