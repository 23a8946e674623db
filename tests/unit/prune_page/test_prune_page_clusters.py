"""Shown clusters against brute force."""

import numpy as np
import pytest

from steadyflow.prune_page.clusters import NEAREST_SHOWN, place_in_cluster, shown_clusters
from steadyflow.prune_page.examples import extreme_examples


@pytest.mark.parametrize(("k", "shown"), [(5, 5), (24, 24), (25, 24), (200, 24)])
def test_clusters_are_spread_over_their_sizes(k, shown):
    random = np.random.default_rng(k)
    cluster = random.permutation(np.repeat(np.arange(k), np.arange(1, k + 1)))
    ids, distance = 3 * np.arange(len(cluster)), random.integers(0, 9, len(cluster)) / 9
    found = shown_clusters(ids, cluster, distance)
    assert len(found) == len({entry.number for entry in found}) == shown
    # Cluster c has c + 1 images.
    assert (found[0].number, found[-1].number) == (k - 1, 0)
    assert np.all(np.diff([entry.size for entry in found]) < 0)
    for entry in found:
        members = sorted((d, i) for i, c, d in zip(ids, cluster, distance, strict=True) if c == entry.number)
        assert entry.size == len(members) == entry.number + 1
        assert list(entry.nearest) == [i for _, i in members[:NEAREST_SHOWN]]


def test_an_empty_cluster_has_no_card():
    found = shown_clusters(np.arange(3), np.array([0, 2, 2]), np.zeros(3))
    assert [entry.number for entry in found] == [2, 0]


def test_images_of_balanced_clusters_are_ranked_inside_their_own():
    """A wide cluster far from its centre, of which nearly all is kept, must not turn the order round."""
    ids, cluster = np.arange(60), np.repeat([0, 1], [50, 10])
    distance = np.concatenate([np.linspace(0.1, 0.2, 50), np.linspace(0.5, 0.6, 10)])
    kept = np.concatenate([ids[:10], ids[50:59]])
    place = place_in_cluster(ids, cluster, distance)
    assert place[:50].tolist() == (np.arange(50) / 50).tolist() and place[50:].tolist() == (np.arange(10) / 10).tolist()
    best, worst = extreme_examples(ids, place, "place", kept, 2)
    assert (best.kept, best.how, best.ids) == (True, "lowest place", [0, 50])
    assert (worst.kept, worst.how, worst.ids) == (False, "highest place", [49, 48])
