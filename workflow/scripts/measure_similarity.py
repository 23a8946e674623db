"""Stage: how alike the samples of two runs are when they share x0, and when they do not."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from steadyflow.artifacts import UserError, read_array, read_json, write_parquet
from steadyflow.cli import run_stage, stage_parser
from steadyflow.data.images import read_manifest, train_ids
from steadyflow.evaluate import matched_values, mean_with_interval, pair_distance, pair_histogram, pair_similarity
from steadyflow.evaluate.metrics import Metric, interval, metrics_table, similarity_fields
from steadyflow.evaluate.rows import with_features
from steadyflow.evaluate.similarity import Noises, require_shared_noises, unmatched_by_row, unmatched_within
from steadyflow.names import VALIDATION_IMAGES, sample_labels
from steadyflow.progress import progress
from steadyflow.prune import overlap
from steadyflow.study import Study, load_study, paths

parser = stage_parser(__doc__, study=True)
parser.add_argument("--dataset", required=True, help="its name in the study; the evaluation is the one of that name")
parser.add_argument("--output", type=Path, required=True, help="metrics .parquet")
parser.add_argument("--histograms", type=Path, required=True, help="histograms .parquet")

EDGES = np.linspace(-1, 1, 201)

# A run, and a sampling of it.
Sampled = tuple[str, str]


def main() -> None:
    args = parser.parse_args()
    study = load_study(args.study)
    spec = study.evaluations[args.dataset]
    manifest = read_manifest(paths.dataset_files(study, args.dataset)["manifest"])
    held_out = manifest.loc[manifest["split"] == "val", "id"].to_numpy()
    classes = classes_of_reference(study, args.dataset)
    metrics, histograms = [], []
    for pair in progress(list(compared(study, args.dataset)), "similarity"):
        common = described(study, args.dataset, pair)
        metrics += [Metric(**common, **fields) for fields in in_latents(study, pair)]
        shared = shared_images(study, pair, args.dataset, train_ids(manifest))
        count = study.samplings[spec.sampling].count
        if shared is not None:
            metrics.append(Metric(**common, n=count, metric="overlap", encoder="", value=shared))
        for encoder in spec.similarity_encoders:
            a, b, both = matched_features(study, pair, encoder)
            if len(both) < 2:
                raise UserError(
                    f"{common['run']} against {common['reference']}: '{encoder}' has features of {len(both)} pairs of "
                    "samples; name another encoder in similarity_encoders"
                )
            rows, bins = in_features(study, pair, a, b, both)
            if pair[1] == (spec.reference, spec.sampling):
                rows += by_class(common["run"], a, b, both, classes)
            metrics += [Metric(**common, encoder=encoder, **fields) for fields in rows]
            names = {"run": common["run"], "reference": common["reference"], "encoder": encoder}
            histograms.append(pd.DataFrame({**names, **bins}))
    for encoder in spec.similarity_encoders:
        embeddings = Path(paths.embeddings_file(study, args.dataset, encoder))
        metrics.append(between_images(args.dataset, encoder, embeddings, held_out))
    write_parquet(args.histograms, pd.concat(histograms, ignore_index=True) if histograms else pd.DataFrame())
    write_parquet(args.output, metrics_table(metrics))


def compared(study: Study, dataset: str) -> Iterator[tuple[Sampled, Sampled]]:
    """Every run with the reference, inverses with each other, and the reference with itself under another solver."""
    spec = study.evaluations[dataset]
    for run, reference in study.compared_pairs(dataset):
        yield (run, spec.sampling), (reference, spec.sampling)
    if spec.ceiling is not None:
        yield (spec.reference, spec.ceiling), (spec.reference, spec.sampling)


def described(study: Study, dataset: str, pair: tuple[Sampled, Sampled]) -> dict:
    """What all metrics of a pair have in common. Raises UserError when they were not sampled from the same noises."""
    runs, noises = [run for run, _ in pair], tuple(noises_of(study, *sampled) for sampled in pair)
    require_shared_noises(tuple(" ".join(sampled) for sampled in pair), noises)
    protocols = dict.fromkeys(study.protocol(*sampled) for sampled in pair)
    return {
        "dataset": dataset,
        "run": runs[0],
        "reference": runs[1],
        "protocol": f"{' against '.join(protocols)} from shared noise",
        "seed": noises[0].seed,
        "hashes": " ".join(f"{run} {weights_hash(study, run)}" for run in dict.fromkeys(runs)),
    }


def noises_of(study: Study, run: str, sampling: str) -> Noises:
    files = paths.samples_files(study, run, sampling)
    count, *shape = read_array(files["latents"]).shape
    return Noises(read_json(files["description"])["spec"]["seed"], count, tuple(shape))


def in_latents(study: Study, pair: tuple[Sampled, Sampled]) -> list[dict]:
    """End points in latent space."""
    a, b = (np.array(read_array(paths.samples_files(study, *sampled)["latents"])) for sampled in pair)
    found = similarity_fields(pair_distance(a, b), "latent_l2")
    return [{"encoder": "latent", "n": len(a), "metric": metric, **fields} for metric, fields in found.items()]


# (the run that it is of, or "" for all; the class).
Class = tuple[str, str]


def classes_of_reference(study: Study, dataset: str) -> dict[Class, np.ndarray]:
    """Classes of the reference's samples, by what a classifier tells of them -> mask [n].

    `classifier.attribute=value` of every value; `kept mode` and `removed mode` of a run that saw one value alone, by
    the first classifier that tells its attribute.
    """
    spec, masks = study.evaluations[dataset], {}
    modes = study.modes(dataset)
    for classifier in reversed(spec.classifiers):
        path = paths.sampled_attributes_file(study, classifier, spec.reference, spec.sampling)
        table, values = pd.read_parquet(path), read_json(paths.sidecar(path))["values"]
        for attribute, names in values.items():
            codes = table[attribute].to_numpy()
            masks |= {("", f"{classifier}.{attribute}={name}"): codes == code for code, name in enumerate(names)}
            for run, (of_run, value) in modes.items():
                if of_run == attribute and value in names:
                    kept = codes == names.index(value)
                    masks |= {(run, "kept mode"): kept, (run, "removed mode"): (codes >= 0) & ~kept}
    return masks


def by_class(
    run: str, a: np.ndarray, b: np.ndarray, both: np.ndarray, classes: Mapping[Class, np.ndarray]
) -> list[dict]:
    """Similarity where the reference's sample is of a class, matched and to all others of the run's samples: what
    removing a mode from training changes."""
    found, rows = {"matched": matched_values(a, b), "unmatched": unmatched_by_row(a, b)}, []
    for (of_run, name), mask in classes.items():
        here = mask[both]
        if of_run in ("", run) and here.sum() >= 2:
            for part, values in found.items():
                mean = interval(mean_with_interval(values[here], both[here]))
                spread = {"n": int(here.sum()), "sd": values[here].std(ddof=1)}
                rows.append({"metric": f"cosine_{part}[{name}]", **spread, **mean})
    return rows


def matched_features(
    study: Study, pair: tuple[Sampled, Sampled], encoder: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features of pairs of which both have some (ArcFace gives none where it finds no face), and their noises."""
    a, b = (read_array(paths.features_file(study, encoder, *sampled)) for sampled in pair)
    both = np.intersect1d(with_features(a).rows, with_features(b).rows)
    return a[both], b[both], both


def in_features(
    study: Study, pair: tuple[Sampled, Sampled], a: np.ndarray, b: np.ndarray, both: np.ndarray
) -> tuple[list[dict], dict]:
    """Metrics in an encoder's features, and the histograms of matched and unmatched cosines."""
    rows = [{"metric": m, **f} for m, f in similarity_fields(pair_similarity(a, b, both), "cosine").items()]
    classes = [read_json(paths.run_files(study, run)["description"])["architecture"]["num_classes"] for run, _ in pair]
    if classes[0] and classes[0] == classes[1]:
        within = interval(unmatched_within(a, b, sample_labels(both, classes[0]), both))
        rows.append({"metric": "cosine_unmatched_same_class", **within})
    matched, unmatched = pair_histogram(a, b, EDGES)
    bins = {"bin_low": EDGES[:-1], "bin_high": EDGES[1:], "matched": matched, "unmatched": unmatched}
    return [{"n": len(both), **fields} for fields in rows], bins


def between_images(dataset: str, encoder: str, embeddings: Path, held_out: np.ndarray) -> Metric:
    """The floor: how alike two different held-out images are."""
    real = with_features(read_array(embeddings), held_out)
    rows = real[np.arange(len(real))]
    found = similarity_fields(pair_similarity(rows, rows), "cosine")["cosine_unmatched"]
    return Metric(
        dataset=dataset,
        run=VALIDATION_IMAGES,
        reference=VALIDATION_IMAGES,
        metric="cosine_unmatched",
        encoder=encoder,
        protocol="all pairs of validation images",
        n=len(real),
        seed=0,
        **found,
    )


def shared_images(study: Study, pair: tuple[Sampled, Sampled], dataset: str, everything: np.ndarray) -> float | None:
    """Jaccard index of two runs' training images: 0 of two datasets', None of two runs of another than the
    evaluation's."""
    datasets = {study.runs[run].dataset for run, _ in pair}
    if len(datasets) > 1:
        return 0.0
    if datasets != {dataset}:
        return None
    return overlap(*(trained_on(study, run, everything) for run, _ in pair))


def trained_on(study: Study, run: str, everything: np.ndarray) -> np.ndarray:
    subset = study.runs[run].subset
    return (
        everything if subset is None else pd.read_parquet(paths.subset_files(study, subset)["subset"])["id"].to_numpy()
    )


def weights_hash(study: Study, run: str) -> str:
    return read_json(paths.run_files(study, run)["description"])["weights_hash"]


run_stage(main)
