# What each table and figure reads. Everything else about them stands in steadyflow.report.catalogue.
def metrics_of(kind):
    return lambda spec, dataset: paths.metrics_files(study, dataset, kind)


def curves(spec, dataset):
    return [paths.run_files(study, run)["curve"] for run in study.trained_runs(dataset)]


def watched_curves(spec, dataset):
    return [paths.run_files(study, run)["curve"] for run in study.watched_runs(dataset)]


def images(spec, dataset):
    return [paths.samples_files(study, run, spec.sampling)["images"] for run in spec.runs]


def dataset_images(spec, dataset):
    return list(paths.dataset_files(study, dataset).values())


def reconstructions(spec, dataset):
    return [paths.reconstructions_file(study, dataset)]


def tokenizer_curves(spec, dataset):
    return [paths.tokenizer_files(study, name)["curve"] for name in spec.tokenizers]


def clusters(spec, dataset):
    return list(paths.clusters_files(study, study.clustering_of(dataset)).values())


def cluster_numbers(spec, dataset):
    return [paths.cluster_numbers_file(study, study.clustering_of(dataset))]


def subsets(spec, dataset):
    return [paths.subset_files(study, name)["subset"] for name in study.evaluated_subsets(dataset)]


def descriptions(spec, dataset):
    return [paths.run_files(study, run)["description"] for run in spec.runs]


def claimed_fairness(spec, dataset):
    return metrics_of("fairness")(spec, dataset) if spec.classifiers else []


def told_values(spec, dataset):
    """Which attributes every classifier tells, and the dataset's own labels and attributes."""
    told = [paths.sidecar(paths.attributes_file(study, dataset, name)) for name in spec.classifiers]
    return [*told, paths.dataset_files(study, dataset)["info"]]


TABLE_INPUTS = {
    "quality": [metrics_of("quality")],
    "claims": [metrics_of("quality"), metrics_of("similarity"), claimed_fairness],
    "tokenizers": [metrics_of("tokenizers")],
    "fd_by_criterion": [metrics_of("quality"), descriptions],
    "similarity_to_unpruned": [metrics_of("similarity")],
    "similarity_to_inverse": [metrics_of("similarity")],
    "fairness": [metrics_of("fairness"), told_values],
    "path_deviation": [metrics_of("paths")],
    "similarity_by_mode": [metrics_of("similarity"), told_values],
    "mode_balance": [metrics_of("quality"), metrics_of("fairness"), told_values],
    "memorisation": [metrics_of("quality")],
}
FIGURE_INPUTS = {
    "stability_grid": [images],
    "fd_by_fraction": [metrics_of("quality")],
    "precision_recall_by_fraction": [metrics_of("quality")],
    "dataset_samples": [dataset_images],
    "tokenizer_reconstructions": [reconstructions],
    "tokenizer_curves": [tokenizer_curves],
    "number_of_clusters": [cluster_numbers],
    "cluster_sizes": [clusters, subsets],
    "training_curves": [curves],
    "loss_by_time": [watched_curves],
    "matched_noise_grid": [images],
    "similarity_by_run": [metrics_of("similarity")],
    "similarity_histogram": [
        metrics_of("similarity"),
        metrics_of("similarity_histograms"),
    ],
    "path_distance": [metrics_of("path_distances")],
    "fd_by_criterion": [metrics_of("quality")],
    "fd_by_k": [metrics_of("quality")],
    "fairness_bars": [metrics_of("fairness"), told_values],
}


def inputs_of(parts):
    """The input function of a table or figure that reads these parts."""

    def files(wildcards):
        spec = study.evaluations[wildcards.dataset]
        return [file for part in parts for file in part(spec, wildcards.dataset)]

    return files


def shown(dataset, kind):
    """The tables, or figures, that an evaluation has the ground for."""
    spec = study.evaluations[dataset]
    clustering = study.clustering_of(dataset) is not None
    there = {
        "dataset": True,
        "tokenizers": bool(spec.tokenizers),
        "clustering": clustering,
        "clustering and subsets": clustering and bool(study.evaluated_subsets(dataset)),
        "runs": bool(spec.runs),
        "several fractions": bool(arms_by_fraction(study, dataset)),
        "runs by k": bool(runs_by_k(study, dataset)),
        "trained runs": bool(study.trained_runs(dataset)),
        "watched runs": bool(study.watched_runs(dataset)),
        "runs and classifiers": bool(spec.runs) and bool(spec.classifiers),
        "inverse pairs": bool(spec.inverse_pairs),
        "paths": bool(spec.paths),
        "modes": bool(study.modes(dataset)),
        "mixtures": bool(spec.mixtures) and bool(study.modes(dataset)),
    }
    return [name for name, entry in kind.items() if there[entry.needs]]


def display_identity(wildcards):
    """Labels, the order of classifiers, and what stands beside our numbers: an edit of these remakes tables and
    figures."""
    spec = study.evaluations[wildcards.dataset]
    return [
        spec.classifiers,
        spec.paper_attributes,
        {run: study.runs[run].label for run in spec.runs},
        {tokenizer: study.tokenizers[tokenizer].label for tokenizer in spec.tokenizers},
    ]


def all_files(kind, files):
    return [
        file for dataset in study.evaluations for name in shown(dataset, kind) for file in files(study, dataset, name)
    ]
