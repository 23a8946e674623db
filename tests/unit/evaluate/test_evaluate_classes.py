"""Intervals of conditional runs: sample i has label i modulo the number of classes, so every draw of noises has the
same shares of classes, and differences between classes are no part of the error."""

import numpy as np
import pytest

from steadyflow.evaluate import (
    FeatureStatistics,
    difference,
    frechet_infinity,
    frechet_with_interval,
    kernel_distance,
    mean_with_interval,
    pair_similarity,
)
from steadyflow.evaluate.estimate import GROUPS, groups_of
from steadyflow.evaluate.rows import FeatureRows

REPEATS = 300


def coverage(truth, estimates):
    return np.mean([e.ci_low <= truth <= e.ci_high for e in estimates])


@pytest.mark.parametrize("num_classes", [1, 2, 7, 10, 12, 20, 100, 1000])
@pytest.mark.parametrize(("n", "count"), [(n, GROUPS) for n in (40, 41, 200, 4096, 20_000)] + [(600, 6), (600, 15)])
def test_groups_are_of_one_size_and_each_has_its_share_of_every_class(n, count, num_classes):
    indices = np.arange(n)
    groups = groups_of(indices, num_classes, count)
    sizes = np.bincount(groups, minlength=count)
    assert len(sizes) == count and np.ptp(sizes) <= 1
    table = np.zeros((num_classes, count), dtype=int)
    np.add.at(table, (indices % num_classes, groups), 1)
    assert np.ptp(table, axis=1).max() <= 1


def conditional(rng, levels, n, d):
    """Features whose mean is that of their class, `levels` [classes, d]."""
    labels = np.arange(n) % len(levels)
    return FeatureRows(levels[labels] + rng.normal(size=(n, d)), np.arange(n), len(levels))


# Samples of which the spread is 4/5 between classes: 20 a class where there are many classes, about 60 where few.
CLASSES = [(10, 600), (20, 1200), (1000, 20_000)]


@pytest.mark.parametrize(("num_classes", "n"), CLASSES)
def test_means_cover_the_truth(num_classes, n):
    rng = np.random.default_rng(0)
    levels = 2 * rng.normal(size=num_classes)
    labels = np.arange(n) % num_classes
    values = levels[labels] + rng.normal(size=(REPEATS, n))
    groups = groups_of(np.arange(n), num_classes)
    assert 0.92 <= coverage(levels.mean(), [mean_with_interval(each, groups) for each in values]) <= 0.98
    # Groups that know nothing of classes, and Student's interval: far too wide.
    assert coverage(levels.mean(), [mean_with_interval(each, np.arange(n) % GROUPS) for each in values]) == 1
    assert coverage(levels.mean(), [mean_with_interval(each) for each in values]) == 1


@pytest.mark.parametrize(("num_classes", "n"), CLASSES)
def test_frechet_distances_and_their_differences_cover_the_truth(num_classes, n):
    rng, d = np.random.default_rng(1), 3
    levels = 2 * rng.normal(size=(num_classes, d))
    reference = FeatureStatistics(2, np.zeros(d), np.eye(d))
    centred = levels - levels.mean(axis=0)
    cov = np.eye(d) + centred.T @ centred / num_classes
    roots = np.sqrt(np.linalg.eigvalsh(cov)).sum()
    truth = np.square(levels.mean(axis=0)).sum() + np.trace(cov) + d - 2 * roots
    found, shifts = [], []
    for _ in range(REPEATS if n < 10_000 else 100):
        rows = conditional(rng, levels, n, d)
        here = frechet_with_interval(rows, reference)
        there = frechet_with_interval(FeatureRows(rows.array + 1, rows.rows, num_classes), reference)
        found.append(frechet_infinity(here, n, d))
        shifts.append(difference(there, here))
    moved = np.square(levels.mean(axis=0) + 1).sum() - np.square(levels.mean(axis=0)).sum()
    assert 0.92 <= coverage(truth, found) <= 0.98
    assert 0.92 <= coverage(moved, shifts) <= 0.98


@pytest.mark.parametrize("num_classes", [10, 20])
def test_similarities_and_kernel_distances_cover_their_expectation(num_classes):
    rng, n, d = np.random.default_rng(2), 240, 4
    levels = 1.5 * rng.normal(size=(num_classes, d))
    groups, real = groups_of(np.arange(n), num_classes), rng.normal(size=(300, d))

    def pairs():
        rows = conditional(rng, levels, n, d)
        other = rows.array + 0.5 * rng.normal(size=(n, d))
        return pair_similarity(rows.array, other, groups), kernel_distance(rows, real)

    found = [pairs() for _ in range(REPEATS)]
    estimates = {
        part: [getattr(similarity, part) for similarity, _ in found] for part in ("matched", "unmatched", "difference")
    }
    estimates["kernel"] = [distance for _, distance in found]
    for part, each in estimates.items():
        # The mean of them all errs by a seventeenth of what one does.
        assert 0.92 <= coverage(np.mean([e.value for e in each]), each) <= 0.98, part


def test_with_few_samples_a_class_intervals_are_too_wide_but_never_too_narrow():
    """4 samples of each of 1,000 classes cannot be in all of 20 groups."""
    rng, n = np.random.default_rng(3), 4000
    levels = rng.normal(size=1000)
    values = levels[np.arange(n) % 1000] + rng.normal(size=(REPEATS, n))
    groups = groups_of(np.arange(n), 1000)
    found = [mean_with_interval(each, groups) for each in values]
    assert coverage(levels.mean(), found) >= 0.95
    error = values.mean(axis=1).std() * 2.09
    assert 1 < np.mean([e.ci_high - e.value for e in found]) / error < 1.6
