"""Data pruning: scores, clusters, quotas and the criteria that use them.

Importing this package imports numpy only; modules that need torch (scores, k-means) are loaded on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from steadyflow.prune.criteria import CRITERIA, Criterion
from steadyflow.prune.overlap import overlap, overlaps
from steadyflow.prune.quotas import balanced_quotas, keep_count, proportional_quotas

if TYPE_CHECKING:
    from steadyflow.prune.choose_k import compare_numbers, elbow, silhouette
    from steadyflow.prune.gradients import gradient_norms, losses_and_gradient_norms
    from steadyflow.prune.kmeans import Clustering, spherical_kmeans
    from steadyflow.prune.scores import measure_samples, normalise, sample_losses, shared_points

__all__ = [
    "CRITERIA",
    "Clustering",
    "Criterion",
    "balanced_quotas",
    "compare_numbers",
    "elbow",
    "gradient_norms",
    "keep_count",
    "losses_and_gradient_norms",
    "measure_samples",
    "normalise",
    "overlap",
    "overlaps",
    "proportional_quotas",
    "sample_losses",
    "shared_points",
    "silhouette",
    "spherical_kmeans",
]

_HEAVY = {
    **dict.fromkeys(("compare_numbers", "elbow", "silhouette"), "choose_k"),
    **dict.fromkeys(("gradient_norms", "losses_and_gradient_norms"), "gradients"),
    **dict.fromkeys(("Clustering", "spherical_kmeans"), "kmeans"),
    **dict.fromkeys(("measure_samples", "normalise", "sample_losses", "shared_points"), "scores"),
}


def __getattr__(name: str) -> Any:
    if name not in _HEAVY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HEAVY[name]}"), name)
