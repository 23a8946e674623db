import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist

from steadyflow.evaluate.quality import prepare_reference
from steadyflow.evaluate.rows import with_features
from steadyflow.evaluate.sample_quality import TrainedOn, quality_metrics

FIELDS = {"dataset": "faces", "run": "half", "encoder": "probe", "seed": 7, "hashes": "encoder abc"}
TRAINING, VALIDATION = np.arange(0, 160), np.arange(160, 230)
ALL = TrainedOn(TRAINING, None, VALIDATION)
OF_SAMPLES = {"f_mem", "authenticity", "gl"}
BESIDE_HELD_OUT = {"nn_ratio", "fd_gap", "f_mem_held_out", "authenticity_held_out", "gl_held_out"}


def normal(seed, n, dimensions=4, mean=0.0):
    return np.random.default_rng(seed).normal(mean, 1, (n, dimensions)).astype(np.float32)


def measured(samples, embeddings, **changes):
    arguments = {
        "reference": prepare_reference(with_features(embeddings, VALIDATION), with_features(embeddings, TRAINING)),
        "trained_on": ALL,
        "sampled": "euler 60 steps",
        "protocol": "features",
        "fields": FIELDS,
        "seed": 3,
        **changes,
    }
    return {metric.metric: metric for metric in quality_metrics(samples, embeddings, **arguments)}


def frechet(a, b):
    """As it stands on paper, by another square root of a matrix."""
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    return np.square(a.mean(0) - b.mean(0)).sum() + np.trace(cov_a + cov_b - 2 * sqrtm(cov_a @ cov_b).real)


def nearest(a, b):
    return cdist(a, b).min(axis=1).mean()


def test_samples_are_compared_with_held_out_images_and_with_those_of_the_training():
    samples, embeddings = normal(0, 80, mean=0.3), normal(1, 230)
    embeddings[[5, 170]] = np.nan
    found = measured([samples], embeddings)
    held_out, training = (np.delete(embeddings[ids], 5 if ids is TRAINING else 10, 0) for ids in (VALIDATION, TRAINING))
    assert found["fd"].value == pytest.approx(frechet(samples.astype(float), held_out.astype(float)), rel=1e-6)
    expected = nearest(samples, training) / nearest(held_out, training)
    assert found["nn_ratio"].value == pytest.approx(expected, rel=1e-6)
    assert "kept_ratio" not in found
    assert found["fd"].protocol == "euler 60 steps; features; against the 69 held-out images"
    assert found["fd_train"].protocol == "euler 60 steps; features; against the 159 training images"
    assert found["fd_train"].value == pytest.approx(frechet(samples.astype(float), training.astype(float)), rel=1e-6)
    assert found["nn_ratio"].protocol == "euler 60 steps; features"
    assert found["nn_ratio"].note == "70 held-out images of the population" and found["f_mem"].note == ""
    for metric in found.values():
        assert {name: getattr(metric, name) for name in FIELDS} == FIELDS and metric.n == 80


def test_pruned_away_images_are_compared_with_as_many_that_were_kept():
    samples, embeddings, kept = normal(0, 80), normal(1, 230), np.arange(0, 160, 2)
    found = measured([samples], embeddings, trained_on=TrainedOn(TRAINING, kept, VALIDATION))
    # Equally many on both sides, so all of them are drawn.
    dropped = np.setdiff1d(TRAINING, kept)
    expected = nearest(samples, embeddings[kept]) / nearest(samples, embeddings[dropped])
    assert found["kept_ratio"].value == pytest.approx(expected, rel=1e-6)
    expected = nearest(samples, embeddings[kept]) / nearest(embeddings[VALIDATION], embeddings[kept])
    assert found["nn_ratio"].value == pytest.approx(expected, rel=1e-6)


def test_a_run_that_kept_everything_has_no_dropped_images():
    trained_on = TrainedOn(TRAINING, TRAINING, VALIDATION)
    assert "kept_ratio" not in measured([normal(0, 80)], normal(1, 230), trained_on=trained_on)


def test_a_subset_of_one_mode_is_compared_with_held_out_images_of_that_mode():
    """Two modes far apart, one trained on, and samples as new as can be. With held-out images of both modes in the
    denominator they would pass for copies."""
    embeddings, of_mode = normal(1, 230), np.arange(230) % 2 == 0
    embeddings[~of_mode, 0] += 20
    kept, held_out = TRAINING[of_mode[TRAINING]], VALIDATION[of_mode[VALIDATION]]
    samples = [normal(0, 80)]
    found = measured(samples, embeddings, trained_on=TrainedOn(TRAINING, kept, held_out))
    assert found["nn_ratio"].ci_low < 1 < found["nn_ratio"].ci_high
    assert measured(samples, embeddings, trained_on=TrainedOn(TRAINING, kept, VALIDATION))["nn_ratio"].value < 0.15
    # Where no held-out images are known to be of its population, there is nothing to compare with but pruned-away ones.
    alone = measured(samples, embeddings, trained_on=TrainedOn(TRAINING, kept, None))
    assert alone.keys() & (OF_SAMPLES | BESIDE_HELD_OUT) == OF_SAMPLES - {"gl"} and "kept_ratio" in alone


def test_held_out_images_that_were_trained_on_are_noted_beside_what_they_spoil():
    embeddings = normal(1, 230)
    embeddings[[170, 180]] = embeddings[[3, 4]]
    found = measured([normal(0, 80)], embeddings)
    notes = {name: metric.note for name, metric in found.items() if metric.note and name != "fd_infinity"}
    assert set(notes) == {"fd"} | OF_SAMPLES | BESIDE_HELD_OUT
    assert all("probe: 2 of 70 held-out images are also training images" in note for note in notes.values())


def test_a_mixture_has_equal_parts_and_no_training_images():
    parts, embeddings = [normal(0, 80), normal(2, 80, mean=2)], normal(1, 230)
    found = measured(parts, embeddings, trained_on=None)
    together = measured([np.concatenate([parts[0][:40], parts[1][40:]])], embeddings)
    assert found["fd"].value == together["fd"].value and "nn_ratio" not in found
    assert set(together) - set(found) == OF_SAMPLES | BESIDE_HELD_OUT


def test_few_images_for_many_dimensions_are_noted_beside_the_distance_alone():
    found = measured([normal(0, 90, 70)], normal(1, 230, 70), trained_on=None)
    # (d + d(d + 1)/4)/d = 18.75, over 90 samples and over 70 validation images.
    notes = {name: metric.note for name, metric in found.items() if metric.note}
    assert notes.pop("fd_train").startswith("probe: only 90 images for 70 dimensions, so FD is too large by up to ")
    assert notes == {
        "fd": "probe: only 70 images for 70 dimensions, so FD is too large by up to 48% of the features' variance",
        "fd_infinity": "probe: FD∞ has no interval, for it is biased: 90 samples are 1.3 times the 70 dimensions, and "
        "it takes 5.1 times",
    }
    assert np.isnan(found["fd_infinity"].ci_low) and np.isfinite(found["fd"].ci_low)
    found = measured([normal(0, 400, 3)], normal(1, 230, 3), trained_on=None)
    assert not any(metric.note for metric in found.values())
