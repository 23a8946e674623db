"""Whether samples copy training images: distances and shares, each beside what it is of held-out images.

A share of copies says little by itself. Its null is the same share of held-out images of the population that was
trained on, which nobody trained on; a training set with duplicates, or of few modes, moves both.
"""

from dataclasses import dataclass

import numpy as np

from steadyflow.evaluate.estimate import Estimate, mean_with_interval, proportion_with_interval
from steadyflow.evaluate.neighbours import k_nearest
from steadyflow.evaluate.rows import FeatureRows, Rows, chosen, finite_rows, noise_groups, parts

COPIED = 1 / 3
"""A sample is a copy where its distance to the nearest training image is below this fraction of that to the second."""
LEAKED = 1e-3
"""A held-out image is a training image where it is nearer to one than this fraction of the median held-out image."""
REPLICATED = 0.01
"""Share of held-out images that count as replicas of training images, by which the threshold is calibrated in encoders
without one of their own."""


@dataclass(frozen=True)
class Nearest:
    """Of each of m rows: the nearest training row `index` int64 [m], and L2 distances to it and to the second nearest,
    `first` and `second` [m]."""

    index: np.ndarray
    first: np.ndarray
    second: np.ndarray


def nearest_two(rows: Rows, training: Rows) -> Nearest:
    """The two rows of `training` [n, d], n >= 2, nearest to each of `rows` [m, d]. Errors as in `k_nearest`."""
    index, distance = k_nearest(rows, training, 2)
    return Nearest(index[:, 0], distance[:, 0], distance[:, 1])


def copied(near: Nearest) -> np.ndarray:
    """Whether d1 / d2 < 1/3, bool [m], with L2 distances d1, d2 to the two nearest training images (f_mem; Yoon et al.,
    2023). Others square the distances, for which this bound would be 1/9. A distance of 0 is a copy whatever the second
    is, since duplicates in the training images would hide it."""
    return (near.first < COPIED * near.second) | (near.first == 0)


def authentic(near: Nearest, training: Rows) -> np.ndarray:
    """Whether a sample is further from its nearest training image than that image is from its own nearest other one,
    bool [m] (Alaa et al., 2022). The share of such samples is authenticity; some code reports it less 50%."""
    images, place = np.unique(near.index, return_inverse=True)
    # The nearest of an image is itself.
    to_another = nearest_two(chosen(training, images), training).second
    return near.first > to_another[place]


def highest_cosines(queries: Rows, training: Rows, chunk: int = 2048) -> np.ndarray:
    """The highest cosine of each of `queries` [m, d] with any of `training` [n, d], float64 [m]. Raises UserError if a
    value is not finite."""
    highest = np.full(len(queries), -np.inf)
    for some in parts(len(queries), chunk):
        here = _directions("queries", queries[some])
        for others in parts(len(training), chunk):
            there = _directions("training", training[others])
            np.maximum(highest[some], (here @ there.T).max(axis=1), out=highest[some])
    return highest


def calibrated_threshold(of_held_out: np.ndarray) -> float:
    """The highest cosine that a share REPLICATED of held-out images exceeds; `of_held_out` [m] are their highest
    cosines with training images."""
    return float(np.quantile(of_held_out, 1 - REPLICATED))


def share(hits: np.ndarray, noises: np.ndarray | None = None) -> Estimate:
    """The share of `hits` bool [m], with Wilson's interval, and replicates where the groups of `noises` int64 [m] are
    given."""
    found = proportion_with_interval(int(hits.sum()), len(hits))
    replicates = () if noises is None else mean_with_interval(hits.astype(np.float64), noises).replicates
    return Estimate(found.value, found.ci_low, found.ci_high, replicates)


def copy_shares(
    samples: Rows, near: Nearest, training: Rows, held_out: tuple[Rows, Nearest] | None, threshold: float | None = None
) -> dict[str, Estimate]:
    """`f_mem` (share of `copied`), `authenticity` (share of `authentic`) and `gl` of samples [m, d] with their nearest
    training images, and each with `_held_out` of held-out images, its null, where these are given with theirs.

    gl: share of samples whose highest cosine with training images is not above `threshold`, 0.6 for SSCD (Pizzi et al.,
        2022). In other encoders, None, it is that which a share REPLICATED of held-out images exceeds, so gl is not
        measured without them. A threshold of single pairs would not do: the highest of thousands of cosines exceeds it.
    """
    of_samples = noise_groups(samples)
    found = {
        "f_mem": share(copied(near), of_samples),
        "authenticity": share(authentic(near, training), of_samples),
    }
    highest = np.empty(0)
    if held_out is not None:
        rows, of_rows = held_out
        highest = highest_cosines(rows, training)
        threshold = calibrated_threshold(highest) if threshold is None else threshold
        found |= {
            "f_mem_held_out": share(copied(of_rows)),
            "authenticity_held_out": share(authentic(of_rows, training)),
            "gl_held_out": share(highest <= threshold),
        }
    if threshold is not None:
        found["gl"] = share(highest_cosines(samples, training) <= threshold, of_samples)
    return found


def leaks(held_out: FeatureRows, training: FeatureRows) -> np.ndarray:
    """Held-out images that are training images too: (id, id of the training image) int64 [l, 2].

    Those whose features are equal but for rounding: nearer than LEAKED of the median distance of a held-out image to
    its nearest training image. What is nearly the same, another crop for instance, shows as `f_mem_held_out`.
    """
    index, distance = k_nearest(held_out, training, 1)
    same = np.flatnonzero(distance[:, 0] <= LEAKED * np.median(distance))
    return np.stack([held_out.rows[same], training.rows[index[same, 0]]], axis=1)


def _directions(name: str, rows: np.ndarray) -> np.ndarray:
    values = finite_rows(name, rows)
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), np.finfo(float).tiny)
