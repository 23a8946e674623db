import numpy as np
import pytest
from scipy.spatial.distance import cdist

from steadyflow.evaluate.memorisation import (
    authentic,
    calibrated_threshold,
    copied,
    copy_shares,
    highest_cosines,
    nearest_two,
)


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def test_copies_by_the_ratio_of_the_two_nearest_distances():
    training = np.array([[0.0], [9.0], [20.0], [20.0]])
    # 2.2 / 6.8 < 1/3 < 2.3 / 6.7; of squared distances 2.3 would pass for a copy. Two equal training images hide none.
    samples = np.array([[2.2], [2.3], [20.0], [21.0]])
    assert copied(nearest_two(samples, training)).tolist() == [True, False, True, False]


def test_few_samples_of_the_distribution_itself_are_copies_in_many_dimensions():
    training, fresh = normal(0, 300, 20), normal(1, 200, 20)
    copies = training[:100] + 0.01 * normal(2, 100, 20)
    mixed = np.concatenate([copies, fresh[:100]])
    assert copied(nearest_two(fresh, training)).mean() == 0
    assert copied(nearest_two(mixed, training)).mean() == 0.5


def test_authenticity_by_all_distances():
    training, samples = normal(0, 120, 3), normal(1, 80, 3)
    among, across = cdist(training, training), cdist(samples, training)
    np.fill_diagonal(among, np.inf)
    expected = across.min(axis=1) > among.min(axis=1)[across.argmin(axis=1)]
    np.testing.assert_array_equal(authentic(nearest_two(samples, training), training), expected)
    # Real images that nobody trained on: a sample and its neighbour are as likely to be the nearer pair.
    assert 0.3 < expected.mean() < 0.8
    assert not authentic(nearest_two(training, training), training).any()


@pytest.mark.parametrize("chunk", [7, 2048])
def test_highest_cosines_against_all_pairs(chunk):
    queries, training = normal(0, 30, 4), normal(1, 50, 4)
    expected = 1 - cdist(queries, training, "cosine").min(axis=1)
    np.testing.assert_allclose(highest_cosines(queries, training, chunk), expected)


def test_every_share_of_samples_has_its_null():
    training, held_out, samples = normal(0, 200, 5), normal(1, 1000, 5), normal(2, 400, 5)
    found = copy_shares(
        samples, nearest_two(samples, training), training, (held_out, nearest_two(held_out, training)), None
    )
    threshold = calibrated_threshold(1 - cdist(held_out, training, "cosine").min(axis=1))
    assert found["gl_held_out"].value == pytest.approx(0.99, abs=1e-9)
    assert found["gl"].value == (1 - cdist(samples, training, "cosine").min(axis=1) <= threshold).mean()
    for name in ("f_mem", "authenticity", "gl"):
        null = found[f"{name}_held_out"]
        assert found[name].ci_low < null.ci_high and null.ci_low < found[name].ci_high
        assert len(found[name].replicates) == 20
    copies = training[:100]
    found = copy_shares(
        copies, nearest_two(copies, training), training, (held_out, nearest_two(held_out, training)), None
    )
    assert (found["f_mem"].value, found["authenticity"].value, found["gl"].value) == (1, 0, 0)


def test_a_threshold_that_is_known_needs_no_held_out_images():
    training = np.eye(3)
    samples = np.array([[1, 0.2, 0], [1, 1, 1.0]])
    found = copy_shares(samples, nearest_two(samples, training), training, None, 0.6)
    assert found["gl"].value == 0.5 and set(found) == {"f_mem", "authenticity", "gl"}
