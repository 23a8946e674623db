import numpy as np
import pytest

from steadyflow.evaluate import frechet_distance
from steadyflow.evaluate.frechet_gap import frechet_gap


def distance(a, b):
    return frechet_distance(a.mean(0), np.cov(a, rowvar=False), b.mean(0), np.cov(b, rowvar=False))


def test_it_is_the_difference_at_equal_sizes():
    rng = np.random.default_rng(0)
    samples, held_out, training = (rng.normal(size=(n, 4)) for n in (80, 50, 100))
    found = frechet_gap(samples, held_out, training, seed=3)
    order = np.random.Generator(np.random.Philox(key=3)).permutation(100)
    to_training = [distance(samples, training[order[part]]) for part in (slice(50), slice(50, 100))]
    assert found.value == pytest.approx(distance(samples, held_out) - np.mean(to_training))
    assert np.mean(found.replicates) == pytest.approx(found.value, rel=0.2, abs=0.01)


def test_samples_that_are_training_images_have_a_gap():
    rng = np.random.default_rng(1)
    training, held_out = rng.normal(size=(160, 6)), rng.normal(size=(70, 6))
    assert frechet_gap(np.repeat(training, 3, axis=0), held_out, training).value > 0
    assert frechet_gap(rng.normal(size=(80, 6)), held_out[:1], training) is None


def test_new_samples_have_none_in_95_of_100_cases():
    rng, covered = np.random.default_rng(2), 0
    for _ in range(300):
        found = frechet_gap(rng.normal(size=(200, 3)), rng.normal(size=(100, 3)), rng.normal(size=(600, 3)))
        covered += found.ci_low <= 0 <= found.ci_high
    assert 0.92 <= covered / 300 <= 0.98
