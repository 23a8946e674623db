"""How good a set of samples is, in the features of one encoder, against one reference set of real images."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from steadyflow.evaluate.distances import Points
from steadyflow.evaluate.estimate import Estimate
from steadyflow.evaluate.frechet import FeatureStatistics, feature_statistics, frechet_infinity, frechet_with_interval
from steadyflow.evaluate.kernel import kernel_distance, mean_kernel
from steadyflow.evaluate.manifold import Manifold, compare_with_manifold, manifold_of
from steadyflow.evaluate.rows import Rows, chosen, noise_indices
from steadyflow.ground.artifacts import UserError, atomic_path

PRECISION_K, DENSITY_K = 3, 5


@dataclass(frozen=True)
class Reference:
    """Real images' features `rows` [m, d], and what every set of samples is compared with, computed once.

    `within` is the mean kernel of all pairs of them.
    """

    rows: Rows
    statistics: FeatureStatistics
    within: float
    manifold: Manifold


def prepare_reference(rows: Rows) -> Reference:
    """Raises UserError when there are too few rows, or a feature is not finite."""
    return Reference(rows, feature_statistics(rows), mean_kernel(rows), manifold_of(rows, PRECISION_K, DENSITY_K))


def write_reference(path: Path | str, reference: Reference) -> None:
    """One safetensors file of all but the features themselves: which rows they are, and what was computed of them."""
    points, manifold, statistics = reference.manifold.points, reference.manifold, reference.statistics
    arrays = {
        "rows": noise_indices(reference.rows),
        "mean": statistics.mean,
        "cov": statistics.cov,
        "within": np.array([reference.within]),
        "centre": points.centre,
        "floor": points.floor,
        "slack": points.slack,
        "chunk": np.array([points.chunk]),
        "k": np.array([manifold.k, manifold.density_k]),
        "square": manifold.square,
        "density_square": manifold.density_square,
    }
    with atomic_path(path) as temporary:
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, temporary)


def read_reference(path: Path | str, features: np.ndarray) -> Reference:
    """What `write_reference` wrote, bit for bit. `features` [n, d], a memory map say, are those whose rows the
    reference is: the array itself, not a choice of its rows.

    Raises UserError where the file is not complete, or `features` are not those of this reference.
    """
    try:
        array = load_file(path)
        rows, (k, density_k) = chosen(features, array["rows"]), (int(number) for number in array["k"])
        points = Points(rows, array["centre"], array["floor"], array["slack"], int(array["chunk"][0]))
        statistics = FeatureStatistics(len(rows), array["mean"], array["cov"])
        manifold = Manifold(points, k, density_k, array["square"], array["density_square"])
        reference = Reference(rows, statistics, float(array["within"][0]), manifold)
    except (SafetensorError, KeyError) as error:
        raise UserError(f"{path}: not a complete reference ({error}); delete it and run its stage again") from error
    last = int(rows.rows.max(initial=-1))
    if features.ndim != 2 or features.shape[1] != len(statistics.mean) or last >= len(features):
        raise UserError(
            f"{path}: reference of rows up to {last} of features [*, {len(statistics.mean)}], not of {features.shape}; "
            "delete it and run its stage again"
        )
    return reference


def quality(features: Rows, reference: Reference) -> dict[str, Estimate]:
    """Metric -> estimate, of samples' `features` [n, d]: `fd`, `fd_infinity`, `kid`, `precision`, `recall`, `f_score`
    (k = 3), `density`, `coverage` (k = 5). Intervals are of the sampling of `features`, those of recall, F and coverage
    of the reference's too. Raises UserError as each of them."""
    fd = frechet_with_interval(features, reference.statistics)
    found = compare_with_manifold(reference.manifold, features)
    shares = {name: getattr(found, name) for name in ("precision", "recall", "f_score", "density", "coverage")}
    kid = kernel_distance(features, reference.rows, within_reference=reference.within)
    return {"fd": fd, "fd_infinity": frechet_infinity(fd), "kid": kid, **shares}
