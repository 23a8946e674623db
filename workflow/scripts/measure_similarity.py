"""Stage: how alike the samples of two runs are when they share x0, and when they do not."""

from pathlib import Path

import numpy as np
import pandas as pd

from steadyflow.artifacts import read_array, read_json, write_parquet
from steadyflow.cli import run_stage, stage_parser
from steadyflow.data.images import read_manifest, train_ids
from steadyflow.evaluate import pair_distance, pair_histogram, pair_similarity
from steadyflow.evaluate.metrics import Metric, metrics_table, similarity_fields
from steadyflow.evaluate.rows import with_features
from steadyflow.progress import progress
from steadyflow.prune import overlap
from steadyflow.study import load_study, paths

parser = stage_parser(__doc__, study=True)
parser.add_argument("--dataset", required=True, help="its name in the study; the evaluation is the one of that name")
parser.add_argument("--output", type=Path, required=True, help="metrics .parquet")
parser.add_argument("--histograms", type=Path, required=True, help="histograms .parquet")

EDGES = np.linspace(-1, 1, 201)


def main() -> None:
    args = parser.parse_args()
    study = load_study(args.study)
    spec = study.evaluations[args.dataset]
    sampling = study.samplings[spec.sampling]
    manifest = read_manifest(paths.dataset_files(study, args.dataset)["manifest"])
    everything = train_ids(manifest)

    def features(run: str) -> np.ndarray:
        return np.array(read_array(paths.features_file(study, spec.encoder, run, spec.sampling)))

    def latents(run: str) -> np.ndarray:
        return np.array(read_array(paths.samples_files(study, run, spec.sampling)["latents"]))

    def trained_on(run: str) -> np.ndarray:
        subset = study.runs[run].subset
        if subset is None:
            return everything
        return pd.read_parquet(paths.subset_files(study, subset)["subset"])["id"].to_numpy()

    metrics, histograms = [], []
    for run, reference in progress(study.compared_pairs(args.dataset), "similarity"):
        # Pairs of which both have features: ArcFace gives none where it finds no face.
        a, b = features(run), features(reference)
        both = np.intersect1d(with_features(a).rows, with_features(b).rows)
        a, b = a[both], b[both]
        protocols = dict.fromkeys(study.protocol(name, spec.sampling) for name in (run, reference))
        common = {
            "dataset": args.dataset,
            "run": run,
            "reference": reference,
            "protocol": f"{' against '.join(protocols)} from shared noise",
            "seed": sampling.seed,
        }
        hashes = " ".join(f"{name} {weights_hash(study, name)}" for name in (run, reference))
        found = similarity_fields(pair_similarity(a, b, seed=spec.seed), "cosine")
        metrics += [
            Metric(**common, n=len(both), metric=m, encoder=spec.encoder, hashes=hashes, **f) for m, f in found.items()
        ]
        found = similarity_fields(pair_distance(latents(run), latents(reference), seed=spec.seed), "latent_l2")
        metrics += [
            Metric(**common, n=sampling.count, metric=m, encoder="latent", hashes=hashes, **f) for m, f in found.items()
        ]
        shared = overlap(trained_on(run), trained_on(reference))
        metrics.append(Metric(**common, n=sampling.count, metric="overlap", encoder="", value=shared))
        matched, unmatched = pair_histogram(a, b, EDGES)
        bins = {"bin_low": EDGES[:-1], "bin_high": EDGES[1:], "matched": matched, "unmatched": unmatched}
        histograms.append(pd.DataFrame({"run": run, "reference": reference, **bins}))
    write_parquet(args.histograms, pd.concat(histograms, ignore_index=True))
    write_parquet(args.output, metrics_table(metrics))


def weights_hash(study, run: str) -> str:
    return read_json(paths.run_files(study, run)["description"])["weights_hash"]


run_stage(main)
