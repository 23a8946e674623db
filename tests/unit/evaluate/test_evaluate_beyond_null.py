"""What two runs share beyond their Gaussian flows, on models whose answer is known."""

import numpy as np
import pytest

from steadyflow.evaluate.beyond_null import compare_beyond_null, residuals
from steadyflow.evaluate.sample_similarity import Samples

N, D = 400, 24


def draw(seed, n=N, d=D):
    return np.random.default_rng(seed).normal(size=(n, d))


# The Gaussian flow's features of the noises, and of one fitted to the other half of the data: nearly the same.
FLOW = draw(0) + 3
OTHER_FLOW = FLOW + 0.01 * draw(1)


def samples(run, features, num_classes=0):
    return Samples(run, "euler", "euler", f"hash of {run}", num_classes, 0, features, {"probe": features})


def beyond(a, b, null_a=FLOW, null_b=OTHER_FLOW, num_classes=0):
    """metric -> value"""
    runs = samples("a", a, num_classes), samples("b", b, num_classes)
    nulls = samples("a.gaussian", null_a, num_classes), samples("b.gaussian", null_b, num_classes)
    return {m.metric: m for m in compare_beyond_null(*runs, *nulls, dataset="faces")}


def share(found):
    """With a ceiling of 1."""
    matched, unmatched = found["beyond_matched"].value, found["beyond_unmatched"].value
    return (matched - unmatched) / (1 - unmatched)


def test_equal_residuals_share_everything():
    common = draw(2)
    assert share(beyond(FLOW + common, OTHER_FLOW + common)) > 0.999


def test_independent_residuals_share_nothing():
    found = beyond(FLOW + draw(2), OTHER_FLOW + draw(3))
    assert abs(share(found)) < 0.02
    low, high = found["beyond_difference"].ci_low, found["beyond_difference"].ci_high
    assert low < 0 < high


@pytest.mark.parametrize("correlation", [0.3, 0.7])
def test_residuals_share_as_much_as_they_are_correlated(correlation):
    """cos of c + e and c + f in many dimensions: the share of their variance that is common."""
    common, rest = correlation**0.5 * draw(2), (1 - correlation) ** 0.5
    found = beyond(FLOW + common + rest * draw(3), OTHER_FLOW + common + rest * draw(4))
    assert share(found) == pytest.approx(correlation, abs=0.03)


def test_models_that_take_no_notice_of_the_noise_share_nothing():
    """The plain differences would share minus the flow, half of their variance."""
    a, b = draw(2), draw(3)
    assert abs(share(beyond(a, b))) < 0.02
    plain = np.einsum("nd,nd->n", *(r / np.linalg.norm(r, axis=1, keepdims=True) for r in (a - FLOW + 3, b - FLOW + 3)))
    assert plain.mean() > 0.4


def test_what_two_models_do_to_the_flow_alike_is_nothing_beyond_it():
    """Both fade it by half, and add what is their own."""
    assert abs(share(beyond(0.5 * FLOW + draw(2), 0.5 * OTHER_FLOW + draw(3)))) < 0.02


def test_models_that_are_their_flow_or_one_image_have_no_residuals():
    assert beyond(FLOW, OTHER_FLOW + draw(2)) == {}
    assert beyond(np.ones_like(FLOW), OTHER_FLOW + draw(2)) == {}


def test_labels_are_nothing_that_residuals_share():
    """Each label has an offset of its own, of which the flows know nothing."""
    labels = np.arange(N) % 4
    offsets = 5 * draw(5, 4)[labels]
    a, b = FLOW + offsets + draw(2), OTHER_FLOW + offsets + draw(3)
    assert share(beyond(a, b)) > 0.5
    assert abs(share(beyond(a, b, num_classes=4))) < 0.03


def test_the_part_taken_off_is_that_of_least_squares():
    features, null = draw(2) + 0.3 * FLOW, FLOW
    a, g = features - features.mean(0), null - null.mean(0)
    beta = np.linalg.lstsq(g.reshape(-1, 1), a.ravel(), rcond=None)[0]
    np.testing.assert_allclose(residuals(features, null), a - beta * g)


def test_samples_without_features_are_left_out():
    holes = FLOW + draw(2)
    holes[[3, 50]] = np.nan
    assert beyond(holes, OTHER_FLOW + draw(3))["beyond_matched"].n == N - 2
