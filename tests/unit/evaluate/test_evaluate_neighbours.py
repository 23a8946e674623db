import numpy as np
import pytest

from steadyflow.evaluate import kept_ratio, memorisation_ratio, nearest_neighbours
from steadyflow.ground.artifacts import UserError


@pytest.mark.parametrize("chunk", [1, 7, 1024])
def test_against_all_distances(chunk):
    rng = np.random.default_rng(0)
    queries, references = rng.normal(size=(40, 3, 2)), rng.normal(size=(65, 3, 2))
    distances = np.sqrt(np.square(queries[:, None] - references[None]).sum(axis=(2, 3)))
    index, distance = nearest_neighbours(queries, references, chunk=chunk)
    np.testing.assert_array_equal(index, distances.argmin(axis=1))
    np.testing.assert_allclose(distance, distances.min(axis=1))


@pytest.mark.parametrize("chunk", [2, 1024])
def test_copies_are_at_zero_and_ties_go_to_the_lower_index(chunk):
    references = np.array([[0.0], [4.0], [4.0], [0.0], [1e6]])
    index, distance = nearest_neighbours(np.array([[0.0], [2.0], [4.5], [1e6]]), references, chunk=chunk)
    assert index.tolist() == [0, 0, 1, 4]
    assert distance.tolist() == [0, 2, 0.5, 0]


def test_memorisation_scale():
    rng = np.random.default_rng(1)
    training, validation, fresh = rng.normal(size=(3, 300, 4))
    copies = memorisation_ratio(training[:50], validation, training)
    new = memorisation_ratio(fresh, validation, training)
    half = memorisation_ratio(np.concatenate([training[:150], fresh[:150]]), validation, training)
    assert (copies.value, copies.ci_high) == (0, 0)
    assert new.ci_low < 1 < new.ci_high
    assert half.value == pytest.approx(0.5, abs=0.1)
    assert half.ci_low < half.value < half.ci_high < 0.8


def test_interval_is_as_wide_as_repeated_sampling():
    rng = np.random.default_rng(2)
    training = rng.normal(size=(200, 3))
    found = [memorisation_ratio(*rng.normal(size=(2, 100, 3)), training, repeats=200) for _ in range(100)]
    width = np.mean([f.ci_high - f.ci_low for f in found]) / 2 / 1.96
    assert width == pytest.approx(np.std([f.value for f in found]), rel=0.3)


def test_leaning_on_what_was_kept():
    rng = np.random.default_rng(3)
    kept, dropped, fresh = rng.normal(size=(3, 200, 4))
    assert kept_ratio(fresh, kept, dropped).ci_low < 1 < kept_ratio(fresh, kept, dropped).ci_high
    copies = kept_ratio(np.concatenate([kept[:100], fresh[:100]]), kept, dropped)
    assert copies.value == pytest.approx(0.5, abs=0.15)
    assert copies.ci_high < 0.8
    turned = kept_ratio(fresh, dropped, kept)
    assert turned.value == pytest.approx(1 / kept_ratio(fresh, kept, dropped).value)
    with pytest.raises(UserError, match="200 kept and of 150 dropped"):
        kept_ratio(fresh, kept, dropped[:150])
    with pytest.raises(UserError, match="at least 40"):
        kept_ratio(fresh[:30], kept, dropped)


def test_refusals():
    with pytest.raises(UserError, match="not one space"):
        nearest_neighbours(np.ones((3, 2)), np.ones((3, 4)))
    with pytest.raises(UserError, match="not one space"):
        nearest_neighbours(np.ones((3, 2)), np.ones((0, 2)))
    with pytest.raises(UserError, match="NaN"):
        nearest_neighbours(np.full((3, 2), np.nan), np.ones((3, 2)))
    with pytest.raises(UserError, match="validation row"):
        memorisation_ratio(np.ones((3, 2)), np.ones((3, 2)), np.ones((3, 2)))
