"""Stage: spherical k-means on the training images' embeddings."""

import numpy as np
import pandas as pd

from steadyflow.data.images import read_manifest, train_ids
from steadyflow.ground.artifacts import UserError, file_hash, read_array, read_json, write_json, write_parquet
from steadyflow.plan.script import StageRun, run_stage, stage_parser
from steadyflow.prune import silhouette, spherical_kmeans

parser = stage_parser("cluster_embeddings", __doc__)


def main(job: StageRun) -> None:
    device = job.device()
    name, embedded = job.names["clustering"], job.inputs["embeddings"]
    spec = job.study.clusterings[name]
    manifest = read_manifest(job.inputs["manifest"], ["id", "split"])
    ids = train_ids(manifest)
    if len(ids) < spec.k:
        raise UserError(f"clusterings.{name}.k: {spec.k} clusters cannot be made of {len(ids)} images")
    embeddings = read_array(embedded)
    found = spherical_kmeans(embeddings, spec.k, seed=spec.seed, rows=ids, restarts=spec.restarts, device=device)
    sidecar = {
        "k": spec.k,
        "sizes": np.bincount(found.cluster, minlength=spec.k).tolist(),
        "inertia": found.inertia,
        "silhouette": silhouette(embeddings, found.cluster, rows=ids, device=device),
        "embeddings_hash": file_hash(embedded),
        "encoder_hash": read_json(job.inputs["embeddings_sidecar"])["encoder_hash"],
        "spec": spec.identity(),
    }
    write_json(job.outputs["sidecar"], sidecar)
    write_parquet(
        job.outputs["clusters"], pd.DataFrame({"id": ids, "cluster": found.cluster, "distance": found.distance})
    )


if __name__ == "__main__":
    run_stage(parser, main)
