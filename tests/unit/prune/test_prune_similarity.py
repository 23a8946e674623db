from itertools import pairwise

import numpy as np
import pytest

from steadyflow.ground.artifacts import UserError
from steadyflow.prune.criteria import by_similarity
from steadyflow.prune.criteria.by_similarity import deduplicated_ids, k_centre_ids

IDS = np.arange(100, 160)


@pytest.fixture
def points():
    return np.random.default_rng(0).standard_normal((60, 3)).astype(np.float32)


def test_each_centre_is_the_furthest_from_those_before(points):
    kept = [set(k_centre_ids(IDS, (points + 1000).__getitem__, keep, seed=0).tolist()) for keep in range(1, 60)]
    order = [*kept[0], *(next(iter(more - less)) for less, more in pairwise(kept))]
    assert [len(some) for some in kept] == list(range(1, 60))
    for place in range(1, 20):
        before, left = points[np.array(order[:place]) - 100], [i for i in IDS if i not in order[:place]]
        furthest = max(left, key=lambda i: np.linalg.norm(before - points[i - 100], axis=1).min())
        assert order[place] == furthest


def test_centres_depend_on_the_seed_not_on_the_order(points):
    shuffle = np.random.default_rng(1).permutation(60)
    shuffled = points[shuffle]
    for seed in range(3):
        kept = k_centre_ids(IDS, points.__getitem__, 9, seed)
        np.testing.assert_array_equal(kept, k_centre_ids(IDS[shuffle], shuffled.__getitem__, 9, seed))
    assert len({k_centre_ids(IDS, points.__getitem__, 1, seed)[0] for seed in range(20)}) > 5


def test_centres_among_copies():
    same = np.ones((60, 2), dtype=np.float32)
    assert len(np.unique(k_centre_ids(IDS, same.__getitem__, 60, seed=0))) == 60


@pytest.mark.parametrize("chunk", [4, 4096])
@pytest.mark.parametrize("keep", [4, 17, 60])
def test_duplicates_go_by_the_papers_algorithm(points, keep, chunk, monkeypatch):
    monkeypatch.setattr(by_similarity, "_CHUNK", chunk)
    rng = np.random.default_rng(0)
    shuffle = rng.permutation(60)
    group, distance = rng.integers(0, 4, 60), rng.random(60)
    kept = deduplicated_ids(IDS[shuffle], group, distance, points.__getitem__, keep)
    # A threshold, and in each cluster, furthest first: gone if too like any sample before, kept or not.
    likeness = {}
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    for g in range(4):
        rows = sorted(np.flatnonzero(group == g), key=lambda i: -distance[i])
        for place, row in enumerate(rows):
            likeness[IDS[shuffle][row]] = max((unit[row] @ unit[r] for r in rows[:place]), default=-2)
    threshold = sorted(likeness.values())[keep - 1]
    assert kept.tolist() == sorted(i for i, value in likeness.items() if value <= threshold)


def test_a_copy_nearer_to_the_centre_goes_first(points):
    twice = np.concatenate([points[:30], points[:30]])
    distance = np.repeat([0.1, 0.2], 30)
    kept = deduplicated_ids(IDS, np.zeros(60, dtype=int), distance, twice.__getitem__, 30)
    assert kept.tolist() == IDS[30:].tolist()


def test_every_cluster_keeps_one(points):
    with pytest.raises(UserError, match=r"need \(6, one each\)"):
        deduplicated_ids(IDS, np.arange(60) % 6, np.zeros(60), points.__getitem__, 5)
