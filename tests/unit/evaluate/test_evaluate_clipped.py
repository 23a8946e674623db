import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import betabinom
from sklearn.datasets import load_digits

from steadyflow.evaluate import manifold_metrics


def brute_force(real, fake, k):
    """By all distances, balls and their clipping word for word, and the calibration by a sum over all counts."""
    among, across = cdist(real, real), cdist(fake, real)
    radius = np.sort(among, axis=1)[:, k]
    clipped = np.minimum(radius, np.median(radius))
    of_real = np.minimum((among <= clipped).sum(axis=1) - 1, k).mean()
    density = np.minimum((across <= clipped).sum(axis=1), k).mean() / of_real
    coverage = np.minimum((across < radius).sum(axis=0), k).mean() / k
    n, m = len(real), len(fake)
    expected = [sum(betabinom.pmf(j, good, k, n - k) * min(j, k) / k for j in range(good + 1)) for good in range(m + 1)]
    return min(density, 1), np.interp(coverage, expected, np.arange(m + 1) / m)


@pytest.mark.parametrize("chunk", [17, 1024])
def test_against_all_distances(chunk):
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(90, 3)), rng.normal(0.3, 1, size=(70, 3))
    found = manifold_metrics(real, fake, 3, 5, chunk=chunk)
    assert (found.clipped_density.value, found.clipped_coverage.value) == pytest.approx(brute_force(real, fake, 5))


def test_equal_distances_are_inside_closed_balls():
    pixels = np.random.default_rng(0).permutation(load_digits().data)
    real, fake = pixels[:200], pixels[200:350]
    found = manifold_metrics(real, fake, 3, 5)
    assert (found.clipped_density.value, found.clipped_coverage.value) == pytest.approx(brute_force(real, fake, 5))


@pytest.mark.parametrize("good", [0.0, 0.3, 0.8, 1.0])
@pytest.mark.parametrize(("n", "m"), [(200, 160), (150, 300)])
def test_where_a_share_of_the_samples_is_good_both_are_that_share(good, n, m):
    """Densities and coverages are not: the coverage of 160 good samples and 200 real images is 0.95."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(30):
        fake = rng.normal(size=(m, 4))
        fake[int(good * m) :] += 100
        metrics = manifold_metrics(rng.normal(size=(n, 4)), fake, 3, 5)
        found.append((metrics.clipped_density.value, metrics.clipped_coverage.value))
    density, coverage = np.mean(found, axis=0)
    # At most 1: where all are good, half of the noise is cut off.
    assert density == pytest.approx(good, abs=0.035 if good == 1 else 0.02)
    assert coverage == pytest.approx(good, abs=0.05 if good == 1 else 0.02)


def test_many_balls_around_bad_copies_of_one_image_do_not_make_up_for_others():
    """An outlier among real images has a wide ball, and bad samples around it have a density; not a clipped one."""
    rng = np.random.default_rng(2)
    real = np.concatenate([rng.normal(size=(195, 3)), rng.normal(0, 30, size=(5, 3))])
    fake = rng.normal(0, 20, size=(200, 3))
    found = manifold_metrics(real, fake, 3, 5)
    assert found.precision.value > 0.5 and found.clipped_density.value < 0.1


def test_intervals_of_the_calibrated_coverage_hold_what_they_promise():
    rng, good, covered = np.random.default_rng(3), 0.5, 0
    for _ in range(200):
        fake = rng.normal(size=(160, 3)) + 100 * (rng.random(160) > good)[:, None]
        found = manifold_metrics(rng.normal(size=(160, 3)), fake, 3, 5).clipped_coverage
        covered += found.ci_low <= good <= found.ci_high
    assert 0.92 <= covered / 200 <= 0.985
