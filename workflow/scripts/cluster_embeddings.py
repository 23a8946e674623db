"""Stage: spherical k-means on the training images' embeddings."""

from pathlib import Path

import numpy as np
import pandas as pd

from steadyflow.artifacts import UserError, file_hash, read_array, read_json, write_json, write_parquet
from steadyflow.cli import choose_device, run_stage, stage_parser
from steadyflow.data.images import read_manifest, train_ids
from steadyflow.prune import silhouette, spherical_kmeans
from steadyflow.study import load_study

parser = stage_parser(__doc__, study=True, device=True)
parser.add_argument("--clustering", required=True, help="its name in the study")
parser.add_argument("--manifest", type=Path, required=True)
parser.add_argument("--embeddings", type=Path, required=True)
parser.add_argument("--output", type=Path, required=True, help=".parquet; a .json goes beside it")


def main() -> None:
    args = parser.parse_args()
    device = choose_device(args.device, args.threads)
    spec = load_study(args.study).clusterings[args.clustering]
    manifest = read_manifest(args.manifest, ["id", "split"])
    ids = train_ids(manifest)
    if len(ids) < spec.k:
        raise UserError(f"clusterings.{args.clustering}.k: {spec.k} clusters cannot be made of {len(ids)} images")
    embeddings = read_array(args.embeddings)
    found = spherical_kmeans(embeddings, spec.k, seed=spec.seed, rows=ids, restarts=spec.restarts, device=device)
    sidecar = {
        "k": spec.k,
        "sizes": np.bincount(found.cluster, minlength=spec.k).tolist(),
        "inertia": found.inertia,
        "silhouette": silhouette(embeddings, found.cluster, rows=ids, device=device),
        "embeddings_hash": file_hash(args.embeddings),
        "encoder_hash": read_json(args.embeddings.with_suffix(".json"))["encoder_hash"],
        "spec": spec.identity(),
    }
    write_json(args.output.with_suffix(".json"), sidecar)
    write_parquet(args.output, pd.DataFrame({"id": ids, "cluster": found.cluster, "distance": found.distance}))


if __name__ == "__main__":
    run_stage(main)
