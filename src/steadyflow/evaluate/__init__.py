"""Measures of the quality and similarity of samples, in numpy float64.

The modules that need torch (`reconstruction`, `tokenizer_quality`) are not imported here.
"""

from steadyflow.evaluate.estimate import Estimate, contrast, difference, mean_over_runs, mean_with_interval
from steadyflow.evaluate.fairness import AttributeBias, kl_between, kl_divergence, kl_to_uniform, kl_with_interval
from steadyflow.evaluate.frechet import (
    FeatureStatistics,
    feature_statistics,
    frechet_distance,
    frechet_infinity,
    frechet_with_interval,
    merge_statistics,
)
from steadyflow.evaluate.kernel import kernel_distance, mean_kernel
from steadyflow.evaluate.manifold import (
    Manifold,
    ManifoldMetrics,
    compare_with_manifold,
    manifold_metrics,
    manifold_of,
)
from steadyflow.evaluate.neighbours import kept_ratio, memorisation_ratio, nearest_neighbours
from steadyflow.evaluate.similarity import (
    PairSimilarity,
    matched_values,
    pair_distance,
    pair_histogram,
    pair_similarity,
)
from steadyflow.evaluate.trajectories import (
    TrajectoryComparison,
    common_times,
    compare_trajectories,
    trajectory_deviation,
)

__all__ = [
    "AttributeBias",
    "Estimate",
    "FeatureStatistics",
    "Manifold",
    "ManifoldMetrics",
    "PairSimilarity",
    "TrajectoryComparison",
    "common_times",
    "compare_trajectories",
    "compare_with_manifold",
    "contrast",
    "difference",
    "feature_statistics",
    "frechet_distance",
    "frechet_infinity",
    "frechet_with_interval",
    "kept_ratio",
    "kernel_distance",
    "kl_between",
    "kl_divergence",
    "kl_to_uniform",
    "kl_with_interval",
    "manifold_metrics",
    "manifold_of",
    "matched_values",
    "mean_kernel",
    "mean_over_runs",
    "mean_with_interval",
    "memorisation_ratio",
    "merge_statistics",
    "nearest_neighbours",
    "pair_distance",
    "pair_histogram",
    "pair_similarity",
    "trajectory_deviation",
]
