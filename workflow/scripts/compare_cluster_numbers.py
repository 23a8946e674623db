"""Stage: inertia and silhouette of a clustering with other numbers of clusters, and the elbow of the inertia."""

from pathlib import Path

from steadyflow.artifacts import file_hash, read_array, write_json
from steadyflow.cli import choose_device, run_stage, stage_parser
from steadyflow.data.images import read_manifest, train_ids
from steadyflow.progress import progress
from steadyflow.prune import elbow, silhouette, spherical_kmeans
from steadyflow.study import load_study

parser = stage_parser(__doc__, study=True, device=True)
parser.add_argument("--clustering", required=True, help="its name in the study")
parser.add_argument("--manifest", type=Path, required=True)
parser.add_argument("--embeddings", type=Path, required=True)
parser.add_argument("--output", type=Path, required=True, help=".json")


def main() -> None:
    args = parser.parse_args()
    device = choose_device(args.device, args.threads)
    spec = load_study(args.study).clusterings[args.clustering]
    manifest = read_manifest(args.manifest, ["id", "split"])
    ids = train_ids(manifest)
    embeddings = read_array(args.embeddings)
    ks = sorted(k for k in {spec.k, *spec.compare_k} if k <= len(ids))
    found = []
    for k in progress(ks, "numbers of clusters"):
        clustering = spherical_kmeans(embeddings, k, seed=spec.seed, rows=ids, restarts=spec.restarts, device=device)
        parted = silhouette(embeddings, clustering.cluster, rows=ids, device=device)
        found.append({"k": k, "inertia": clustering.inertia, "silhouette": parted})
    comparison = {
        "k": spec.k,
        "numbers": found,
        "elbow": elbow(ks, [number["inertia"] for number in found]),
        "embeddings_hash": file_hash(args.embeddings),
        "spec": spec.model_dump(mode="json"),
    }
    write_json(args.output, comparison)


run_stage(main)
