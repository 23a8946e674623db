"""What samples are worth and how alike they are, in numpy float64. No network runs here.

`reconstruction` compares images in torch, where a network left them; it is imported by itself, for nothing else needs
torch.
"""

from steadyflow.evaluate.estimate import Estimate, mean_with_interval
from steadyflow.evaluate.fairness import AttributeBias, kl_between, kl_divergence, kl_to_uniform, kl_with_interval
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
    "kl_between",
    "kl_divergence",
    "kl_to_uniform",
    "kl_with_interval",
    "matched_values",
    "mean_with_interval",
    "memorisation_ratio",
    "merge_statistics",
    "nearest_neighbours",
    "pair_distance",
    "pair_histogram",
    "pair_similarity",
]
