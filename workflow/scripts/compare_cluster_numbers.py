"""Stage: inertia and silhouette of a clustering with other numbers of clusters, and the elbow of the inertia."""

from pathlib import Path

from steadyflow.artifacts import file_hash, read_array, read_json, write_json
from steadyflow.cli import choose_device, run_stage, stage_parser
from steadyflow.data.images import read_manifest, train_ids
from steadyflow.progress import progress
from steadyflow.prune import elbow, silhouette, spherical_kmeans
from steadyflow.study import load_study

parser = stage_parser(__doc__, study=True, device=True)
parser.add_argument("--clustering", required=True, help="its name in the study")
parser.add_argument("--manifest", type=Path, required=True)
parser.add_argument("--embeddings", type=Path, required=True)
parser.add_argument("--found", type=Path, required=True, help=".json of the clustering itself")
parser.add_argument("--output", type=Path, required=True, help=".json")


def main() -> None:
    args = parser.parse_args()
    device = choose_device(args.device, args.threads)
    spec = load_study(args.study).clusterings[args.clustering]
    manifest = read_manifest(args.manifest, ["id", "split"])
    ids = train_ids(manifest)
    embeddings = read_array(args.embeddings)
    own = read_json(args.found)
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
        "embeddings_hash": file_hash(args.embeddings),
        "spec": spec.model_dump(mode="json"),
    }
    write_json(args.output, comparison)


if __name__ == "__main__":
    run_stage(main)
