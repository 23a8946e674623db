"""What samples are worth and how alike they are, in numpy float64. No network runs here, and nothing imports torch."""

from steadyflow.evaluate.estimate import Estimate
from steadyflow.evaluate.fairness import AttributeBias, kl_divergence, kl_to_uniform, kl_with_interval
from steadyflow.evaluate.frechet import (
    FeatureStatistics,
    feature_statistics,
    frechet_distance,
    frechet_with_interval,
    merge_statistics,
)
from steadyflow.evaluate.neighbours import memorisation_ratio, nearest_neighbours
from steadyflow.evaluate.similarity import (
    PairSimilarity,
    matched_values,
    pair_distance,
    pair_histogram,
    pair_similarity,
)

__all__ = [
    "AttributeBias",
    "Estimate",
    "FeatureStatistics",
    "PairSimilarity",
    "feature_statistics",
    "frechet_distance",
    "frechet_with_interval",
    "kl_divergence",
    "kl_to_uniform",
    "kl_with_interval",
    "matched_values",
    "memorisation_ratio",
    "merge_statistics",
    "nearest_neighbours",
    "pair_distance",
    "pair_histogram",
    "pair_similarity",
]
