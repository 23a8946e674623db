import numpy as np
import pytest

from steadyflow.evaluate import matched_values, pair_distance, pair_histogram, pair_similarity, replication, similarity
from steadyflow.evaluate.estimate import GROUPS, groups_of
from steadyflow.evaluate.similarity import (
    Noises,
    require_shared_noises,
    unmatched_by_row,
    unmatched_of,
    unmatched_within,
)
from steadyflow.ground.artifacts import UserError


def cosine(x, y):
    return x @ y / np.sqrt((x @ x) * (y @ y))


def l2(x, y):
    return np.sqrt(np.square(x - y).sum())


@pytest.fixture(params=[1, 7, 512])
def chunk(request, monkeypatch):
    monkeypatch.setattr(similarity, "_CHUNK", request.param)


def related(n=30, d=5, strength=1.0, seed=0):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(n, d)) + 0.3
    return a, strength * a + rng.normal(size=(n, d))


@pytest.mark.parametrize(("find", "value", "closer"), [(pair_similarity, cosine, 1), (pair_distance, l2, -1)])
def test_against_a_double_loop(chunk, find, value, closer):
    a, b = related()
    n = len(a)
    table = np.array([[value(x, y) for y in b] for x in a])
    matched = [table[i, i] for i in range(n)]
    unmatched = [table[i, j] for i in range(n) for j in range(n) if i != j]
    wins = np.mean([np.sign(closer * (m - u)) / 2 + 0.5 for m in matched for u in unmatched])
    hits = np.mean([all(closer * (table[i, i] - table[i, j]) > 0 for j in range(n) if j != i) for i in range(n)])

    found = find(a, b)
    assert found.n == n
    assert found.matched.value == pytest.approx(np.mean(matched))
    assert found.matched_sd == pytest.approx(np.std(matched, ddof=1))
    assert found.unmatched.value == pytest.approx(np.mean(unmatched))
    assert found.unmatched_sd == pytest.approx(np.std(unmatched))
    assert found.difference.value == pytest.approx(np.mean(matched) - np.mean(unmatched))
    assert found.auc == pytest.approx(wins)
    assert found.top1 == pytest.approx(hits)
    assert 0.5 < found.auc < 1
    assert 0 < found.top1 < 1


def test_closed_forms_of_the_unmatched_moments():
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in related(n=700, d=9))
    pairs, diagonal = 700 * 699, (a * b).sum(axis=1)
    mean = (a.sum(axis=0) @ b.sum(axis=0) - diagonal.sum()) / pairs
    square = (np.trace(a.T @ a @ b.T @ b) - np.square(diagonal).sum()) / pairs
    found = pair_similarity(a, b)
    assert found.unmatched.value == pytest.approx(mean, abs=1e-12)
    assert found.unmatched_sd == pytest.approx(np.sqrt(square - mean**2), rel=1e-9)


@pytest.mark.parametrize(("find", "value"), [(pair_similarity, cosine), (pair_distance, l2)])
def test_replicates_against_leaving_groups_out(chunk, find, value):
    a, b = related(n=58)
    indices = np.random.default_rng(3).permutation(60)[:58]
    table = np.array([[value(x, y) for y in b] for x in a])
    found = find(a, b, groups_of(indices))
    for group in range(GROUPS):
        kept = np.flatnonzero(indices % GROUPS != group)
        left = table[np.ix_(kept, kept)]
        matched, unmatched = np.diag(left).mean(), left[~np.eye(len(kept), dtype=bool)].mean()
        assert found.matched.replicates[group] == pytest.approx(matched)
        assert found.unmatched.replicates[group] == pytest.approx(unmatched)
        assert found.difference.replicates[group] == pytest.approx(matched - unmatched)


def test_few_pairs_have_no_interval():
    found = pair_similarity(*related(n=39))
    assert np.isnan([found.difference.ci_low, found.unmatched.ci_high]).all()
    assert found.difference.value == found.matched.value - found.unmatched.value
    assert np.isfinite(pair_similarity(*related(n=40)).difference.ci_low)


@pytest.mark.parametrize("find", [pair_similarity, pair_distance])
def test_extremes(find):
    a, _ = related(n=60, d=40)
    stable, strangers = find(a, a), find(a, related(n=60, d=40, seed=9)[0] - 0.3)
    assert (stable.auc, stable.top1) == (1, 1)
    assert stable.matched_sd == pytest.approx(0, abs=1e-7)
    assert strangers.auc == pytest.approx(0.5, abs=0.1)
    assert strangers.difference.ci_low < 0 < strangers.difference.ci_high


@pytest.mark.parametrize("find", [pair_similarity, pair_distance])
@pytest.mark.parametrize("gap", [0.0, 0.1])
def test_a_collapsed_model_is_not_stable(find, gap):
    a = np.tile(np.random.default_rng(0).normal(size=37), (700, 1))
    found = find(a, a + gap)
    assert found.auc == 0.5
    assert found.top1 == 0
    assert found.difference.value == pytest.approx(0, abs=1e-12)


def test_ties_count_half():
    a = np.array([[1.0, 0], [1, 0], [0, 1]])
    # Matched 1, 1, 1; unmatched: two ones (the twins) and four zeros.
    found = pair_similarity(a, a)
    assert found.auc == pytest.approx((4 + 2 / 2) / 6)
    assert found.top1 == pytest.approx(1 / 3)


def test_invariances():
    a, b = related(n=80)
    scale = np.random.default_rng(1).uniform(0.1, 10, size=(80, 1))
    assert pair_similarity(a * scale, b).auc == pytest.approx(pair_similarity(a, b).auc)
    shifted, plain = pair_distance(a + 1e8, b + 1e8), pair_distance(a, b)
    assert shifted.matched.value == pytest.approx(plain.matched.value)
    assert shifted.unmatched_sd == pytest.approx(plain.unmatched_sd)
    latents = pair_distance(a.reshape(80, 5, 1, 1), b.reshape(80, 5, 1, 1))
    assert latents == plain


def test_histogram_counts_every_pair(chunk):
    a, b = related(n=30)
    edges = np.linspace(-1, 1, 21)
    matched, unmatched = pair_histogram(a, b, edges)
    table = np.array([[cosine(x, y) for y in b] for x in a])
    np.testing.assert_array_equal(matched, np.histogram(np.diag(table), edges)[0])
    np.testing.assert_array_equal(unmatched, np.histogram(table[~np.eye(30, dtype=bool)], edges)[0])
    assert (matched.sum(), unmatched.sum()) == (30, 870)
    np.testing.assert_allclose(matched_values(a, b), np.diag(table))
    # Rounding must not push a cosine of 1 over the last edge.
    assert pair_histogram(a, a, edges)[0][-1] == 30


@pytest.mark.parametrize("find", [pair_similarity, pair_distance])
def test_refusals(find):
    a, b = related()
    with pytest.raises(UserError, match=r"\[30, 5\] and \[29, 5\]"):
        find(a, b[:-1])
    with pytest.raises(UserError, match="n >= 2"):
        find(a[:1], b[:1])
    b[3, 2] = np.nan
    with pytest.raises(UserError, match="row 3"):
        find(a, b)


def test_no_cosine_of_zero():
    a, b = related()
    a[7] = 0
    with pytest.raises(UserError, match="row 7"):
        pair_similarity(a, b)
    assert np.isfinite(pair_distance(a, b).unmatched.value)


def test_samples_of_other_noises_are_not_matched():
    noises = Noises(0, 100, (4, 8, 8))
    require_shared_noises(("a", "b"), (noises, Noises(0, 100, (4, 8, 8))))
    for other, what in ((Noises(1, 100, (4, 8, 8)), "seed 0 against 1"), (Noises(0, 99, (4, 8, 8)), "count 100"),
                        (Noises(0, 100, (8, 8, 8)), r"shape \(4, 8, 8\) against")):  # fmt: skip
        with pytest.raises(UserError, match=f"'a' and 'b' do not share their noises .{what}"):
            require_shared_noises(("a", "b"), (noises, other))


def test_the_floor_of_conditional_runs_against_a_double_loop():
    a, b = related(n=30)
    classes = np.arange(30) % 4
    pairs = [cosine(a[i], b[j]) for i in range(30) for j in range(30) if i != j and classes[i] == classes[j]]
    assert unmatched_within(a, b, classes).value == pytest.approx(np.mean(pairs))
    assert unmatched_within(a, b, np.zeros(30)).value == pytest.approx(pair_similarity(a, b).unmatched.value)
    assert np.isnan(unmatched_within(a, b, np.arange(30)).value)


def test_replicates_of_the_floor_leave_groups_out():
    a, b = related(n=80)
    classes = np.arange(80) % 4
    found, plain = unmatched_within(a, b, classes), unmatched_within(a, b, np.zeros(80))
    kept = np.flatnonzero(np.arange(80) % GROUPS != 3)
    assert found.replicates[3] == pytest.approx(unmatched_within(a[kept], b[kept], classes[kept]).value)
    assert plain.replicates == pytest.approx(pair_similarity(a, b).unmatched.replicates)


def test_replicates_of_a_part_leave_groups_of_both_sides_out():
    a, b = related(n=120)
    mask, groups = np.arange(120) % 3 > 0, groups_of(np.arange(120))
    found = unmatched_of(a, b, mask, groups)

    def mean(kept):
        return np.mean([cosine(a[j], b[i]) for i in kept for j in kept if i != j and mask[i]])

    assert found.value == pytest.approx(mean(np.arange(120)))
    for group in (0, 7):
        assert found.replicates[group] == pytest.approx(mean(np.flatnonzero(groups != group)))
    few = unmatched_of(a, b, np.arange(120) < 30, groups)
    assert few.replicates == () and few.ci_low < few.value < few.ci_high


def test_unmatched_by_row_against_a_double_loop():
    a, b = related(n=20)
    expected = [np.mean([cosine(a[j], b[i]) for j in range(20) if j != i]) for i in range(20)]
    np.testing.assert_allclose(unmatched_by_row(a, b), expected)


def test_replicas_are_the_matched_pairs_above_nearly_all_unmatched_ones():
    rng = np.random.default_rng(8)
    a, b = rng.normal(size=(2, 600, 6))
    b[:240] = a[:240] + 0.05 * rng.normal(size=(240, 6))
    table = (a / np.linalg.norm(a, axis=1, keepdims=True)) @ (b / np.linalg.norm(b, axis=1, keepdims=True)).T
    unmatched = np.sort(table[~np.eye(600, dtype=bool)])
    found = replication(a, b)
    assert (unmatched > found.threshold).sum() == 359  # of 359,400
    assert found.share.value == (np.diag(table) > found.threshold).mean() == pytest.approx(0.4, abs=0.005)
    assert replication(a, b, threshold=0.6).share.value == (np.diag(table) > 0.6).mean()
    shared = [np.diag(table)[np.arange(600) % 20 != group] > found.threshold for group in range(20)]
    assert found.share.replicates == pytest.approx([each.mean() for each in shared])


def test_intervals_of_replication_hold_what_they_promise():
    """The truth is that of very many pairs."""
    rng = np.random.default_rng(9)

    def pairs(n):
        a, b = rng.normal(size=(2, n, 4))
        return a, a + 0.4 * b

    truth = np.mean([replication(*pairs(1500)).share.value for _ in range(8)])
    found = [replication(*pairs(300)).share for _ in range(300)]
    assert 0.92 <= np.mean([each.ci_low <= truth <= each.ci_high for each in found]) <= 0.99
