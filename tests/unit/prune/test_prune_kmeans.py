import itertools
import tracemalloc

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from steadyflow.ground.artifacts import UserError, read_array, write_array
from steadyflow.prune import directions as chunked
from steadyflow.prune import kmeans, overlap, spherical_kmeans
from steadyflow.prune.directions import directions
from steadyflow.prune.kmeans import _lloyd

CPU = torch.device("cpu")


def planted(n=600, k=5, d=16, spread=0.15, seed=0):
    rng = np.random.default_rng(seed)
    centres = np.eye(d)[:k]
    label = rng.integers(k, size=n)
    return centres[label] + spread * rng.normal(size=(n, d)), label


def noise(n, d, seed):
    return np.random.default_rng(seed).normal(size=(n, d))


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def best_inertia(rows, label, k):
    """Of clusters given by labels: the best centre of a set of directions leaves n - |sum|."""
    return sum((label == c).sum() - np.linalg.norm(unit(rows)[label == c].sum(axis=0)) for c in range(k))


def plain_lloyd(rows, centres, iterations=1000):
    """Every row against every centre, in float64, until nothing moves."""
    x, cluster = unit(rows), None
    for _ in range(iterations):
        found = (x @ centres.T).argmax(axis=1)
        if cluster is not None and np.array_equal(found, cluster):
            break
        cluster = found
        centres = unit(np.stack([x[cluster == c].sum(axis=0) for c in range(len(centres))]))
    return centres, cluster


def test_recovers_planted_clusters():
    rows, label = planted()
    found = spherical_kmeans(rows, 5, seed=0)
    for value in range(5):
        members = np.flatnonzero(label == value)
        cluster = np.bincount(found.cluster[members]).argmax()
        assert overlap(members, np.flatnonzero(found.cluster == cluster)) > 0.99


def test_fields_agree_with_each_other():
    rows, _ = planted()
    found = spherical_kmeans(rows, 7, seed=1, tolerance=0)
    cosine = unit(rows) @ found.centres.T
    np.testing.assert_allclose(np.linalg.norm(found.centres, axis=1), 1)
    np.testing.assert_array_equal(found.cluster, cosine.argmax(axis=1))
    np.testing.assert_allclose(found.distance, 1 - cosine.max(axis=1), atol=1e-12)
    assert found.inertia == pytest.approx(found.distance.sum())
    assert found.cluster.dtype == np.int64
    # It ended where nothing moves: each centre is the direction of its members' sum.
    sums = np.stack([unit(rows)[found.cluster == c].sum(axis=0) for c in range(7)])
    np.testing.assert_allclose(found.centres, unit(sums), atol=1e-6)


@pytest.mark.parametrize(("n", "d", "k", "seed"), [(500, 8, 12, 0), (800, 32, 5, 1), (400, 3, 60, 2), (300, 16, 1, 3)])
def test_skipping_rows_changes_nothing_against_plain_lloyd(n, d, k, seed):
    rows = noise(n, d, seed)
    start = unit(rows)[:: n // k][:k]
    centres, cluster = plain_lloyd(rows, start)
    found = _lloyd(directions(rows), start, 1000, 0, CPU)
    np.testing.assert_allclose(found.centres, centres, atol=1e-6)
    assert found.inertia == pytest.approx(best_inertia(rows, cluster, k))


def test_rows_are_skipped(monkeypatch):
    """The point of the bounds: of ten passes or more, most rows are seen in a few."""
    rows = noise(2000, 8, 0)
    seen, two_nearest = [], kmeans._two_nearest
    monkeypatch.setattr(kmeans, "_two_nearest", lambda x, *others: (seen.append(len(x)), two_nearest(x, *others))[1])
    _lloyd(directions(rows), unit(rows)[:10], 1000, 0, CPU)
    plain, _ = plain_lloyd(rows, unit(rows)[:10])
    steps = next(i for i in itertools.count(1) if np.allclose(plain_lloyd(rows, unit(rows)[:10], i)[0], plain))
    assert steps > 10
    assert sum(seen) < 0.6 * steps * len(rows)


@pytest.mark.parametrize("rows", [noise(800, 8, 3), planted(spread=0.4)[0]], ids=["noise", "planted"])
def test_inertia_no_worse_than_scikit_learn(rows):
    label = KMeans(10, n_init=4, random_state=0).fit(unit(rows)).labels_
    assert spherical_kmeans(rows, 10, seed=0).inertia <= best_inertia(rows, label, 10) * 1.01


def test_inertia_is_the_least_where_all_partitions_can_be_tried():
    rows = noise(9, 3, 7)
    least = min(best_inertia(rows, np.array(label), 2) for label in itertools.product((0, 1), repeat=9))
    assert spherical_kmeans(rows, 2, seed=0, restarts=8).inertia == pytest.approx(least)


def test_starting_on_a_sample_leaves_no_more(monkeypatch):
    rows = noise(2000, 8, 9)
    whole = spherical_kmeans(rows, 12, seed=0).inertia
    monkeypatch.setattr(kmeans, "_SAMPLE", 500)
    assert spherical_kmeans(rows, 12, seed=0).inertia == pytest.approx(whole, rel=0.01)


def test_deterministic_and_blind_to_row_scale():
    rows = noise(300, 8, 4)
    scale = 2.0 ** np.random.default_rng(5).integers(-8, 8, size=(300, 1))  # exact in binary
    first, again, scaled = (spherical_kmeans(x, 6, seed=2) for x in (rows, rows, rows * scale))
    np.testing.assert_array_equal(first.cluster, again.cluster)
    np.testing.assert_array_equal(first.centres, again.centres)
    np.testing.assert_array_equal(first.cluster, scaled.cluster)
    assert not np.array_equal(first.cluster, spherical_kmeans(rows, 6, seed=3).cluster)


@pytest.mark.parametrize("chunk", [13, 64, 100_000])
def test_chunks_change_nothing(chunk, monkeypatch):
    rows, _ = planted(n=300)
    expected = spherical_kmeans(rows, 7, seed=1)
    monkeypatch.setattr(chunked, "CHUNK", chunk)
    found = spherical_kmeans(rows, 7, seed=1)
    np.testing.assert_array_equal(found.cluster, expected.cluster)
    np.testing.assert_allclose(found.centres, expected.centres, atol=1e-12)


def test_some_rows_of_a_memory_map_of_float16(tmp_path):
    rows = noise(400, 16, 6).astype(np.float16)
    write_array(tmp_path / "embeddings.npy", rows)
    some = np.arange(1, 400, 2)
    found = spherical_kmeans(read_array(tmp_path / "embeddings.npy"), 6, seed=0, rows=some)
    expected = spherical_kmeans(rows[some].astype(np.float64), 6, seed=0)
    np.testing.assert_array_equal(found.cluster, expected.cluster)
    np.testing.assert_allclose(found.distance, expected.distance, atol=1e-12)


def test_memory_does_not_grow_with_the_dimension(tmp_path, monkeypatch):
    monkeypatch.setattr(chunked, "CHUNK", 512)
    monkeypatch.setattr(kmeans, "_SAMPLE", 512)
    n, d = 20_000, 256
    write_array(tmp_path / "embeddings.npy", noise(n, d, 0).astype(np.float32))
    embeddings = read_array(tmp_path / "embeddings.npy")
    tracemalloc.start()
    spherical_kmeans(embeddings, 8, seed=0, restarts=2, iterations=2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # All of them in float32 would be 1024 bytes a row.
    assert peak < 100 * n + 12 * 512 * d * 4


def test_a_cluster_that_loses_all_members_starts_anew():
    rows = np.eye(4)[[0, 0, 1, 1, 2, 2]]
    poor = np.array([[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 0, -1.0]])  # nothing is near the third
    np.testing.assert_array_equal(_lloyd(directions(rows), poor, 1, 0, CPU).centres[2], rows[4])  # the furthest sample
    found = _lloyd(directions(rows), poor, 10, 0, CPU)
    assert found.inertia == pytest.approx(0)
    np.testing.assert_allclose(np.sort(found.centres, axis=0), np.sort(np.eye(4)[:3], axis=0))


def test_members_that_cancel_out_leave_a_centre():
    rows = np.array([[1.0, 0], [-1.0, 0], [0, 1.0], [0, 1.0]])
    found = _lloyd(directions(rows), np.array([[0, -1.0], [0, 1.0]]), 10, 0, CPU)
    np.testing.assert_allclose(np.linalg.norm(found.centres, axis=1), 1)


def test_duplicates_fewer_than_clusters():
    rows = np.repeat(np.eye(3), 5, axis=0)
    found = spherical_kmeans(rows, 6, seed=0)
    assert found.inertia == pytest.approx(0, abs=1e-12)
    assert np.isfinite(found.centres).all()
    assert len(np.unique(found.cluster)) == 3


def test_as_many_clusters_as_rows():
    rows = noise(50, 4, 8)
    found = spherical_kmeans(rows, 50, seed=0)
    assert found.inertia == pytest.approx(0, abs=1e-9)
    assert len(np.unique(found.cluster)) == 50


def test_inertia_falls_with_k():
    rows, _ = planted(n=200)
    inertia = [spherical_kmeans(rows, k, seed=0, restarts=2).inertia for k in (1, 2, 5, 20, 200)]
    assert inertia == sorted(inertia, reverse=True)
    assert inertia[0] == pytest.approx(best_inertia(rows, np.zeros(200), 1))


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_refuses_rows_without_a_direction(bad):
    rows = np.ones((5, 3))
    rows[2] = bad
    with pytest.raises(UserError, match="row 2"):
        spherical_kmeans(rows, 2, seed=0)
    with pytest.raises(UserError, match="row 2"):
        spherical_kmeans(rows, 2, seed=0, rows=np.array([1, 2, 4]))
    assert len(spherical_kmeans(rows, 2, seed=0, rows=np.array([1, 3, 4])).cluster) == 3


@pytest.mark.parametrize("k", [0, 6])
def test_refuses_impossible_k(k):
    with pytest.raises(UserError, match="clusters of 5"):
        spherical_kmeans(np.eye(5), k, seed=0)
