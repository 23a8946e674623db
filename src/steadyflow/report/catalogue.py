"""Which tables and figures exist. Standard library only: every Snakemake job reads it.

A name is the function in `tables` or `figures` that makes it, the stem of its files, and, after `table_` or
`figure_`, its caption in `workflow/report/`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """How the report lists one table or figure."""

    title: str
    category: str


TABLES = {
    "fd_by_criterion": Entry("Sample quality by pruning criterion", "Quality"),
    "similarity_to_unpruned": Entry("Similarity to the model trained on all data", "Stability"),
    "similarity_to_inverse": Entry("Similarity of models trained on opposite subsets", "Stability"),
    "fairness": Entry("Attribute balance of the samples", "Fairness"),
    "memorisation": Entry("Distance of the samples to the training images", "Memorisation"),
}

FIGURES = {
    "dataset_samples": Entry("Images of the dataset", "Data"),
    "tokenizer_reconstructions": Entry("Tokenizer reconstructions", "Data"),
    "inertia_curve": Entry("Number of clusters", "Pruning"),
    "cluster_sizes": Entry("Cluster sizes before and after pruning", "Pruning"),
    "training_curves": Entry("Training losses", "Training"),
    "matched_noise_grid": Entry("Samples from the same noise", "Stability"),
    "similarity_by_run": Entry("Matched against unmatched similarity", "Stability"),
    "similarity_histogram": Entry("Distribution of similarity", "Stability"),
    "fd_by_criterion": Entry("Sample quality by pruning criterion", "Quality"),
    "fairness_bars": Entry("Attribute balance of the samples", "Fairness"),
}
