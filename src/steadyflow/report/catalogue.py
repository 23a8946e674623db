"""Which tables and figures exist. Standard library only: every Snakemake job reads it.

A name is the function in `tables` or `figures` that makes it, the stem of its files, and, after `table_` or
`figure_`, its caption in `workflow/report/`.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Entry:
    """How the report lists one table or figure, and what an evaluation `needs` for it."""

    title: str
    category: str
    needs: Literal[
        "dataset", "tokenizers", "clustering", "clustering and subsets", "runs", "runs by k", "trained runs",
        "watched runs", "several fractions",
        "runs and classifiers", "inverse pairs", "paths", "modes", "mixtures",
        "several runs",
    ] = "runs"  # fmt: skip


TABLES = {
    "tokenizers": Entry("Tokenizers", "Data", "tokenizers"),
    "fd_by_criterion": Entry("Sample quality by pruning criterion", "Quality"),
    "quality": Entry("Every measure of sample quality", "Quality"),
    "claims": Entry("What the papers claim, and what was measured here", "Claims"),
    "similarity_to_unpruned": Entry("Similarity to the model trained on all data", "Stability", "several runs"),
    "similarity_to_inverse": Entry("Similarity of models trained on opposite subsets", "Stability", "inverse pairs"),
    "similarity_by_mode": Entry("Similarity where one mode alone was trained on", "Stability", "modes"),
    "path_deviation": Entry("How far paths from the same noise lie apart", "Stability", "paths"),
    "fairness": Entry("Attribute balance of the samples", "Fairness", "runs and classifiers"),
    "mode_balance": Entry("Two ways to balanced modes: balanced training, or models mixed", "Fairness", "mixtures"),
    "memorisation": Entry("Distance of the samples to the training images", "Memorisation"),
}

FIGURES = {
    "dataset_samples": Entry("Images of the dataset", "Data", "dataset"),
    "tokenizer_reconstructions": Entry("Tokenizer reconstructions", "Data", "tokenizers"),
    "tokenizer_curves": Entry("Training of the tokenizers", "Data", "tokenizers"),
    "number_of_clusters": Entry("Number of clusters", "Pruning", "clustering"),
    "cluster_sizes": Entry("Cluster sizes before and after pruning", "Pruning", "clustering and subsets"),
    "training_curves": Entry("Training losses", "Training", "trained runs"),
    "loss_by_time": Entry("Held-out losses over the path", "Training", "watched runs"),
    "matched_noise_grid": Entry("Samples from the same noise", "Stability"),
    "stability_grid": Entry("Samples from the same noise, by what was changed", "Stability"),
    "similarity_by_run": Entry("Matched against unmatched similarity", "Stability", "several runs"),
    "similarity_histogram": Entry("Distribution of similarity", "Stability", "several runs"),
    "path_distance": Entry("Distance of paths over time", "Stability", "paths"),
    "fd_by_criterion": Entry("Sample quality by pruning criterion", "Quality"),
    "fd_by_fraction": Entry("Sample quality by fraction removed", "Quality", "several fractions"),
    "precision_recall_by_fraction": Entry("Precision and recall by fraction removed", "Quality", "several fractions"),
    "fd_by_k": Entry("Sample quality by number of clusters", "Quality", "runs by k"),
    "fairness_bars": Entry("Attribute balance of the samples", "Fairness", "runs and classifiers"),
}
