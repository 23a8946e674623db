import contextlib
import io
import tracemalloc

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from steadyflow.evaluate import compare_with_manifold, manifold_metrics, manifold_of
from steadyflow.evaluate.rows import FeatureRows
from steadyflow.ground.artifacts import UserError

NAMES = ("precision", "recall", "density", "coverage")


def values(found):
    return {name: getattr(found, name).value for name in NAMES}


def all_squares(a, b):
    a, b = (rows.reshape(len(rows), -1).astype(np.float64) for rows in (a, b))
    return np.array([np.square(row - b).sum(axis=1) for row in a])


def brute_force(real, fake, k, density_k):
    """By all distances: the definitions, word for word."""
    apart = all_squares(real, fake)
    radius, density_radius = (np.sort(all_squares(real, real), axis=1)[:, j] for j in (k, density_k))
    fake_radius = np.sort(all_squares(fake, fake), axis=1)[:, k]
    return {
        "precision": (apart <= radius[:, None]).any(axis=0).mean(),
        "recall": (apart <= fake_radius).any(axis=1).mean(),
        "density": (apart < density_radius[:, None]).sum(axis=0).mean() / density_k,
        "coverage": (apart < density_radius[:, None]).any(axis=1).mean(),
    }


def column(*numbers):
    return np.array(numbers, dtype=np.float64)[:, None]


def digits():
    """Pixels 0..16, float64 [898, 64] and [899, 64]: distances that are often equal."""
    pixels = np.random.default_rng(0).permutation(load_digits().data)
    return pixels[:898], pixels[898:]


def test_by_hand():
    found = manifold_metrics(column(0, 1, 2, 10), column(0.5, 1.5, 9.5, 30), 1)
    assert values(found) == {"precision": 0.75, "recall": 1, "density": 1.25, "coverage": 1}
    assert found.f_score.value == pytest.approx(6 / 7)
    assert found.nearest.tolist() == [0.5, 0.5, 0.5, 20]
    assert found.nearest_index.tolist() == [0, 1, 3, 3]


def test_closed_balls_for_precision_and_recall_open_ones_for_density_and_coverage():
    real, fake = column(0, 1, 3, 7), column(-1, 20, 22, 26)
    assert values(manifold_metrics(real, fake, 1)) == {"precision": 0.25, "recall": 1, "density": 0, "coverage": 0}
    assert manifold_metrics(fake, real, 1).recall.value == 0.25


def test_mode_collapse_is_precise_and_recalls_little():
    rng = np.random.default_rng(0)
    found = manifold_metrics(3 * rng.normal(size=(200, 16)), 0.1 * rng.normal(size=(200, 16)))
    assert found.precision.value > 0.8
    assert found.recall.value < 0.3


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.float16, np.uint8])
@pytest.mark.parametrize("d", [1, 3, 40])
@pytest.mark.parametrize("chunk", [7, 1024])
def test_against_all_distances(kind, d, chunk):
    rng = np.random.default_rng(d)
    real, fake = 100 + 3 * rng.normal(size=(150, d)), 101 + 2 * rng.normal(size=(110, d))
    if d == 3:  # a lattice, with many equal distances
        real, fake = real.round(), fake.round()
    real[[4, 80, 81]], fake[[1, 2]], fake[50:60] = real[3], real[3], real[10:20]
    real, fake = real.astype(kind), fake.astype(kind)
    found = manifold_metrics(real, fake, 3, 5, chunk=chunk)
    assert values(found) == brute_force(real, fake, 3, 5)
    apart = all_squares(fake, real)
    np.testing.assert_allclose(found.nearest, np.sqrt(apart.min(axis=1)), rtol=1e-14)
    np.testing.assert_array_equal(apart[np.arange(len(fake)), found.nearest_index], apart.min(axis=1))
    assert (found.nearest[1:3] == 0).all()
    assert (found.nearest[50:60] == 0).all()


@pytest.mark.parametrize("k", [1, 3, 10])
def test_pixels_of_digits_against_all_distances(k):
    real, fake = digits()
    assert values(manifold_metrics(real, fake, k, 5, chunk=300)) == brute_force(real, fake, k, 5)
    assert values(manifold_metrics(real, fake[:400] / 2, k)) == brute_force(real, fake[:400] / 2, k, k)


def outlier():
    rows = np.random.default_rng(0).normal(size=(120, 4))
    rows[0] = 1e7  # no float32 product tells the others apart
    return rows


def offset():
    return 1e5 + np.random.default_rng(0).normal(size=(120, 4)) * 1e-6


@pytest.mark.parametrize(
    "rows",
    [outlier(), offset(), np.eye(90), np.random.default_rng(0).normal(size=(90, 5)) * 1e-30],
    ids=["outlier", "offset", "all equally far", "tiny"],
)
def test_where_float32_cannot_tell(rows):
    real, fake = rows[::2], rows[1::2]
    assert values(manifold_metrics(real, fake, 2, 4, chunk=20)) == brute_force(real, fake, 2, 4)


def test_copies_of_one_image():
    real = np.random.default_rng(0).normal(size=(300, 6))
    fake = np.repeat(real[:1], 200, axis=0)
    found = manifold_metrics(real, fake, 3, 5)
    assert values(found) == brute_force(real, fake, 3, 5)
    assert not found.nearest.any()
    assert not found.nearest_index.any()
    assert values(manifold_metrics(fake, real, 3, 5)) == brute_force(fake, real, 3, 5)


def features_to_compare():
    rng = np.random.default_rng(0)
    components = PCA(20, random_state=0).fit_transform(load_digits().data)
    return [
        (1.1 * rng.normal(size=(300, 12)), rng.normal(size=(250, 12)) + 0.2),
        (components[:900], 0.9 * components[900:]),
    ]


@pytest.mark.parametrize("real, fake", features_to_compare(), ids=["normal", "digits"])
@pytest.mark.parametrize("k", [1, 5])
def test_agrees_with_prdc(real, fake, k):
    # All its balls are open, which makes no difference without equal distances; its k does not count a point itself.
    from prdc import compute_prdc

    with contextlib.redirect_stdout(io.StringIO()):
        theirs = compute_prdc(real, fake, nearest_k=k)
    assert values(manifold_metrics(real, fake, k)) == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("real, fake", features_to_compare(), ids=["normal", "digits"])
def test_agrees_with_torch_fidelity(real, fake):
    import torch
    from torch_fidelity.metric_prc import prc_features_to_metric

    theirs = prc_features_to_metric(
        torch.from_numpy(fake), torch.from_numpy(real), prc_neighborhood=3, save_cpu_ram=False, verbose=False
    )
    ours = manifold_metrics(real, fake)
    assert ours.precision.value == pytest.approx(theirs["precision"])
    assert ours.recall.value == pytest.approx(theirs["recall"])
    assert ours.f_score.value == pytest.approx(theirs["f_score"])
    assert ours.precision.value != ours.recall.value


def test_order_and_chunks_do_not_matter():
    rng = np.random.default_rng(1)
    real, fake = digits()
    expected = manifold_metrics(real, fake)
    assert values(manifold_metrics(rng.permutation(real), rng.permutation(fake))) == values(expected)
    # Sorted rows come nearer tile by tile, at first or at last.
    ascending = manifold_metrics(real[np.argsort(real[:, 20])], fake[np.argsort(-fake[:, 20])], chunk=64)
    assert values(ascending) == values(expected)
    assert values(manifold_metrics(real, fake, chunk=899)) == values(expected)


def test_one_manifold_for_several_sets(tmp_path):
    real, fake = digits()
    np.save(tmp_path / "real.npy", np.concatenate([np.full((5, 64), np.nan), real]))
    stored = FeatureRows(np.load(tmp_path / "real.npy", mmap_mode="r"), np.arange(5, 5 + len(real)))
    reference = manifold_of(stored, 3, 5)
    for generated in (fake, 0.8 * fake[:200], real[:30].reshape(-1, 8, 8).reshape(30, 64)):
        assert values(compare_with_manifold(reference, generated)) == values(manifold_metrics(real, generated, 3, 5))


def test_intervals_hold_the_truth_19_times_in_20():
    # What the docstring says each shows: the share of many fresh samples in these balls, the mean over many sets.
    rng, repeats, n, fresh = np.random.default_rng(1), 500, 120, 3000
    held = dict.fromkeys(("precision", "recall", "density", "f_score"), 0)
    coverages = []
    for repeat in range(repeats):
        d = (2, 8)[repeat % 2]

        def real(count, d=d):
            return rng.normal(size=(count, d)).astype(np.float32)

        def fake(count, real=real):
            return 0.8 * real(count) + 0.3

        x, y = real(n), fake(n)
        found = manifold_metrics(x, y)
        truth = {"precision": in_balls(fake(fresh), x), "recall": in_balls(real(fresh), y)}
        truth = {name: (inside > 0).mean() for name, inside in truth.items()}
        truth["density"] = in_balls(fake(fresh), x).mean() / 3
        truth["f_score"] = 2 * truth["precision"] * truth["recall"] / (truth["precision"] + truth["recall"])
        for name, value in truth.items():
            held[name] += getattr(found, name).ci_low <= value <= getattr(found, name).ci_high
        coverages.append((d, found.coverage))
    for name, count in held.items():
        assert 0.92 < count / repeats < 0.98, name
    mean = {d: np.mean([c.value for of, c in coverages if of == d]) for d in (2, 8)}
    assert 0.92 < np.mean([c.ci_low <= mean[d] <= c.ci_high for d, c in coverages]) < 0.98


def in_balls(queries, centres, k=3):
    """In how many balls of `centres` each query is, [q], by float32 products: quick, and exact enough for shares."""

    def squares(a, b):
        return np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1) - 2 * a @ b.T

    return (squares(queries, centres) < np.sort(squares(centres, centres), axis=1)[:, k]).sum(axis=1)


def test_intervals_at_the_ends():
    rng = np.random.default_rng(5)
    apart = manifold_metrics(rng.normal(size=(100, 3)), rng.normal(size=(100, 3)) + 50)
    for name in ("precision", "recall", "f_score", "coverage"):
        found = getattr(apart, name)
        assert found.value == found.ci_low == 0 < found.ci_high < 0.1, name
    assert apart.density.value == apart.density.ci_high == 0
    few = manifold_metrics(column(0, 1, 2, 10), column(0.5, 1.5, 9.5, 30), 1).coverage
    assert (few.ci_low, few.ci_high) == (0, 1)


def test_memory_does_not_grow_with_the_square_of_n(tmp_path):
    def peak(n):
        rows = np.load(tmp_path / f"{n}.npy", mmap_mode="r")
        tracemalloc.start()
        manifold_metrics(rows[::2], rows[1::2], chunk=128)
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    for n in (600, 6000):
        np.save(tmp_path / f"{n}.npy", np.random.default_rng(0).normal(size=(n, 64)).astype(np.float32))
    few, many = peak(600), peak(6000)
    # 8,100,000 more pairs of samples and 5,400 more samples.
    assert many - few < 700 * 5400


def test_refusals():
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(10, 3)), rng.normal(size=(8, 3))
    with pytest.raises(UserError, match=r"real features: no ball to neighbour 10 of 10 rows; choose k in 1\.\.9"):
        manifold_metrics(real, fake, 3, 10)
    with pytest.raises(UserError, match=r"generated features: no ball to neighbour 8 of 8 rows; choose k in 1\.\.7"):
        manifold_metrics(real, fake, 8)
    with pytest.raises(UserError, match="neighbour 0"):
        manifold_metrics(real, fake, 0)
    with pytest.raises(UserError, match=r"\[3\].*\[4\].*one encoder"):
        manifold_metrics(real, rng.normal(size=(8, 4)))
    with pytest.raises(UserError, match="generated features: no rows"):
        manifold_metrics(real, fake[:0])
    with pytest.raises(UserError, match="real features: no rows"):
        manifold_metrics(real[:0], fake)
    with pytest.raises(UserError, match=r"real features.*scale"):
        manifold_metrics(real * 1e25, fake)
    fake[6, 1] = np.nan
    with pytest.raises(UserError, match=r"generated features: 1 of .* NaN.* row 6"):
        manifold_metrics(real, fake, chunk=4)
