"""Stage: how good and how new the samples of a run, or of a mixture of runs, are in each encoder."""

from pathlib import Path

import numpy as np
import pandas as pd

from steadyflow.artifacts import read_array, read_json, write_parquet
from steadyflow.cli import run_stage, stage_parser
from steadyflow.data.images import read_manifest
from steadyflow.evaluate import kept_ratio, memorisation_ratio
from steadyflow.evaluate.estimate import Estimate, generator
from steadyflow.evaluate.metrics import Metric, interval, metrics_table
from steadyflow.evaluate.quality import Reference, prepare_reference, quality
from steadyflow.evaluate.rows import ChosenRows, mixed, with_features
from steadyflow.progress import progress
from steadyflow.study import Study, load_study, paths

parser = stage_parser(__doc__, study=True)
parser.add_argument("--dataset", required=True, help="its name in the study; the evaluation is the one of that name")
parser.add_argument("--measured", required=True, help="the run, or the mixture of the evaluation")
parser.add_argument("--output", type=Path, required=True, help="metrics .parquet")


def main() -> None:
    args = parser.parse_args()
    study = load_study(args.study)
    spec = study.evaluations[args.dataset]
    manifest = read_manifest(paths.dataset_files(study, args.dataset)["manifest"], ["id", "split"])
    ids = {split: manifest.loc[manifest["split"] == split, "id"].to_numpy() for split in ("train", "val")}
    runs = study.measured(args.dataset)[args.measured]
    sampled = study.protocol(runs[0], spec.sampling)
    metrics = []
    for encoder in progress(spec.encoders, f"quality of {args.measured}"):
        path = Path(paths.embeddings_file(study, args.dataset, encoder))
        embeddings, made_of = read_array(path), read_json(path.with_suffix(".json"))
        held_out = with_features(embeddings, ids["val"])
        reference = prepare_reference(held_out)
        files = [paths.features_file(study, encoder, run, spec.sampling) for run in runs]
        features = with_features(mixed([read_array(file) for file in files]))
        common = {
            "dataset": args.dataset,
            "run": args.measured,
            "reference": "",
            "encoder": encoder,
            "n": len(features),
            "seed": study.samplings[spec.sampling].seed,
            "hashes": f"encoder {made_of['encoder_hash']}",
            "note": singular(features, reference),
        }
        against = f"{sampled}; {made_of['protocol']}; against the {len(held_out)} validation images"
        found = quality(features, reference)
        metrics += [Metric(**common, metric=m, protocol=against, **interval(e)) for m, e in found.items()]
        if len(runs) > 1:
            continue
        found = memorisation(features, held_out, embeddings, ids["train"], trained_on(study, runs[0]), spec.seed)
        beside = f"{sampled}; {made_of['protocol']}"
        metrics += [Metric(**common, metric=m, protocol=beside, **interval(e)) for m, e in found.items()]
    write_parquet(args.output, metrics_table(metrics))


def singular(features: ChosenRows, reference: Reference) -> str:
    """A note where covariances have to be singular: the distance is right, and far from that of many samples."""
    few, dimensions = min(len(features), len(reference.rows)), features.shape[1]
    return f"only {few} images for {dimensions} dimensions" if few <= dimensions else ""


def trained_on(study: Study, run: str) -> np.ndarray | None:
    """The ids of its training images; None: all there are."""
    subset = study.runs[run].subset
    return None if subset is None else pd.read_parquet(paths.subset_files(study, subset)["subset"])["id"].to_numpy()


def memorisation(
    features: ChosenRows,
    held_out: ChosenRows,
    embeddings: np.ndarray,
    everything: np.ndarray,
    kept: np.ndarray | None,
    seed: int,
) -> dict[str, Estimate]:
    """`nn_ratio`: nearness to the training images against that of held-out images. `kept_ratio`: against that to as
    many images that were pruned away, for a run that has them."""
    training = with_features(embeddings, everything if kept is None else kept)
    found = {"nn_ratio": memorisation_ratio(features, held_out, training, seed=seed)}
    if kept is None:
        return found
    dropped = with_features(embeddings, np.setdiff1d(everything, kept))
    size = min(len(training), len(dropped))
    if size:
        drawn = [ChosenRows(rows.array, generator(seed).permutation(rows.rows)[:size]) for rows in (training, dropped)]
        found["kept_ratio"] = kept_ratio(features, *drawn)
    return found


run_stage(main)
