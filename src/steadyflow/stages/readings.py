"""What tables and figures read: a reading for each name that the functions of exhibits have among their parameters, and
the conditions that their NEEDS name."""

from collections.abc import Callable

from steadyflow.design.arms import arms
from steadyflow.design.by_fraction import arms_by_fraction
from steadyflow.design.by_k import runs_by_k
from steadyflow.design.pairs import pairs_of_one_seed
from steadyflow.stages import evaluated, findings, results, shown
from steadyflow.stages.results import Reading
from steadyflow.study import Study

READINGS: dict[str, Reading] = {
    # Metrics, and what the papers print.
    "quality": results.QUALITY,
    "similarity": results.SIMILARITY,
    "similarity_histograms": results.SIMILARITY_HISTOGRAMS,
    "fairness": results.FAIRNESS,
    "held_out_losses": results.LOSS,
    "losses_of_trainings": results.LOSS_OF_TRAININGS,
    "path_metrics": results.PATHS,
    "path_distances": results.PATH_DISTANCES,
    "tokenizer_metrics": results.TOKENIZERS,
    "findings": Reading(findings.findings, findings.judged_files, ("paper/claims.csv",)),
    "paper": Reading(results.paper, resources=("paper/scalars.csv",)),
    # The evaluation and its runs.
    "encoders": Reading(evaluated.encoders),
    "similarity_encoders": Reading(evaluated.similarity_encoders),
    "reference": Reading(evaluated.reference),
    "reference_runs": Reading(lambda study, dataset: arms(study, dataset)[0].runs),
    "labels": Reading(evaluated.labels),
    "null_labels": Reading(shown.null_labels),
    "null_models": Reading(Study.null_models),
    "pair_labels": Reading(evaluated.pair_labels),
    "inverse_pairs": Reading(lambda study, dataset: study.evaluations[dataset].inverse_pairs),
    "inverse_runs": Reading(evaluated.inverse_runs),
    "path_pairs": Reading(Study.trajectory_pairs),
    "shared_seeds": Reading(pairs_of_one_seed),
    "repeated_runs": Reading(evaluated.repeated_runs),
    "runs_on_other_datasets": Reading(evaluated.runs_on_other_datasets),
    "lines_by_fraction": Reading(arms_by_fraction),
    "lines_by_k": Reading(runs_by_k),
    "training_sets": Reading(results.training_sets, results.run_descriptions),
    "training_steps": Reading(evaluated.training_steps),
    # What figures show of them.
    "groups": Reading(shown.groups),
    "pictured_groups": Reading(shown.pictured_groups),
    "trained_groups": Reading(shown.trained_groups),
    "validated_groups": Reading(shown.validated_groups),
    "subset_groups": Reading(shown.subset_groups),
    "comparisons": Reading(shown.comparisons),
    "path_comparisons": Reading(shown.path_comparisons),
    "perturbations": Reading(shown.perturbations),
    # Attributes.
    "attributes": Reading(results.attributes, results.predicted_files),
    "labelled_attributes": Reading(results.labelled_attributes, results.predicted_files),
    "paper_attributes": Reading(lambda study, dataset: study.evaluations[dataset].paper_attributes),
    "modes": Reading(results.modes, results.predicted_files),
    "mixed_modes": Reading(results.mixed_modes, results.predicted_files),
    # Images, tokenizers, clusters, curves.
    "dataset_images": Reading(results.dataset_images, results.dataset_files),
    "samples": Reading(results.samples, results.samples_files),
    "reconstructions": Reading(results.reconstructions, results.reconstructions_files),
    "tokenizer_labels": Reading(evaluated.tokenizer_labels),
    "tokenizer_losses": Reading(evaluated.tokenizer_losses),
    "codebook_sizes": Reading(evaluated.codebook_sizes),
    "tokenizer_curves": results.TOKENIZER_CURVES,
    "training_curves": results.TRAINING_CURVES,
    "cluster_numbers": results.by_k(results.cluster_numbers),
    "chosen_k": results.by_k(lambda found: found["k"]),
    "elbow_k": results.by_k(lambda found: found["elbow"]),
    "cluster_sizes": Reading(results.cluster_sizes, results.clusters_files),
    "kept_sizes": Reading(results.kept_sizes, results.kept_files),
}

CONDITIONS: dict[str, Callable[[Study, str], bool]] = {
    "dataset": lambda study, dataset: True,
    "tokenizers": lambda study, dataset: bool(evaluated.tokenizers(study, dataset)),
    "clustering": lambda study, dataset: study.clustering_of(dataset) is not None,
    "clustering and subsets": lambda study, dataset: (
        study.clustering_of(dataset) is not None and bool(shown.subset_groups(study, dataset))
    ),
    "runs": lambda study, dataset: bool(evaluated.runs(study, dataset)),
    "several runs": lambda study, dataset: len(evaluated.runs(study, dataset)) > 1,
    "trained runs": lambda study, dataset: bool(shown.trained_groups(study, dataset)),
    "validated runs": lambda study, dataset: bool(shown.validated_groups(study, dataset)),
    "comparisons": lambda study, dataset: bool(shown.comparisons(study, dataset)),
    "several fractions": lambda study, dataset: bool(arms_by_fraction(study, dataset)),
    "runs by k": lambda study, dataset: bool(runs_by_k(study, dataset)),
    "runs and classifiers": lambda study, dataset: (
        bool(evaluated.runs(study, dataset)) and bool(evaluated.classifiers(study, dataset))
    ),
    "null models": lambda study, dataset: bool(study.null_models(dataset)) and len(evaluated.runs(study, dataset)) > 1,
    "inverse pairs": lambda study, dataset: bool(study.evaluations[dataset].inverse_pairs),
    "paths": lambda study, dataset: bool(study.evaluations[dataset].paths),
    "path comparisons": lambda study, dataset: (
        bool(study.evaluations[dataset].paths) and bool(shown.path_comparisons(study, dataset))
    ),
    "modes": lambda study, dataset: bool(study.modes(dataset)),
    "mixtures": lambda study, dataset: bool(evaluated.mixtures(study, dataset)),
}
"""What an evaluation has to have for an exhibit that NEEDS it."""
