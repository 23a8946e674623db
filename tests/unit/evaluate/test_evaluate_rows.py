import numpy as np
import pytest

from steadyflow.evaluate.rows import finite_rows, mean_norm, mixed, with_features
from steadyflow.ground.artifacts import UserError


def features():
    values = np.arange(20, dtype=np.float32).reshape(10, 2)
    values[[3, 7]] = np.nan
    return values


@pytest.mark.parametrize("chunk", [1, 4, 4096])
def test_rows_of_nan_are_left_out(chunk):
    found = with_features(features(), chunk=chunk)
    assert found.rows.tolist() == [0, 1, 2, 4, 5, 6, 8, 9]
    np.testing.assert_array_equal(found[2:4], [[4, 5], [8, 9]])


def test_only_the_rows_asked_for_are_looked_at():
    assert with_features(features(), np.array([7, 5, 3, 1])).rows.tolist() == [5, 1]
    assert len(with_features(features(), np.array([], dtype=np.int64))) == 0


def test_a_single_nan_is_no_missing_row_but_a_mistake():
    values = features()
    values[0, 1] = np.nan
    found = with_features(values)
    assert 0 in found.rows
    with pytest.raises(UserError, match="row 0"):
        finite_rows("features", found[:3])


def test_a_mixture_has_equal_parts_of_each_set():
    sets = [np.full((10, 2), value) for value in range(3)]
    assert mixed(sets)[:, 0].tolist() == [0, 0, 0, 0, 1, 1, 1, 2, 2, 2]
    np.testing.assert_array_equal(mixed(sets[:1]), sets[0])


@pytest.mark.parametrize("chunk", [1, 3, 4096])
def test_the_mean_norm_is_that_of_the_rows_with_features(chunk):
    found = with_features(features())
    assert mean_norm(found, chunk) == pytest.approx(np.linalg.norm(features()[found.rows], axis=1).mean())
    assert mean_norm(with_features(np.full((3, 2), np.nan))) is None
