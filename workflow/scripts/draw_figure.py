"""Stage: one figure as PDF and PNG."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from steadyflow.arm import Arm
from steadyflow.artifacts import read_array, read_json
from steadyflow.cli import run_stage, stage_parser
from steadyflow.data.images import ImageStore, read_manifest, train_ids
from steadyflow.design.arms import arms
from steadyflow.design.by_fraction import arms_by_fraction
from steadyflow.design.by_k import runs_by_k
from steadyflow.evaluate.metrics import read_metrics
from steadyflow.report import figures
from steadyflow.report.style import write_figure
from steadyflow.study import Study, load_study, paths

parser = stage_parser(__doc__, study=True)
parser.add_argument("--dataset", required=True, help="its name in the study; the evaluation is the one of that name")
parser.add_argument("--figure", required=True, help="its name in the catalogue")
parser.add_argument("--stem", type=Path, required=True, help="output path without suffix")

GRID_COLUMNS = 12


def main() -> None:
    args = parser.parse_args()
    write_figure(FIGURES[args.figure](load_study(args.study), args.dataset), args.stem)


def metrics(study: Study, dataset: str, kind: str) -> pd.DataFrame:
    return read_metrics(paths.metrics_files(study, dataset, kind))


def labels(study: Study, dataset: str) -> dict[str, str]:
    return {run: study.label(run) for run in study.evaluations[dataset].runs}


def tokenizer_labels(study: Study, dataset: str) -> dict[str, str]:
    return {name: study.tokenizer_label(name) for name in study.evaluations[dataset].tokenizers}


def comparisons(study: Study, dataset: str) -> dict[tuple[str, str], str]:
    """(run, reference) -> label, of every run against the reference and of every inverse pair."""
    spec = study.evaluations[dataset]
    against = {(run, spec.reference): study.label(run) for run in spec.runs if run != spec.reference}
    pairs = {pair: f"{study.label(pair[0])} / {study.label(pair[1])}" for pair in spec.inverse_pairs}
    return pairs | against


def dataset_samples(study: Study, dataset: str):
    files = paths.dataset_files(study, dataset)
    manifest = read_manifest(files["manifest"])
    ids = train_ids(manifest)[: 4 * GRID_COLUMNS]
    return figures.dataset_samples(ImageStore(files["images"]).read(ids), columns=GRID_COLUMNS)


def tokenizer_reconstructions(study: Study, dataset: str):
    images = np.array(read_array(paths.reconstructions_file(study, dataset))[:, :GRID_COLUMNS])
    return figures.tokenizer_reconstructions(images, list(tokenizer_labels(study, dataset).values()))


def tokenizer_curves(study: Study, dataset: str):
    names = study.evaluations[dataset].tokenizers
    curves = [pd.read_parquet(paths.tokenizer_files(study, name)["curve"]).assign(tokenizer=name) for name in names]
    return figures.tokenizer_curves(pd.concat(curves), tokenizer_labels(study, dataset))


def number_of_clusters(study: Study, dataset: str):
    found = read_json(paths.cluster_numbers_file(study, study.clustering_of(dataset)))
    return figures.number_of_clusters(pd.DataFrame(found["numbers"]), chosen=found["k"], elbow=found["elbow"])


def cluster_sizes(study: Study, dataset: str):
    clustering = study.clustering_of(dataset)
    table = pd.read_parquet(paths.clusters_files(study, clustering)["clusters"])
    k = study.clusterings[clustering].k
    own = [run for run in study.evaluations[dataset].runs if study.runs[run].dataset == dataset]
    subsets = {study.runs[run].subset: study.label(run) for run in own}
    kept = {
        name: np.bincount(
            table.loc[table["id"].isin(pd.read_parquet(paths.subset_files(study, subset)["subset"])["id"]), "cluster"],
            minlength=k,
        )
        for subset, name in subsets.items()
        if subset is not None
    }
    return figures.cluster_sizes(np.bincount(table["cluster"], minlength=k), kept)


def curves(study: Study, runs: list[str]) -> tuple[pd.DataFrame, dict[str, str]]:
    """Their curves under each other, and their labels."""
    tables = [pd.read_parquet(paths.run_files(study, run)["curve"]).assign(run=run) for run in runs]
    return pd.concat(tables), {run: study.label(run) for run in runs}


def matched_noise_grid(study: Study, dataset: str):
    spec = study.evaluations[dataset]
    rows = [shown_samples(study, run, spec.sampling) for run in spec.runs]
    return figures.matched_noise_grid(np.stack(rows), list(labels(study, dataset).values()))


# Heading of a group of the stability grid -> the arms in it.
_GROUPS: dict[str, Callable[[Arm], bool]] = {
    "another seed": lambda arm: arm.kind == "reference",
    "disjoint random halves": lambda arm: arm.criterion == "random_half",
    "half of the images, by pruning criterion": lambda arm: (
        arm.kind == "subset" and arm.pruning_fraction == 0.5 and arm.criterion != "random_half"
    ),
    "one mode only, or clusters dropped": lambda arm: arm.criterion in ("attribute_value", "drop_clusters"),
    "another capacity or architecture": lambda arm: arm.kind in ("capacity", "architecture"),
    "another dataset, the same tokenizer": lambda arm: arm.kind == "dataset",
    "another tokenizer, or its latents transformed": lambda arm: (
        arm.kind in ("tokenizer_seed", "flip_first", "flip_all")
    ),
    "another coupling or target": lambda arm: arm.kind in ("optimal_transport", "explicit_target"),
    "diffusion": lambda arm: arm.kind == "diffusion",
}


def stability_grid(study: Study, dataset: str):
    """Each group under the reference's samples; of runs alike but for their seeds, the first."""
    spec, groups = study.evaluations[dataset], {}
    for heading, belongs in _GROUPS.items():
        members = [arm for arm in arms(study, dataset) if belongs(arm)]
        runs = dict.fromkeys([spec.reference, *(arm.runs[-1 if arm.kind == "reference" else 0] for arm in members)])
        if len(runs) > 1:
            groups[heading] = {study.label(run): shown_samples(study, run, spec.sampling) for run in runs}
    return figures.stability_grid(
        groups or {"": {study.label(r): shown_samples(study, r, spec.sampling) for r in spec.runs}}
    )


def shown_samples(study: Study, run: str, sampling: str) -> np.ndarray:
    return np.array(read_array(paths.samples_files(study, run, sampling)["images"])[:GRID_COLUMNS])


def similarity_histogram(study: Study, dataset: str):
    table = pd.read_parquet(paths.metrics_file(study, dataset, "similarity_histograms"))
    histograms = {encoder: {} for encoder in study.evaluations[dataset].similarity_encoders}
    for encoder, of_encoder in histograms.items():
        for (run, reference), name in comparisons(study, dataset).items():
            chosen = (table["run"] == run) & (table["reference"] == reference) & (table["encoder"] == encoder)
            rows = table[chosen]
            edges = np.append(rows["bin_low"], rows["bin_high"].iloc[-1])
            of_encoder[name] = (edges, rows["matched"].to_numpy(), rows["unmatched"].to_numpy())
    return figures.similarity_histogram(histograms)


def path_distance(study: Study, dataset: str):
    pairs = study.path_pairs(dataset)
    shown = {pair: label for pair, label in comparisons(study, dataset).items() if pair in pairs}
    return figures.path_distance(metrics(study, dataset, "path_distances"), shown)


def fd_by_criterion(study: Study, dataset: str):
    spec = study.evaluations[dataset]
    criteria = {name: subset.criterion for name, subset in study.subsets.items()}
    inverses = [run for run in spec.runs if criteria.get(study.runs[run].subset, "").endswith("_inv")]
    return figures.fd_by_criterion(
        metrics(study, dataset, "quality"),
        labels(study, dataset),
        encoders=spec.encoders,
        reference=spec.reference,
        inverses=inverses,
    )


def by_fraction(draw: Callable) -> Callable:
    """A figure of some measures of quality against the fraction removed."""
    return lambda study, dataset: draw(
        metrics(study, dataset, "quality"),
        arms_by_fraction(study, dataset),
        reference=arms(study, dataset)[0].runs,
        encoders=study.evaluations[dataset].encoders,
    )


def fd_by_k(study: Study, dataset: str):
    reference = study.evaluations[dataset].reference
    return figures.fd_by_k(
        metrics(study, dataset, "quality"),
        runs_by_k(study, dataset),
        encoder=study.evaluations[dataset].encoders[0],
        reference=reference,
        reference_label=study.label(reference),
    )


def fairness_bars(study: Study, dataset: str):
    told = {
        name: list(read_json(paths.sidecar(paths.attributes_file(study, dataset, name)))["values"])
        for name in study.evaluations[dataset].classifiers
    }
    return figures.fairness_bars(metrics(study, dataset, "fairness"), labels(study, dataset), told)


FIGURES = {
    "dataset_samples": dataset_samples,
    "tokenizer_reconstructions": tokenizer_reconstructions,
    "tokenizer_curves": tokenizer_curves,
    "number_of_clusters": number_of_clusters,
    "cluster_sizes": cluster_sizes,
    "training_curves": lambda study, dataset: figures.training_curves(*curves(study, study.trained_runs(dataset))),
    "loss_by_time": lambda study, dataset: figures.loss_by_time(*curves(study, study.watched_runs(dataset))),
    "stability_grid": stability_grid,
    "matched_noise_grid": matched_noise_grid,
    "similarity_by_run": lambda study, dataset: figures.similarity_by_run(
        metrics(study, dataset, "similarity"),
        comparisons(study, dataset),
        encoders=study.evaluations[dataset].similarity_encoders,
    ),
    "similarity_histogram": similarity_histogram,
    "path_distance": path_distance,
    "fd_by_criterion": fd_by_criterion,
    "fd_by_fraction": by_fraction(figures.fd_by_fraction),
    "precision_recall_by_fraction": by_fraction(figures.precision_recall_by_fraction),
    "fd_by_k": fd_by_k,
    "fairness_bars": fairness_bars,
}

run_stage(main)
