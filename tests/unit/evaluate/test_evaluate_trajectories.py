import tracemalloc

import numpy as np
import pytest
from scipy import stats

from steadyflow.evaluate import common_times, compare_trajectories, quantiles, trajectories, trajectory_deviation
from steadyflow.evaluate.metrics import trajectory_fields
from steadyflow.evaluate.quantiles import streamed_quantiles
from steadyflow.ground.artifacts import UserError

TIMES = np.array([0, 0.1, 0.25, 0.3, 0.7, 0.95, 1.0])


@pytest.fixture(params=[1, 4, 512])
def chunk(request, monkeypatch):
    monkeypatch.setattr(trajectories, "CHUNK", request.param)


def bent(seed, n=9, shape=(2, 3, 3), x0=None):
    """Paths that bend: [points, n, *shape] from the noise x0."""
    rng = np.random.default_rng(seed)
    x0 = np.random.default_rng(0).normal(size=(n, *shape)) if x0 is None else x0
    v, w = rng.normal(size=(2, n, *shape))
    return np.stack([x0 + t * v + np.sin(5 * t) * w for t in TIMES])


def straight(x0, v, times=TIMES):
    return np.stack([x0 + t * v for t in times])


@pytest.mark.parametrize("times", [TIMES, np.linspace(0, 1, 33), np.array([0, 1])])
def test_straight_paths_of_one_noise_deviate_by_half_the_distance_of_their_velocities(times):
    """x_t = x0 + t v: the distance is t |v_a - v_b|, whose integral trapezoids give exactly."""
    x0, v_a, v_b = np.random.default_rng(0).normal(size=(3, 20, 4, 2, 2))
    found = trajectory_deviation(straight(x0, v_a, times), straight(x0, v_b, times), times)
    wanted = np.linalg.norm((v_a - v_b).reshape(20, -1), axis=1) / 2
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_straight_paths_of_one_velocity_lie_as_far_apart_as_their_noises():
    x0 = np.random.default_rng(0).normal(size=(6, 5))
    v = np.full((6, 5), 3.0)
    found = compare_trajectories(straight(x0, v), straight(x0, v), TIMES)
    pairs = [np.linalg.norm(x0[i] - x0[j]) for i in range(6) for j in range(6) if i != j]
    assert found.unmatched_mean == pytest.approx(np.mean(pairs), rel=1e-9)
    assert (found.matched.value, found.matched_sd, found.matched_p95) == (0, 0, 0)
    assert not found.matched_band.any()
    np.testing.assert_allclose(found.unmatched_band, np.tile(np.quantile(pairs, [0.05, 0.5, 0.95]), (7, 1)), rtol=1e-6)


def test_against_a_double_loop(chunk):
    a, b = bent(1), bent(2)
    n = a.shape[1]
    apart = np.array([[[np.linalg.norm(a[k, i] - b[k, j]) for j in range(n)] for i in range(n)] for k in range(7)])
    deviation = np.trapezoid(apart, TIMES, axis=0)
    matched, off = np.diag(deviation), ~np.eye(n, dtype=bool)
    np.testing.assert_allclose(trajectory_deviation(a, b, TIMES), matched, rtol=1e-12)

    found = compare_trajectories(a, b, TIMES)
    assert found.n == n
    assert found.matched.value == pytest.approx(matched.mean())
    assert found.matched_sd == pytest.approx(matched.std(ddof=1))
    margin = stats.t.ppf(0.975, n - 1) * matched.std(ddof=1) / n**0.5
    assert (found.matched.ci_low, found.matched.ci_high) == pytest.approx(
        (matched.mean() - margin, matched.mean() + margin)
    )
    assert found.matched_median == pytest.approx(np.median(matched))
    assert found.matched_p95 == pytest.approx(np.quantile(matched, 0.95))
    assert found.unmatched_mean == pytest.approx(deviation[off].mean(), rel=1e-9)
    assert found.unmatched_sd == pytest.approx(deviation[off].std(), rel=1e-6)
    for place in range(7):
        diagonal = np.diag(apart[place])
        np.testing.assert_allclose(found.matched_band[place], np.quantile(diagonal, [0.05, 0.5, 0.95]), atol=1e-9)
        others = np.quantile(apart[place][off], [0.05, 0.5, 0.95])
        np.testing.assert_allclose(found.unmatched_band[place], others, rtol=1e-6)


def test_noises_in_another_order_and_runs_swapped_change_nothing(chunk):
    a, b = bent(1), bent(2)
    order = np.random.default_rng(3).permutation(a.shape[1])
    found = compare_trajectories(a, b, TIMES)
    for other in (compare_trajectories(a[:, order], b[:, order], TIMES), compare_trajectories(b, a, TIMES)):
        for name in ("matched_median", "matched_p95", "matched_sd", "unmatched_mean", "unmatched_sd"):
            assert getattr(other, name) == pytest.approx(getattr(found, name), rel=1e-9)
        np.testing.assert_allclose(other.unmatched_band, found.unmatched_band, rtol=1e-9)
    np.testing.assert_allclose(
        trajectory_deviation(a[:, order], b[:, order], TIMES), trajectory_deviation(a, b, TIMES)[order]
    )


def test_close_paths_far_from_the_origin_keep_their_digits():
    a = bent(1).astype(np.float32)
    b = a + np.float32(1 / 1024)
    wanted = np.full(9, np.sqrt(18) / 1024)
    np.testing.assert_allclose(trajectory_deviation(a + np.float32(256), b + np.float32(256), TIMES), wanted, rtol=0.05)
    np.testing.assert_allclose(trajectory_deviation(a, b, TIMES), wanted, rtol=1e-3)


def test_memory_maps_are_read_as_they_are(tmp_path):
    for name, array in (("a", bent(1)), ("b", bent(2))):
        np.save(tmp_path / f"{name}.npy", array.astype(np.float32))
    a, b = (np.load(tmp_path / f"{name}.npy", mmap_mode="r")[:, :4] for name in "ab")
    found = compare_trajectories(a, b, TIMES)
    assert found.n == 4
    assert found.matched.value == pytest.approx(trajectory_deviation(bent(1), bent(2), TIMES)[:4].mean(), rel=1e-5)


def test_what_is_not_matched_is_refused():
    a, b = bent(1), bent(2)
    with pytest.raises(UserError, match=r"\[7, 9, 2, 3, 3\] and \[7, 8, 2, 3, 3\] at 7 times are not matched"):
        compare_trajectories(a, b[:, :-1], TIMES)
    with pytest.raises(UserError, match="at 6 times are not matched"):
        trajectory_deviation(a, b, TIMES[:-1])
    with pytest.raises(UserError, match="trajectories at 7 and at 6 times are not matched"):
        common_times(TIMES, TIMES[1:])
    with pytest.raises(UserError, match="not matched: these times differ"):
        common_times(TIMES, TIMES + 1e-3)
    np.testing.assert_array_equal(common_times(TIMES.tolist(), TIMES), TIMES)
    with pytest.raises(UserError, match="each later than the one before"):
        trajectory_deviation(a, b, TIMES[::-1])
    with pytest.raises(UserError, match="two times at least"):
        trajectory_deviation(a[:1], b[:1], TIMES[:1])
    with pytest.raises(UserError, match="1 trajectories have no unmatched pair"):
        compare_trajectories(a[:, :1], b[:, :1], TIMES)
    b[3, 5, 0, 0, 0] = np.nan
    with pytest.raises(UserError, match="b at point 3: 1 of 9 rows hold NaN or infinity, the first is row 5"):
        compare_trajectories(a, b, TIMES)


def test_metrics_of_paths():
    found = compare_trajectories(bent(1), bent(2), TIMES)
    fields = trajectory_fields(found)
    assert list(fields) == [f"path_deviation_{name}" for name in ("matched", "median", "p95", "unmatched")]
    matched = fields["path_deviation_matched"]
    assert matched["ci_low"] < matched["value"] < matched["ci_high"] and matched["sd"] == found.matched_sd
    assert fields["path_deviation_unmatched"] == {"value": found.unmatched_mean, "sd": found.unmatched_sd}


@pytest.mark.parametrize("most", [1, 7, 2**20])
@pytest.mark.parametrize("kind", ["normal", "ties", "equal", "two far apart", "one"])
def test_streamed_quantiles_are_numpys(monkeypatch, most, kind):
    monkeypatch.setattr(quantiles, "MOST", most)
    monkeypatch.setattr(quantiles, "BINS", 8)
    drawn = np.random.default_rng(0).normal(size=501)
    values = {
        "normal": drawn,
        "ties": np.round(drawn, 1),
        "equal": np.full(501, 1 / 3),
        "two far apart": np.where(drawn > 0, 1e300, np.nextafter(0, 1)),
        "one": drawn[:1],
    }[kind]
    asked = [0, 0.05, 0.37, 0.5, 0.95, 1]
    found = streamed_quantiles(lambda: np.array_split(values, 7), len(values), values.min(), values.max(), asked)
    np.testing.assert_allclose(found, np.quantile(values, asked), rtol=1e-14)


def test_the_memory_of_a_comparison_does_not_grow_with_the_pairs():
    """Of 2,000 paths the distances of all pairs at one time take 32 MB, and as much the deviations."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 2, 2000, 8)).astype(np.float32)
    compare_trajectories(a[:, :10], b[:, :10], [0, 1])
    tracemalloc.start()
    found = compare_trajectories(a, b, [0, 1])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30e6
    apart = np.linalg.norm(a[1].astype(np.float64)[:, None] - b[1], axis=2)[~np.eye(2000, dtype=bool)]
    np.testing.assert_allclose(found.unmatched_band[1], np.quantile(apart, [0.05, 0.5, 0.95]), rtol=1e-12)
