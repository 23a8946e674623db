import numpy as np
import pytest
from sklearn.cluster import KMeans

from steadyflow.artifacts import UserError
from steadyflow.prune import inertia_curve, overlap, spherical_kmeans


def planted(n=600, k=5, d=16, spread=0.15, seed=0):
    rng = np.random.default_rng(seed)
    centres = np.eye(d)[:k]
    label = rng.integers(k, size=n)
    return centres[label] + spread * rng.normal(size=(n, d)), label


def test_recovers_planted_clusters():
    rows, label = planted()
    found = spherical_kmeans(rows, 5, seed=0)
    for value in range(5):
        members = np.flatnonzero(label == value)
        cluster = np.bincount(found.cluster[members]).argmax()
        assert overlap(members, np.flatnonzero(found.cluster == cluster)) > 0.99


def test_fields_agree_with_each_other():
    rows, _ = planted()
    found = spherical_kmeans(rows, 7, seed=1)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(np.linalg.norm(found.centres, axis=1), 1)
    np.testing.assert_array_equal(found.cluster, (unit @ found.centres.T).argmax(axis=1))
    np.testing.assert_allclose(found.distance, 1 - (unit * found.centres[found.cluster]).sum(axis=1), atol=1e-12)
    assert found.inertia == pytest.approx(found.distance.sum())
    assert found.cluster.dtype == np.int64


def test_inertia_no_worse_than_scikit_learn():
    rows = np.random.default_rng(3).normal(size=(800, 8))
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    label = KMeans(10, n_init=4, random_state=0).fit(unit).labels_
    # The best centre of a set of directions leaves n - |sum|.
    theirs = sum((label == c).sum() - np.linalg.norm(unit[label == c].sum(axis=0)) for c in range(10))
    assert spherical_kmeans(rows, 10, seed=0).inertia <= theirs * 1.01


def test_deterministic_and_blind_to_row_scale():
    rows = np.random.default_rng(4).normal(size=(300, 8))
    scale = 2.0 ** np.random.default_rng(5).integers(-8, 8, size=(300, 1))  # exact in binary
    first, again, scaled = (spherical_kmeans(x, 6, seed=2) for x in (rows, rows, rows * scale))
    np.testing.assert_array_equal(first.cluster, again.cluster)
    np.testing.assert_array_equal(first.centres, again.centres)
    np.testing.assert_array_equal(first.cluster, scaled.cluster)
    assert not np.array_equal(first.cluster, spherical_kmeans(rows, 6, seed=3).cluster)


def test_a_cluster_that_loses_all_members_starts_anew():
    from steadyflow.prune.kmeans import _lloyd

    rows = np.eye(4)[[0, 0, 1, 1, 2, 2]]
    poor = np.array([[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 0, -1.0]])  # nothing is near the third
    np.testing.assert_array_equal(_lloyd(rows, poor, 1).centres[2], rows[4])  # the furthest sample
    found = _lloyd(rows, poor, 10)
    assert found.inertia == pytest.approx(0)
    assert len(np.unique(found.cluster)) == 3


def test_inertia_falls_with_k_to_zero():
    rows, _ = planted(n=200)
    curve = inertia_curve(rows, (2, 5, 20, 200), seed=0, restarts=2)
    assert [k for k, _ in curve] == [2, 5, 20, 200]
    inertia = [value for _, value in curve]
    assert inertia == sorted(inertia, reverse=True)
    assert inertia[-1] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_refuses_rows_without_a_direction(bad):
    rows = np.ones((5, 3))
    rows[2] = bad
    with pytest.raises(UserError, match="row 2"):
        spherical_kmeans(rows, 2, seed=0)


@pytest.mark.parametrize("k", [0, 6])
def test_refuses_impossible_k(k):
    with pytest.raises(UserError, match="clusters of 5"):
        spherical_kmeans(np.eye(5), k, seed=0)
