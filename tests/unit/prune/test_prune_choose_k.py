import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from steadyflow.prune import compare_numbers, elbow, silhouette, spherical_kmeans
from steadyflow.prune import directions as chunked


def rows(n=300, d=8, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


@pytest.mark.parametrize("k", [2, 5, 40])
def test_silhouette_is_scikit_learns(k, monkeypatch):
    monkeypatch.setattr(chunked, "CHUNK", 64)
    x = rows()
    cluster = spherical_kmeans(x, k, seed=0).cluster
    assert silhouette(x, cluster) == pytest.approx(silhouette_score(x, cluster, metric="cosine"), abs=1e-6)
    mixed = np.random.default_rng(1).integers(k, size=len(x))
    assert silhouette(x, mixed) == pytest.approx(silhouette_score(x, mixed, metric="cosine"), abs=1e-6)


def test_silhouette_of_singletons_and_of_clusters_without_members():
    x = rows(30)
    cluster = np.repeat([0, 2, 5], [1, 10, 19])  # one alone; 1, 3 and 4 are empty
    assert silhouette(x, cluster) == pytest.approx(silhouette_score(x, cluster, metric="cosine"), abs=1e-6)
    assert silhouette(x, np.arange(30)) == 0
    assert silhouette(x, np.full(30, 3)) == 0


def test_silhouette_of_some_rows_alone():
    x, some = rows().astype(np.float16), np.arange(0, 300, 3)
    cluster = spherical_kmeans(x, 4, seed=0, rows=some).cluster
    expected = silhouette_score(x[some].astype(np.float64), cluster, metric="cosine")
    assert silhouette(x, cluster, rows=some) == pytest.approx(expected, abs=1e-6)


def test_the_elbow_is_the_corner_of_a_bent_line():
    ks = [2, 4, 8, 12, 20, 40]
    bent = [100 - 10 * (k - 2) if k <= 8 else 40 - (k - 8) / 4 for k in ks]
    assert elbow(ks, bent) == 8
    assert elbow(ks, [1000 * value + 7 for value in bent]) == 8


def test_the_elbow_is_furthest_from_the_chord():
    ks = np.array([2, 3, 5, 9, 17, 33, 65])
    inertia = ks**-0.5
    x, y = (ks - 2) / 63, (inertia - inertia[-1]) / (inertia[0] - inertia[-1])
    # The chord of the scaled curve goes from (0, 1) to (1, 0).
    assert elbow(ks, inertia) == ks[((1 - x - y) / np.sqrt(2)).argmax()]


@pytest.mark.parametrize("inertia", [[3, 2, 1], [3, 2.5, 1], [5, 5, 5]], ids=["straight", "hollow", "flat"])
def test_a_curve_that_does_not_bend_has_no_elbow(inertia):
    assert elbow([2, 3, 4], inertia) is None


def test_two_points_have_no_elbow():
    assert elbow([2, 3], [2, 1]) is None
    assert elbow([], []) is None


def test_the_elbow_finds_planted_clusters():
    rng = np.random.default_rng(2)
    x = np.eye(16)[rng.integers(6, size=600)] + 0.1 * rng.normal(size=(600, 16))
    found = {k: spherical_kmeans(x, k, seed=0) for k in (2, 4, 6, 8, 12)}
    assert elbow(list(found), [clustering.inertia for clustering in found.values()]) == 6
    assert max(found, key=lambda k: silhouette(x, found[k].cluster)) == 6


def test_numbers_are_compared_in_their_order_with_the_known_one_among_them():
    rng = np.random.default_rng(0)
    rows = np.arange(5, 65)
    embeddings = rng.normal(size=(70, 3)) + 8 * np.eye(3)[rng.integers(0, 3, 70)]
    own = {"k": 4, "inertia": 1.5, "silhouette": 0.25, "sizes": [1]}
    found = compare_numbers(embeddings, own, (61, 3, 2, 4), rows=rows, seed=2, restarts=2)
    assert [number["k"] for number in found["numbers"]] == [2, 3, 4]
    assert found["numbers"][2] == {"k": 4, "inertia": 1.5, "silhouette": 0.25}
    of_three = spherical_kmeans(embeddings, 3, seed=2, rows=rows, restarts=2)
    unit = embeddings[rows] / np.linalg.norm(embeddings[rows], axis=1, keepdims=True)
    separation = silhouette_score(unit, of_three.cluster, metric="cosine")
    expected = {"k": 3, "inertia": of_three.inertia, "silhouette": separation}
    assert found["numbers"][1] == pytest.approx(expected, abs=1e-5)
    assert found["elbow"] == elbow([2, 3, 4], [number["inertia"] for number in found["numbers"]])
