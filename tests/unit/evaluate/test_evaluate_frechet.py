import itertools

import numpy as np
import pytest
import scipy.linalg

from steadyflow.evaluate import (
    FeatureStatistics,
    feature_statistics,
    frechet_distance,
    frechet_infinity,
    frechet_with_interval,
    merge_statistics,
)
from steadyflow.evaluate.estimate import GROUPS
from steadyflow.evaluate.frechet import relative_bias
from steadyflow.evaluate.rows import with_features
from steadyflow.ground.artifacts import UserError


def rotation(d, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]


def standard(d):
    return FeatureStatistics(2, np.zeros(d), np.eye(d))


def test_twelve_and_twelve_when_rotated():
    mean, cov1, cov2 = np.array([1.0, 2, 2]), np.diag([1.0, 4, 9]), np.diag([4.0, 1, 16])
    assert frechet_distance(np.zeros(3), cov1, mean, cov2) == pytest.approx(12)
    r = rotation(3)
    assert frechet_distance(np.zeros(3), r @ cov1 @ r.T, r @ mean, r @ cov2 @ r.T) == pytest.approx(12)


@pytest.mark.parametrize("n", [200, 6])  # the second with singular covariances
def test_against_a_general_matrix_root(n):
    rng = np.random.default_rng(1)
    a = feature_statistics(rng.normal(size=(n, 10)) @ rng.normal(size=(10, 10)))
    b = feature_statistics(rng.normal(size=(n, 10)) + 1)
    root = np.real(scipy.linalg.sqrtm(a.cov @ b.cov + 1e-12 * np.eye(10)))
    expected = np.square(a.mean - b.mean).sum() + np.trace(a.cov + b.cov - 2 * root)
    assert frechet_distance(a.mean, a.cov, b.mean, b.cov) == pytest.approx(expected, rel=1e-4)
    assert frechet_distance(b.mean, b.cov, a.mean, a.cov) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("least", [1e-6, 1e-15, 0])  # from positive definite to singular
def test_against_the_closed_form_of_covariances_with_the_same_axes(least):
    r, a = rotation(30), np.geomspace(1, 1e-6, 30)
    a[-5:] *= least
    b = 4 * a[::-1]
    expected = np.square(np.sqrt(a) - np.sqrt(b)).sum()
    for cov1, cov2 in (((r * a) @ r.T, (r * b) @ r.T), ((r * b) @ r.T, (r * a) @ r.T)):
        assert frechet_distance(np.zeros(30), cov1, np.zeros(30), cov2) == pytest.approx(expected, rel=1e-6)


def test_zero_to_itself_and_never_below():
    a = feature_statistics(np.random.default_rng(0).normal(size=(20, 50)))
    assert 0 <= frechet_distance(a.mean, a.cov, a.mean, a.cov) < 1e-8


def test_bias_at_finite_n():
    d, n = 16, 2000
    rng = np.random.default_rng(2)
    drawn = [feature_statistics(rng.normal(size=(n, d))) for _ in range(60)]
    distance = np.mean([frechet_distance(np.zeros(d), np.eye(d), s.mean, s.cov) for s in drawn])
    assert distance == pytest.approx((d + d * (d + 1) / 4) / n, rel=0.05)
    assert relative_bias(d, n) == pytest.approx(distance / d, rel=0.05)
    both = [frechet_distance(a.mean, a.cov, b.mean, b.cov) for a, b in itertools.pairwise(drawn)]
    assert relative_bias(d, n, n) == pytest.approx(np.mean(both) / d, rel=0.05)


@pytest.mark.parametrize("chunk", [1, 2, 7, 100, 999, 1000, 4096])
def test_streaming_equals_numpy_in_any_chunking(chunk):
    features = np.random.default_rng(3).normal(size=(1000, 6)) * [1, 2, 3, 4, 5, 6] + 100
    found = feature_statistics(features, chunk)
    np.testing.assert_allclose(found.mean, features.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.cov, np.cov(features.T), rtol=1e-12, atol=1e-12)
    assert found.n == 1000


def test_ranks_merge():
    features = np.random.default_rng(4).normal(size=(50, 3)) + 5
    merged = merge_statistics(feature_statistics(features[:13]), feature_statistics(features[13:]))
    np.testing.assert_allclose(merged.cov, np.cov(features.T), rtol=1e-12, atol=1e-12)


def test_float32_features_are_summed_in_float64():
    features = (np.random.default_rng(5).normal(size=(5000, 2)) + 1000).astype(np.float32)
    np.testing.assert_allclose(feature_statistics(features).cov, np.cov(features.astype(np.float64).T), rtol=1e-10)


def test_removing_a_group_undoes_the_merge():
    from steadyflow.evaluate.frechet import _removed

    features = np.random.default_rng(6).normal(size=(90, 4)) + 3
    rest = _removed(feature_statistics(features), feature_statistics(features[::10]))
    kept = features[np.arange(90) % 10 != 0]
    np.testing.assert_allclose(rest.mean, kept.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(rest.cov, np.cov(kept.T), rtol=1e-11, atol=1e-12)
    assert rest.n == 81


def test_interval_is_as_wide_as_repeated_sampling():
    d, n = 4, 400
    rng = np.random.default_rng(7)
    estimates = [frechet_with_interval(rng.normal(size=(n, d)) * 1.5 + 0.5, standard(d)) for _ in range(150)]
    truth = np.std([e.value for e in estimates])
    width = np.mean([e.ci_high - e.ci_low for e in estimates]) / 2 / 1.96
    assert width == pytest.approx(truth, rel=0.25)
    assert all(e.ci_low <= e.value <= e.ci_high for e in estimates)


def test_interval_is_around_the_distance_and_not_below_zero():
    features = np.random.default_rng(8).normal(size=(45, 3))
    found, s = frechet_with_interval(features, standard(3)), feature_statistics(features)
    assert found.value == pytest.approx(frechet_distance(np.zeros(3), np.eye(3), s.mean, s.cov))
    assert found.ci_low >= 0


def test_refusals():
    with pytest.raises(UserError, match="at least 2"):
        feature_statistics(np.ones((1, 3)))
    broken = np.ones((5, 3))
    broken[4, 1] = np.nan
    with pytest.raises(UserError, match="NaN"):
        feature_statistics(broken)
    with pytest.raises(UserError, match="NaN"):
        frechet_distance(np.zeros(3), np.eye(3), np.full(3, np.nan), np.eye(3))
    with pytest.raises(UserError, match="3 and 4 dimensions"):
        frechet_distance(np.zeros(3), np.eye(3), np.zeros(4), np.eye(4))
    with pytest.raises(UserError, match="5 and 3 dimensions"):
        frechet_with_interval(np.random.default_rng(0).normal(size=(50, 5)), standard(3))
    with pytest.raises(UserError, match="at least 40"):
        frechet_with_interval(np.ones((39, 3)), standard(3))


def test_replicates_leave_out_the_groups_of_the_noises():
    features = np.random.default_rng(9).normal(size=(70, 3))
    features[5] = np.nan  # An image without a face: the others keep their groups.
    found = frechet_with_interval(with_features(features), standard(3))
    for group in range(GROUPS):
        kept = [i for i in range(70) if i != 5 and i % GROUPS != group]
        left = feature_statistics(features[kept])
        assert found.replicates[group] == pytest.approx(frechet_distance(np.zeros(3), np.eye(3), left.mean, left.cov))


def test_infinity_against_a_regression_on_the_sizes_of_random_parts():
    """Chong and Forsyth's own way, from a tenth to all of the samples: more bias and more variance."""
    d, n = 32, 320
    rng = np.random.default_rng(10)
    scales = np.linspace(0.5, 1.5, d)
    truth = np.square(scales - 1).sum()
    errors = []
    for _ in range(40):
        features = rng.normal(size=(n, d)) * scales
        sizes = np.linspace(n / 10, n, 15).astype(int)
        parts = [feature_statistics(features[rng.permutation(n)[:size]]) for size in sizes]
        distances = [frechet_distance(np.zeros(d), np.eye(d), part.mean, part.cov) for part in parts]
        regression = np.polyfit(1 / sizes, distances, 1)[1]
        whole = frechet_with_interval(features, standard(d))
        errors.append([whole.value - truth, regression - truth, frechet_infinity(whole, n, d).value - truth])
    plain, regression, ours = np.square(errors).mean(axis=0)
    assert ours < regression < plain
    assert abs(np.mean(errors, axis=0)[2]) < 0.02 * truth
