"""Stage: inertia and silhouette of a clustering with other numbers of clusters, and the elbow of the inertia."""

from steadyflow.artifacts import file_hash, read_array, read_json, write_json
from steadyflow.data.images import read_manifest, train_ids
from steadyflow.plan.script import StageRun, run_stage, stage_parser
from steadyflow.progress import progress
from steadyflow.prune import elbow, silhouette, spherical_kmeans

parser = stage_parser("compare_cluster_numbers", __doc__)


def main(job: StageRun) -> None:
    device = job.device()
    spec = job.study.clusterings[job.names["clustering"]]
    manifest = read_manifest(job.inputs["manifest"], ["id", "split"])
    ids = train_ids(manifest)
    embeddings = read_array(job.inputs["embeddings"])
    own = read_json(job.inputs["clustering"])
    numbers = [{key: own[key] for key in ("k", "inertia", "silhouette")}]
    others = sorted(k for k in set(spec.compare_k) - {spec.k} if k <= len(ids))
    for k in progress(others, "numbers of clusters"):
        clustering = spherical_kmeans(embeddings, k, seed=spec.seed, rows=ids, restarts=spec.restarts, device=device)
        parted = silhouette(embeddings, clustering.cluster, rows=ids, device=device)
        numbers.append({"k": k, "inertia": clustering.inertia, "silhouette": parted})
    numbers.sort(key=lambda number: number["k"])
    comparison = {
        "k": spec.k,
        "numbers": numbers,
        "elbow": elbow(*([number[key] for number in numbers] for key in ("k", "inertia"))),
        "embeddings_hash": file_hash(job.inputs["embeddings"]),
        "spec": spec.model_dump(mode="json"),
    }
    write_json(job.outputs["numbers"], comparison)


if __name__ == "__main__":
    run_stage(parser, main)
