import gzip
from pathlib import Path

import numpy as np
import pytest

from steadyflow.prune.criteria.by_herding import herd, herded_ids, herded_in_groups
from steadyflow.prune.keyed import keyed_normal

FASHION = Path("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz")


def squared_distances(a, b):
    return np.maximum(np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * a @ b.T, 0)


def kernel(points):
    """The exact RBF kernel with the median bandwidth, float64 [n, n]."""
    squares = squared_distances(points, points)
    return np.exp(-squares / (2 * np.median(squares[np.triu_indices(len(points), 1)])))


def mmd(kernel, chosen):
    """Of the chosen to all, by the kernel itself."""
    return np.sqrt(kernel[np.ix_(chosen, chosen)].mean() - 2 * kernel[chosen].mean() + kernel.mean())


@pytest.fixture(scope="module")
def points():
    return np.random.default_rng(0).standard_normal((600, 4)).astype(np.float32) + 100


def test_normals_are_normal_and_keyed():
    drawn = keyed_normal(0, "a", (999, 101))
    assert drawn.dtype == np.float32
    assert drawn.shape == (999, 101)
    assert abs(drawn.mean()) < 5 / np.sqrt(drawn.size)
    assert drawn.var() == pytest.approx(1, abs=5 * np.sqrt(2 / drawn.size))
    assert (abs(drawn) > 1.96).mean() == pytest.approx(0.05, abs=0.004)
    assert abs(np.corrcoef(drawn[0::2, 0][:499], drawn[1::2, 0])[0, 1]) < 0.2
    np.testing.assert_array_equal(drawn, keyed_normal(0, "a", (999, 101)))
    other = keyed_normal(0, "b", (999, 101))
    assert abs(np.corrcoef(drawn.ravel(), other.ravel())[0, 1]) < 5 / np.sqrt(drawn.size)


def test_each_pick_makes_the_distance_of_the_means_least(points):
    """Against a loop that tries every candidate, in the same features."""
    few, normals = points[:40], keyed_normal(0, "x", (4, 64))
    picked = herd(few.__getitem__, np.arange(40), 12, normals)
    squares = squared_distances(few.astype(float), few.astype(float))[np.triu_indices(40, 1)]
    angles = (few.astype(float) - few.mean(0)) @ normals / np.sqrt(np.median(squares))
    values = np.concatenate([np.cos(angles), np.sin(angles)], axis=1) / 8
    chosen = []
    for pick in picked:
        distance = {
            i: np.linalg.norm(values[[*chosen, i]].mean(0) - values.mean(0)) for i in range(40) if i not in chosen
        }
        assert distance[pick] <= min(distance.values()) + 1e-6
        chosen.append(pick)


@pytest.mark.parametrize("block", [50, 128, 600])
def test_blocks_make_up_for_each_other(points, block):
    exact, rng = kernel(points.astype(float)), np.random.default_rng(0)
    picked = herd(points.__getitem__, rng.permutation(600), 60, keyed_normal(0, "x", (4, 256)), block=block)
    assert len(set(picked.tolist())) == 60
    by_chance = np.mean([mmd(exact, rng.permutation(600)[:60]) for _ in range(20)])
    # 12 herdings of 5 picks, each for itself, would come to half of chance.
    assert mmd(exact, picked) < by_chance / 4


def test_no_more_than_a_block_is_read_at_a_time(points):
    asked = []

    def features(rows):
        asked.append(len(rows))
        return points[rows]

    herd(features, np.arange(600), 60, keyed_normal(0, "x", (4, 16)), block=100)
    assert max(asked[1:]) == 100  # the first are the sample of the bandwidth


@pytest.mark.parametrize("keep", [1, 7, 299, 600])
def test_exactly_as_many_as_asked_in_any_order(points, keep):
    ids, shuffle = np.arange(1000, 1600), np.random.default_rng(1).permutation(600)
    kept = herded_ids(ids, points.__getitem__, keep, seed=0)
    assert len(np.unique(kept)) == keep
    assert np.isin(kept, ids).all()
    shuffled = points[shuffle]
    np.testing.assert_array_equal(kept, herded_ids(ids[shuffle], shuffled.__getitem__, keep, seed=0))


def test_each_cluster_is_matched_by_its_own(points):
    group = np.repeat([0, 2], [400, 200])
    apart = points + 50 * group[:, None].astype(np.float32)
    kept = herded_in_groups(np.arange(600), group, apart.__getitem__, 80, 0, quota="balanced")
    rng = np.random.default_rng(0)
    for g in (0, 2):
        inside = np.flatnonzero(group == g)
        exact, chosen = kernel(apart[inside].astype(float)), np.flatnonzero(np.isin(inside, kept))
        assert len(chosen) == 40
        by_chance = np.mean([mmd(exact, rng.permutation(len(inside))[:40]) for _ in range(20)])
        assert mmd(exact, chosen) < by_chance / 4


def test_copies_of_one_point_are_chosen_too():
    same = np.ones((20, 3), dtype=np.float32)
    assert len(herded_ids(np.arange(20), same.__getitem__, 7, seed=0)) == 7


@pytest.mark.skipif(not FASHION.exists(), reason="dataset-fashion-mnist is not installed")
def test_ten_times_nearer_than_chance_on_images():
    """8 principal components of 3,000 images of Fashion-MNIST, half of them kept; by the exact kernel."""
    with gzip.open(FASHION) as file:
        file.read(16)
        pixels = np.frombuffer(file.read(3000 * 784), np.uint8).reshape(3000, 784) / 255
    centred = pixels - pixels.mean(0)
    points = centred @ np.linalg.eigh(centred.T @ centred)[1][:, -8:]
    features, exact, rng = points.astype(np.float32), kernel(points), np.random.default_rng(0)
    kept = herded_ids(np.arange(3000), features.__getitem__, 1500, seed=0)
    by_chance = np.mean([mmd(exact, rng.permutation(3000)[:1500]) for _ in range(5)])
    assert mmd(exact, kept) < by_chance / 10
