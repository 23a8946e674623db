import numpy as np
import pytest

from steadyflow.evaluate import feature_statistics
from steadyflow.evaluate.diversity import diversity
from steadyflow.evaluate.estimate import GROUPS
from steadyflow.evaluate.frechet import FeatureStatistics
from steadyflow.ground.artifacts import UserError


@pytest.mark.parametrize("chunk", [7, 4096])
def test_against_covariances(chunk):
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(100, 5)), 1000 + 0.5 * rng.normal(size=(60, 5))
    found, below = diversity(fake, feature_statistics(real), chunk), np.trace(np.cov(real, rowvar=False))
    assert found.value == pytest.approx(np.trace(np.cov(fake, rowvar=False)) / below)
    for group in range(GROUPS):
        rest = fake[np.arange(60) % GROUPS != group]
        assert found.replicates[group] == pytest.approx(np.trace(np.cov(rest, rowvar=False)) / below)


def test_samples_that_are_one_image_have_none():
    assert diversity(np.ones((40, 3)), FeatureStatistics(9, np.zeros(3), np.eye(3))).value == pytest.approx(0)


def test_intervals_hold_what_they_promise():
    rng, reference = np.random.default_rng(1), FeatureStatistics(9, np.zeros(3), np.eye(3))
    found = [diversity(0.8 * rng.normal(size=(200, 3)), reference) for _ in range(800)]
    truth = 0.8**2
    assert 0.92 <= np.mean([each.ci_low <= truth <= each.ci_high for each in found]) <= 0.98


def test_refusals():
    reference = FeatureStatistics(9, np.zeros(3), np.eye(3))
    with pytest.raises(UserError, match="take both from one encoder"):
        diversity(np.ones((40, 4)), reference)
    with pytest.raises(UserError, match="at least 40 samples"):
        diversity(np.ones((39, 3)), reference)
    with pytest.raises(UserError, match="total variance 0"):
        diversity(np.ones((40, 3)), FeatureStatistics(9, np.zeros(3), np.zeros((3, 3))))
