"""How good a set of samples is, in the features of one encoder, against one reference set of real images."""

from dataclasses import dataclass

from steadyflow.evaluate.estimate import Estimate
from steadyflow.evaluate.frechet import FeatureStatistics, feature_statistics, frechet_infinity, frechet_with_interval
from steadyflow.evaluate.kernel import kernel_distance, mean_kernel
from steadyflow.evaluate.manifold import Manifold, compare_with_manifold, manifold_of
from steadyflow.evaluate.rows import Rows

PRECISION_K, DENSITY_K = 3, 5


@dataclass(frozen=True)
class Reference:
    """Real images' features `rows` [m, d], and what every set of samples is compared with, computed once."""

    rows: Rows
    statistics: FeatureStatistics
    within: float
    manifold: Manifold


def prepare_reference(rows: Rows) -> Reference:
    """Raises UserError when there are too few rows, or a feature is not finite."""
    return Reference(rows, feature_statistics(rows), mean_kernel(rows), manifold_of(rows, PRECISION_K, DENSITY_K))


def quality(features: Rows, reference: Reference) -> dict[str, Estimate]:
    """Metric -> estimate, of samples' `features` [n, d]: `fd`, `fd_infinity`, `kid`, `precision`, `recall`, `f_score`
    (k = 3), `density`, `coverage` (k = 5). Intervals are of the sampling of `features`, those of recall, F and coverage
    of the reference's too. Raises UserError as each of them."""
    fd = frechet_with_interval(features, reference.statistics)
    found = compare_with_manifold(reference.manifold, features)
    shares = {name: getattr(found, name) for name in ("precision", "recall", "f_score", "density", "coverage")}
    kid = kernel_distance(features, reference.rows, within_reference=reference.within)
    return {"fd": fd, "fd_infinity": frechet_infinity(fd), "kid": kid, **shares}
