"""Measures of the quality and similarity of samples, in numpy float64.

The modules that need torch (`reconstruction`, `tokenizer_quality`) are not imported here.
"""

from steadyflow.evaluate.diversity import diversity
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
from steadyflow.evaluate.frechet_gap import frechet_gap
from steadyflow.evaluate.kernel import kernel_distance, mean_kernel
from steadyflow.evaluate.manifold import (
    Manifold,
    ManifoldMetrics,
    compare_with_manifold,
    manifold_metrics,
    manifold_of,
)
from steadyflow.evaluate.memorisation import (
    Nearest,
    authentic,
    copied,
    copy_shares,
    highest_cosines,
    leaks,
    nearest_two,
)
from steadyflow.evaluate.neighbours import k_nearest, kept_ratio, memorisation_ratio, nearest_neighbours
from steadyflow.evaluate.similarity import (
    PairSimilarity,
    Replication,
    matched_values,
    pair_distance,
    pair_histogram,
    pair_similarity,
    replication,
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
    "Nearest",
    "PairSimilarity",
    "Replication",
    "TrajectoryComparison",
    "authentic",
    "common_times",
    "compare_trajectories",
    "compare_with_manifold",
    "contrast",
    "copied",
    "copy_shares",
    "difference",
    "diversity",
    "feature_statistics",
    "frechet_distance",
    "frechet_gap",
    "frechet_infinity",
    "frechet_with_interval",
    "highest_cosines",
    "k_nearest",
    "kept_ratio",
    "kernel_distance",
    "kl_between",
    "kl_divergence",
    "kl_to_uniform",
    "kl_with_interval",
    "leaks",
    "manifold_metrics",
    "manifold_of",
    "matched_values",
    "mean_kernel",
    "mean_over_runs",
    "mean_with_interval",
    "memorisation_ratio",
    "merge_statistics",
    "nearest_neighbours",
    "nearest_two",
    "pair_distance",
    "pair_histogram",
    "pair_similarity",
    "replication",
    "trajectory_deviation",
]
