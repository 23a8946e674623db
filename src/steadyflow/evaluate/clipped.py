"""Clipped density and coverage (Salvy et al., 2025): fidelity and coverage on a scale of shares.

A density counts the real balls around a sample, so few samples amid many balls outweigh bad ones; and a coverage falls
with the number of samples. Here no sample counts more than one, no ball is larger than the median, and both are
calibrated: where a share p of the samples is as good as real images and the rest far off, both are p.
"""

from dataclasses import replace

import numpy as np
from scipy import stats

from steadyflow.evaluate.distances import Points, pairs_within, squared_distances, tiles_within
from steadyflow.evaluate.estimate import Estimate, generator, mean_with_interval


def clipped_squares(squares: np.ndarray) -> np.ndarray:
    """Squared radii [n] of balls, none larger than the median radius."""
    return np.minimum(squares, np.median(np.sqrt(squares)) ** 2)


def clipped_density(balls: np.ndarray, k: int, of_real: float, noises: np.ndarray) -> Estimate:
    """Mean of min(balls / k, 1) over samples, divided by `of_real`, the same of real images, at most 1.

    `balls` int64 [m]: how many clipped balls contain each sample, of noises in the groups `noises` int64 [m]. The
    interval is of the samples, given the real images.
    """
    mean = mean_with_interval(np.minimum(balls / k, 1), noises)
    value, low, high = (min(max(each, 0.0) / of_real, 1.0) for each in (mean.value, mean.ci_low, mean.ci_high))
    return Estimate(value, low, high, tuple(min(each / of_real, 1.0) for each in mean.replicates))


def density_of_real(real: Points, squares: np.ndarray, k: int) -> float:
    """Mean of min(balls / k, 1) over real points [n], each compared with the closed balls of all others; of squared
    radii `squares` [n]."""
    balls = np.zeros(len(real), dtype=np.int64)
    for tile in tiles_within(real):
        near = pairs_within(tile, np.maximum(squares[tile.rows, None], squares[None, tile.columns]))
        apart = squared_distances(real.rows, near.i, real.rows, near.j)
        np.add.at(balls, near.i[apart <= squares[near.j]], 1)
        if tile.rows != tile.columns:
            np.add.at(balls, near.j[apart <= squares[near.i]], 1)
    return float(np.minimum(balls / k, 1).mean())


def sample_parts(n: int, m: int) -> np.ndarray:
    """The part of each of m samples, int64 [m], in as many equal parts of at least n as there are, or one; drawn, since
    neighbouring samples may be of one class or run.

    Where samples are many more than the n real images, good ones fill nearly every ball, and their share can no longer
    be measured: it is the mean over parts that is calibrated.
    """
    return generator(0).permutation(m) % max(m // n, 1)


def calibrated_coverage(share: Estimate, n: int, m: int, k: int) -> Estimate:
    """The share of m samples, about as many as real images or fewer, that would have to be good for the expected
    `share`, the mean over n real balls of min(samples inside / k, 1); at most 1, and without replicates.

    The ball of a real image up to its k-th neighbour among n - 1 others has a probability mass of Beta(k, n - k), so
    that the number of good samples in it, of any distribution without atoms, is beta-binomial.
    """
    good, inside = np.arange(m + 1), np.arange(k)
    short = stats.betabinom.pmf(inside, good[:, None], k, n - k) @ (1 - inside / k)
    value, low, high = np.interp([share.value, share.ci_low, share.ci_high], 1 - short, good / m)
    return replace(share, value=float(value), ci_low=float(low), ci_high=float(high), replicates=())
