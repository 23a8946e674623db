"""Stage: spherical k-means on the training images' embeddings, and the inertia over a range of k."""

from pathlib import Path

import pandas as pd

from steadyflow.artifacts import UserError, file_hash, read_array, write_json, write_parquet
from steadyflow.cli import run_stage, stage_parser
from steadyflow.data.images import read_manifest
from steadyflow.prune import inertia_curve, spherical_kmeans
from steadyflow.study import load_study

parser = stage_parser(__doc__, study=True)
parser.add_argument("--clustering", required=True, help="its name in the study")
parser.add_argument("--manifest", type=Path, required=True)
parser.add_argument("--embeddings", type=Path, required=True)
parser.add_argument("--output", type=Path, required=True, help=".parquet; a .json goes beside it")


def main() -> None:
    args = parser.parse_args()
    spec = load_study(args.study).clusterings[args.clustering]
    manifest = read_manifest(args.manifest, ["id", "split"])
    ids = manifest.loc[manifest["split"] == "train", "id"].to_numpy()
    if len(ids) < spec.k:
        raise UserError(f"clusterings.{args.clustering}.k: {spec.k} clusters cannot be made of {len(ids)} images")
    embeddings = read_array(args.embeddings)[ids]
    clustering = spherical_kmeans(embeddings, spec.k, seed=spec.seed, restarts=spec.restarts)
    curve = inertia_curve(embeddings, [k for k in spec.inertia_over if k <= len(ids)], seed=spec.seed)
    table = pd.DataFrame({"id": ids, "cluster": clustering.cluster, "distance": clustering.distance})
    sidecar = {
        "k": spec.k,
        "sizes": table["cluster"].value_counts().reindex(range(spec.k), fill_value=0).tolist(),
        "inertia": clustering.inertia,
        "inertia_curve": [{"k": k, "inertia": inertia} for k, inertia in curve],
        "embeddings_hash": file_hash(args.embeddings),
        "spec": spec.identity(),
    }
    write_json(args.output.with_suffix(".json"), sidecar)
    write_parquet(args.output, table)


run_stage(main)
