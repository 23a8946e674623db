import subprocess
import sys

import numpy as np
import pytest

from steadyflow.artifacts import UserError
from steadyflow.prune import (
    CRITERIA,
    attribute_balanced_ids,
    attribute_value_ids,
    cluster_ids,
    overlap,
    random_half,
    random_ids,
    score_ids,
)

IDS = np.arange(100, 140)


def is_a_subset(kept, ids=IDS):
    return kept.dtype == np.int64 and (np.diff(kept) > 0).all() and np.isin(kept, ids).all()


def test_random_is_keyed_nested_and_blind_to_order():
    kept = random_ids(IDS, 10, seed=0)
    assert is_a_subset(kept)
    assert len(kept) == 10
    np.testing.assert_array_equal(kept, random_ids(IDS[::-1], 10, seed=0))
    assert np.isin(kept, random_ids(IDS, 20, seed=0)).all()
    assert not np.array_equal(kept, random_ids(IDS, 10, seed=1))


def test_random_is_uniform():
    times_kept = np.zeros(40)
    for seed in range(400):
        times_kept[random_ids(IDS, 10, seed) - 100] += 1
    # Binomial(400, 1/4): mean 100, SD 8.7.
    assert abs(times_kept - 100).max() < 5 * 8.7
    assert times_kept.std() > 3


@pytest.mark.parametrize("n", [2, 40, 41])
def test_halves_are_disjoint_and_complete(n):
    ids = np.arange(n)
    a, b = random_half(ids, "a", seed=3), random_half(ids, "b", seed=3)
    assert len(a) == -(-n // 2)
    np.testing.assert_array_equal(np.sort(np.concatenate([a, b])), ids)


def test_a_half_is_not_the_random_subset_of_its_seed():
    assert overlap(random_half(IDS, "a", seed=0), random_ids(IDS, 20, seed=0)) < 0.9


@pytest.mark.parametrize("furthest", [False, True])
@pytest.mark.parametrize("quota", ["proportional", "balanced"])
def test_clusters_against_a_plain_loop(quota, furthest):
    rng = np.random.default_rng(0)
    for _ in range(50):
        cluster = rng.permutation(np.repeat([0, 1, 3], [25, 12, 3]))  # cluster 2 is empty
        distance = rng.integers(0, 6, size=40) / 6  # with ties
        shuffled = rng.permutation(IDS)
        kept, quotas = cluster_ids(shuffled, cluster, distance, 17, quota=quota, furthest=furthest)
        assert is_a_subset(kept)
        assert quotas.tolist() == {"proportional": [11, 5, 0, 1], "balanced": [7, 7, 0, 3]}[quota]
        expected = set()
        for c in range(4):
            inside = np.flatnonzero(cluster == c)
            members = [(-distance[i] if furthest else distance[i], shuffled[i]) for i in inside]
            expected |= {i for _, i in sorted(members)[: quotas[c]]}
        assert set(kept) == expected


def test_clusters_refuse_too_few():
    cluster = np.arange(40) % 8
    with pytest.raises(UserError, match=r"fewer samples \(7\) than clusters need \(8"):
        cluster_ids(IDS, cluster, np.zeros(40), 7, quota="balanced", furthest=False)
    kept, _ = cluster_ids(IDS, cluster, np.zeros(40), 8, quota="balanced", furthest=False)
    assert len(kept) == 8


def test_scores_break_ties_by_id():
    score = np.array([1.0, 5.0, 5.0, 0.0, 5.0, 1.0])
    ids = np.array([9, 8, 2, 5, 4, 1])
    assert score_ids(ids, score, 2, lowest=False).tolist() == [2, 4]
    assert score_ids(ids, score, 4, lowest=False).tolist() == [1, 2, 4, 8]
    assert score_ids(ids, score, 2, lowest=True).tolist() == [1, 5]


def test_scores_refuse_nan():
    with pytest.raises(UserError, match="id 101"):
        score_ids(IDS, np.where(IDS == 101, np.nan, 1.0), 3, lowest=False)


def test_attribute_value():
    codes = IDS % 3 - 1
    assert attribute_value_ids(IDS[::-1], codes[::-1], 1).tolist() == [i for i in IDS if i % 3 == 2]
    with pytest.raises(UserError, match=r"unknown attribute value 7 \(known: -1, 0, 1\)"):
        attribute_value_ids(IDS, codes, 7)


def test_attribute_balanced_equalises_and_leaves_the_unknown():
    codes = np.repeat([-1, 0, 1, 2], [10, 20, 7, 3])
    kept = attribute_balanced_ids(IDS, codes, 15, seed=0)
    assert is_a_subset(kept)
    assert np.bincount(codes[kept - 100]).tolist() == [6, 6, 3]
    shuffle = np.random.default_rng(0).permutation(40)
    np.testing.assert_array_equal(kept, attribute_balanced_ids(IDS[shuffle], codes[shuffle], 15, seed=0))
    assert not np.array_equal(kept, attribute_balanced_ids(IDS, codes, 15, seed=1))
    with pytest.raises(UserError, match="31 of 30"):
        attribute_balanced_ids(IDS, codes, 31, seed=0)


@pytest.mark.parametrize("keep", [0, 41])
def test_keep_is_checked(keep):
    with pytest.raises(UserError, match="cannot keep"):
        random_ids(IDS, keep, seed=0)
    with pytest.raises(UserError, match="cannot keep"):
        score_ids(IDS, np.zeros(40), keep, lowest=True)


def test_every_inverse_keeps_the_other_end():
    value, cluster = np.arange(40.0), np.zeros(40, dtype=int)
    for name in ("loss", "grad"):
        assert CRITERIA[name](IDS, value, 1).tolist() == [139]
        assert CRITERIA[f"{name}_inv"](IDS, value, 1).tolist() == [100]
    for name in ("cluster_p", "cluster_b"):
        assert CRITERIA[name](IDS, cluster, value, 1)[0].tolist() == [100]
        assert CRITERIA[f"{name}_inv"](IDS, cluster, value, 1)[0].tolist() == [139]


def test_registry_tells_proportional_from_balanced():
    cluster = np.repeat([0, 1], [32, 8])
    assert CRITERIA["cluster_p"](IDS, cluster, np.zeros(40), 10)[1].tolist() == [8, 2]
    assert CRITERIA["cluster_b"](IDS, cluster, np.zeros(40), 10)[1].tolist() == [5, 5]


def test_overlap():
    assert overlap(np.array([1, 2, 3]), np.array([2, 3, 4])) == 0.5


def test_importing_loads_no_torch():
    code = "import sys, steadyflow.prune, steadyflow.evaluate; print({'torch', 'sklearn'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "set()"
