"""Which samples to keep: scores, clusters, quotas and the criteria built on them.

Importing this package costs numpy alone. What needs torch (scores) or scikit-learn (k-means) loads on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from steadyflow.prune.criteria import CRITERIA, Criterion
from steadyflow.prune.overlap import overlap, overlaps
from steadyflow.prune.quotas import balanced_quotas, keep_count, proportional_quotas

if TYPE_CHECKING:
    from steadyflow.prune.kmeans import Clustering, inertia_curve, spherical_kmeans
    from steadyflow.prune.scores import gradient_norms, normalise, sample_losses, score_table, shared_points

__all__ = [
    "CRITERIA",
    "Clustering",
    "Criterion",
    "balanced_quotas",
    "gradient_norms",
    "inertia_curve",
    "keep_count",
    "normalise",
    "overlap",
    "overlaps",
    "proportional_quotas",
    "sample_losses",
    "score_table",
    "shared_points",
    "spherical_kmeans",
]

_HEAVY = {
    **dict.fromkeys(("Clustering", "inertia_curve", "spherical_kmeans"), "kmeans"),
    **dict.fromkeys(("gradient_norms", "normalise", "sample_losses", "score_table", "shared_points"), "scores"),
}


def __getattr__(name: str) -> Any:
    if name not in _HEAVY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HEAVY[name]}"), name)
