"""Which samples to keep: scores, clusters, quotas and the criteria built on them.

Importing this package costs numpy alone. What needs torch (scores, k-means) loads on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from steadyflow.prune.quotas import balanced_quotas, keep_count, proportional_quotas
from steadyflow.prune.select import (
    CRITERIA,
    attribute_balanced_ids,
    attribute_value_ids,
    cluster_ids,
    overlap,
    random_half,
    random_ids,
    score_ids,
)

if TYPE_CHECKING:
    from steadyflow.prune.choose_k import elbow, silhouette
    from steadyflow.prune.kmeans import Clustering, spherical_kmeans
    from steadyflow.prune.scores import gradient_norms, normalise, sample_losses, score_table, shared_points

__all__ = [
    "CRITERIA",
    "Clustering",
    "attribute_balanced_ids",
    "attribute_value_ids",
    "balanced_quotas",
    "cluster_ids",
    "elbow",
    "gradient_norms",
    "keep_count",
    "normalise",
    "overlap",
    "proportional_quotas",
    "random_half",
    "random_ids",
    "sample_losses",
    "score_ids",
    "score_table",
    "shared_points",
    "silhouette",
    "spherical_kmeans",
]

_HEAVY = {
    **dict.fromkeys(("Clustering", "spherical_kmeans"), "kmeans"),
    **dict.fromkeys(("elbow", "silhouette"), "choose_k"),
    **dict.fromkeys(("gradient_norms", "normalise", "sample_losses", "score_table", "shared_points"), "scores"),
}


def __getattr__(name: str) -> Any:
    if name not in _HEAVY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HEAVY[name]}"), name)
