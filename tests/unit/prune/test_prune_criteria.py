import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest

from steadyflow.ground.artifacts import UserError
from steadyflow.prune import CRITERIA, overlap, overlaps
from steadyflow.prune.criteria.by_chance import random_half, random_ids
from steadyflow.prune.criteria.by_group import (
    group_ids,
    oversampled_ids,
    random_in_groups,
    ranked_in_groups,
    without_groups,
)
from steadyflow.prune.criteria.by_list import complement_ids, intersection_ids
from steadyflow.prune.criteria.by_score import score_ids, stratified_ids

balanced = CRITERIA["attribute_balanced"].choose
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
        kept = ranked_in_groups(shuffled, cluster, distance, 17, quota=quota, furthest=furthest)
        assert is_a_subset(kept)
        quotas = np.bincount(cluster[np.isin(shuffled, kept)])
        assert quotas.tolist() == {"proportional": [11, 5, 0, 1], "balanced": [7, 7, 0, 3]}[quota]
        expected = set()
        for c in range(4):
            inside = np.flatnonzero(cluster == c)
            members = [(-distance[i] if furthest else distance[i], shuffled[i]) for i in inside]
            expected |= {i for _, i in sorted(members)[: quotas[c]]}
        assert set(kept) == expected


def test_clusters_refuse_too_few():
    cluster = np.arange(40) % 8
    with pytest.raises(UserError, match=r"fewer samples \(7\) than clusters or attribute values need \(8"):
        ranked_in_groups(IDS, cluster, np.zeros(40), 7, quota="balanced", furthest=False)
    kept = ranked_in_groups(IDS, cluster, np.zeros(40), 8, quota="balanced", furthest=False)
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
    assert group_ids(IDS[::-1], codes[::-1], 1).tolist() == [i for i in IDS if i % 3 == 2]
    with pytest.raises(UserError, match="no training image has this value"):
        group_ids(IDS, codes, 7)


def test_attribute_balanced_equalises_and_leaves_the_unknown():
    codes = np.repeat([-1, 0, 1, 2], [10, 20, 7, 3])
    kept = balanced(IDS, codes, 15, seed=0)
    assert is_a_subset(kept)
    assert np.bincount(codes[kept - 100]).tolist() == [6, 6, 3]
    shuffle = np.random.default_rng(0).permutation(40)
    np.testing.assert_array_equal(kept, balanced(IDS[shuffle], codes[shuffle], 15, seed=0))
    assert not np.array_equal(kept, balanced(IDS, codes, 15, seed=1))
    with pytest.raises(UserError, match="31 of 30"):
        balanced(IDS, codes, 31, seed=0)


@pytest.mark.parametrize("keep", [0, 41])
def test_keep_is_checked(keep):
    with pytest.raises(UserError, match="cannot keep"):
        random_ids(IDS, keep, seed=0)
    with pytest.raises(UserError, match="cannot keep"):
        score_ids(IDS, np.zeros(40), keep, lowest=True)


def test_every_inverse_keeps_the_other_end():
    value, cluster = np.arange(40.0), np.zeros(40, dtype=int)
    for name in ("loss", "grad"):
        assert CRITERIA[name].choose(IDS, value, 1).tolist() == [139]
        assert CRITERIA[f"{name}_inv"].choose(IDS, value, 1).tolist() == [100]
    for name in ("cluster_p", "cluster_b"):
        assert CRITERIA[name].choose(IDS, cluster, value, 1).tolist() == [100]
        assert CRITERIA[f"{name}_inv"].choose(IDS, cluster, value, 1).tolist() == [139]


@pytest.mark.parametrize("kind", ["cluster_{}", "cluster_{}_inv", "cluster_{}_random", "kernel_{}"])
def test_registry_tells_proportional_from_balanced(kind):
    cluster = np.repeat([0, 1], [32, 8])
    points = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)
    given = {"ids": IDS, "group": cluster, "distance": np.zeros(40), "keep": 10, "seed": 0}
    given["features"] = points.__getitem__
    for quota, sizes in (("p", [8, 2]), ("b", [5, 5])):
        criterion = CRITERIA[kind.format(quota)]
        kept = criterion.choose(**{name: given[name] for name in criterion.needs})
        assert np.bincount(cluster[kept - 100]).tolist() == sizes


def test_a_criterion_asks_for_what_its_function_has_no_value_of():
    assert CRITERIA["cluster_b_random"].needs == ("ids", "group", "keep", "seed")
    assert CRITERIA["loss_inv"].needs == ("ids", "score", "keep")


def test_random_inside_quotas():
    group = np.repeat([0, 1, 2], [25, 12, 3])

    def drawn(seed=0, quota="balanced", purpose="x"):
        return random_in_groups(IDS, group, 17, seed, quota=quota, purpose=purpose)

    assert np.bincount(group[drawn() - 100]).tolist() == [7, 7, 3]
    assert np.bincount(group[drawn(quota="proportional") - 100]).tolist() == [11, 5, 1]
    assert len({tuple(kept) for kept in (drawn(), drawn(seed=1), drawn(purpose="y"))}) == 3


def test_no_two_random_criteria_of_one_seed_are_the_same():
    given = {"ids": np.arange(1000), "group": np.zeros(1000, dtype=int), "keep": 500, "seed": 0}
    given |= {"score": np.linspace(0, 1, 1000), "hardest_cut": 0.0, "strata": 1}
    names = ("random", "cluster_p_random", "cluster_b_random", "attribute_balanced", "loss_ccs", "grad_ccs")
    kept = [CRITERIA[name].choose(**{key: given[key] for key in CRITERIA[name].needs}) for name in names]
    # Independent halves overlap by a third.
    for a, b in combinations(kept, 2):
        assert overlap(a, b) == pytest.approx(1 / 3, abs=0.06)


def test_dropping_so_many_clusters_at_random():
    group, all_dropped = np.arange(40) % 8, set()
    for seed in range(40):
        kept = without_groups(IDS, group, 3, seed)
        dropped = set(range(8)) - set(group[kept - 100])
        assert len(dropped) == 3
        assert kept.tolist() == [i for i in IDS if (i - 100) % 8 not in dropped]
        all_dropped |= dropped
    assert all_dropped == set(range(8))


def test_dropping_listed_clusters():
    group = np.arange(40) % 4
    assert without_groups(IDS, group, [0, 3], 0).tolist() == [i for i in IDS if i % 4 in (1, 2)]
    with pytest.raises(UserError, match="no sample is in cluster 4"):
        without_groups(IDS, group, [4], 0)
    with pytest.raises(UserError, match="all 4 clusters"):
        without_groups(IDS, group, 4, 0)


def test_oversampling_makes_groups_equal_and_repeats_evenly():
    group = np.repeat([-1, 0, 2, 3], [5, 20, 8, 7])  # group 1 is empty
    drawn = oversampled_ids(IDS, group, 0, purpose="x")
    assert (np.diff(drawn) >= 0).all()
    assert np.bincount(group[drawn - 100]).tolist() == [20, 0, 20, 20]
    times = np.bincount(drawn - 100, minlength=40)
    assert set(times[group == 0]) == {1}
    assert set(times[group == 2]) == set(times[group == 3]) == {2, 3}
    assert not np.array_equal(drawn, oversampled_ids(IDS, group, 1, purpose="x"))


def test_strata_of_equal_width_get_equal_budgets():
    # 30 easy, 8 middling and 2 hard samples; the hardest tenth, 4 samples, goes first.
    score = np.concatenate([np.linspace(0, 0.8, 30), np.linspace(2.1, 2.9, 8), [50.0, 60.0]])
    kept = stratified_ids(IDS, score, 12, 0, hardest_cut=0.1, strata=3, purpose="")
    assert is_a_subset(kept)
    # 0..2.67 in three: 30 samples, none, 6.
    assert (score[kept - 100] < 1).sum() == 6
    assert set(kept[6:]) == set(range(130, 136))
    assert not np.array_equal(kept, stratified_ids(IDS, score, 12, 1, hardest_cut=0.1, strata=3, purpose=""))


def test_strata_give_exactly_what_is_asked_for():
    score = np.exp(np.random.default_rng(0).standard_normal(40))
    for keep in range(1, 37):
        assert len(stratified_ids(IDS, score, keep, 0, hardest_cut=0.1, strata=7, purpose="")) == keep
    assert len(stratified_ids(IDS, np.ones(40), 5, 0, hardest_cut=0, strata=7, purpose="")) == 5
    with pytest.raises(UserError, match="cannot keep 37 of 36"):
        stratified_ids(IDS, score, 37, 0, hardest_cut=0.1, strata=7, purpose="")


def test_intersections_and_complements():
    a, b, c = np.array([100, 102, 104]), np.array([101, 102, 104]), np.array([102, 103, 104, 105])
    assert intersection_ids([a, b, c]).tolist() == [102, 104]
    assert complement_ids(IDS, [IDS[5:]]).tolist() == IDS[:5].tolist()
    with pytest.raises(UserError, match="no sample in common"):
        intersection_ids([a, np.array([101])])
    with pytest.raises(UserError, match="every sample"):
        complement_ids(IDS, [IDS])


def test_overlap():
    a, b, c = np.array([1, 2, 3]), np.array([2, 3, 4]), np.array([4])
    assert overlap(a, b) == 0.5
    assert overlaps({"a": a, "b": b, "c": c}) == {
        "a": {"b": 0.5, "c": 0.0},
        "b": {"a": 0.5, "c": 1 / 3},
        "c": {"a": 0.0, "b": 1 / 3},
    }


def test_importing_loads_no_torch():
    code = "import sys, steadyflow.prune, steadyflow.evaluate; print({'torch', 'sklearn'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "set()"
