import numpy as np
import pytest

from steadyflow.evaluate import kernel_distance, mean_kernel
from steadyflow.evaluate.estimate import GROUPS
from steadyflow.ground.artifacts import UserError


def brute(x, y):
    def kernel(a, b):
        return (a @ b.T / np.square(y).sum(axis=1).mean() + 1) ** 3

    n, m = len(x), len(y)
    within = [(k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in (kernel(x, x), kernel(y, y))]
    return sum(within) - 2 * kernel(x, y).sum() / (n * m)


def sets(n=60, m=90, d=7):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, d)) + 0.5, rng.normal(size=(m, d))


@pytest.mark.parametrize("chunk", [1, 13, 1024])
def test_against_all_pairs(chunk):
    x, y = sets()
    found = kernel_distance(x, y, chunk=chunk)
    assert found.value == pytest.approx(brute(x, y))
    for group in range(GROUPS):
        assert found.replicates[group] == pytest.approx(brute(x[np.arange(60) % GROUPS != group], y))
    again = kernel_distance(x, y, within_reference=mean_kernel(y, chunk=chunk))
    assert again.value == pytest.approx(found.value)


def test_against_torch_fidelity():
    """One part of all samples, of as many as the other set has, in features of mean squared length d."""
    torch = pytest.importorskip("torch")
    from torch_fidelity.metric_kid import kid_features_to_metric

    x, y = sets(n=64, m=64)
    x, y = (torch.from_numpy(features * (7 / np.square(y).sum(axis=1).mean()) ** 0.5) for features in (x, y))
    theirs = kid_features_to_metric(x, y, kid_subsets=1, kid_subset_size=64, verbose=False)
    assert kernel_distance(x.numpy(), y.numpy()).value == pytest.approx(
        theirs["kernel_inception_distance_mean"], rel=1e-6
    )


def test_equal_distributions_are_at_zero_on_average_and_others_are_not():
    rng = np.random.default_rng(1)
    found = [kernel_distance(*rng.normal(size=(2, 50, 4))).value for _ in range(100)]
    assert abs(np.mean(found)) < 3 * np.std(found) / 10
    assert kernel_distance(*sets()).ci_low > 0


def test_a_scale_of_the_features_changes_nothing():
    x, y = sets()
    assert kernel_distance(1000 * x, 1000 * y).value == pytest.approx(kernel_distance(x, y).value)
    assert 0 < kernel_distance(x, y).value < 8


def test_refusals():
    x, y = sets()
    with pytest.raises(UserError, match="all 90 rows of features are 0"):
        kernel_distance(x, 0 * y)
    with pytest.raises(UserError, match="7 and 6 dimensions"):
        kernel_distance(x, y[:, :6])
    with pytest.raises(UserError, match="at least 40"):
        kernel_distance(x[:39], y)
    with pytest.raises(UserError, match="at least 2 rows"):
        kernel_distance(x, y[:1])
    y[3, 1] = np.nan
    with pytest.raises(UserError, match="row 3"):
        kernel_distance(x, y)
