"""Quality of a set of samples in the features of one encoder, relative to a reference set of real images."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from steadyflow.evaluate.distances import Points
from steadyflow.evaluate.diversity import diversity
from steadyflow.evaluate.estimate import Estimate
from steadyflow.evaluate.frechet import FeatureStatistics, feature_statistics, frechet_infinity, frechet_with_interval
from steadyflow.evaluate.kernel import kernel_distance, mean_kernel
from steadyflow.evaluate.manifold import Manifold, compare_with_manifold, manifold_of
from steadyflow.evaluate.memorisation import leaks
from steadyflow.evaluate.rows import FeatureRows, Rows, chosen, noise_indices
from steadyflow.ground.artifacts import UserError, atomic_path

PRECISION_K, DENSITY_K = 3, 5
SHARES = ("precision", "recall", "f_score", "density", "coverage", "clipped_density", "clipped_coverage")


@dataclass(frozen=True)
class Reference:
    """Features `rows` [m, d] of held-out images, and statistics of them that every comparison needs.

    within: the mean kernel over all pairs of rows
    training: mean and covariance of all training images of the dataset, the training distribution
    leaks: ids of held-out images that are training images too, and of these, int64 [l, 2]
    """

    rows: Rows
    statistics: FeatureStatistics
    within: float
    manifold: Manifold
    training: FeatureStatistics
    leaks: np.ndarray


def prepare_reference(rows: FeatureRows, training: FeatureRows) -> Reference:
    """Computes the statistics of held-out `rows` [m, d] and `training` rows [n, d] of one array of features by id.

    Raises UserError if there are too few rows, or one is not finite.
    """
    statistics, manifold = feature_statistics(rows), manifold_of(rows, PRECISION_K, DENSITY_K)
    return Reference(rows, statistics, mean_kernel(rows), manifold, feature_statistics(training), leaks(rows, training))


def write_reference(path: Path | str, reference: Reference) -> None:
    """Writes a safetensors file with the rows' indices and the statistics, without the features."""
    points, manifold, statistics = reference.manifold.points, reference.manifold, reference.statistics
    training = reference.training
    arrays = {
        "training_n": np.array([training.n]),
        "training_mean": training.mean,
        "training_cov": training.cov,
        "leaks": reference.leaks,
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
        "clipped_density": np.array([manifold.clipped_density]),
    }
    with atomic_path(path) as temporary:
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, temporary)


def read_reference(path: Path | str, features: np.ndarray) -> Reference:
    """Reads a file of `write_reference`; `features` [n, d] is the array whose rows the reference is.

    Raises UserError if the file is not complete, or does not match `features`.
    """
    try:
        array = load_file(path)
        rows, (k, density_k) = chosen(features, array["rows"]), (int(number) for number in array["k"])
        points = Points(rows, array["centre"], array["floor"], array["slack"], int(array["chunk"][0]))
        statistics = FeatureStatistics(len(rows), array["mean"], array["cov"])
        squares, of_real = (array["square"], array["density_square"]), float(array["clipped_density"][0])
        manifold = Manifold(points, k, density_k, *squares, of_real)
        training = FeatureStatistics(int(array["training_n"][0]), array["training_mean"], array["training_cov"])
        reference = Reference(rows, statistics, float(array["within"][0]), manifold, training, array["leaks"])
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
    """Metric -> estimate for samples' `features` [n, d]: `fd`, `fd_infinity`, `fd_train`, `kid`, `precision`, `recall`,
    `f_score` (k = 3), `density`, `coverage` (k = 5) and both clipped, and `diversity`.

    Relative to held-out images; `fd_train` to all training images, the distribution that was to be learned.

    Intervals cover the sampling of `features`, and those of recall, F score and coverage that of the reference too.
    Raises UserError as the functions of the metrics do.
    """
    fd = frechet_with_interval(features, reference.statistics)
    found = compare_with_manifold(reference.manifold, features)
    shares = {name: getattr(found, name) for name in SHARES}
    kid = kernel_distance(features, reference.rows, within_reference=reference.within)
    distances = {
        "fd": fd,
        "fd_infinity": frechet_infinity(fd, *features.shape),
        "fd_train": frechet_with_interval(features, reference.training),
    }
    return {**distances, "kid": kid, **shares, "diversity": diversity(features, reference.statistics)}
