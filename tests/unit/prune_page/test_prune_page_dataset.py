"""The facts of a dataset's page, from tables made by hand, against brute force."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from steadyflow.data.images import DatasetInfo
from steadyflow.prune_page import Clustering, Selection, dataset_facts
from steadyflow.prune_page.examples import EXAMPLES_PER_ROW

N = 60
RANDOM = np.random.default_rng(0)
INFO = DatasetInfo(
    "made", N, {"train": 40, "val": 20, "skipped": 0}, None, {"hair": ["dark", "fair"], "empty": []}, 16, 3, [], "", {}
)
MANIFEST = pd.DataFrame(
    {
        "id": np.arange(N),
        "key": [f"{index}.png" for index in range(N)],
        "split": np.where(np.arange(N) % 3 == 2, "val", "train"),
        "label": -1,
        "hair": RANDOM.choice(["dark", "fair"], N),
        "empty": "",
    }
)
IDS = MANIFEST.loc[MANIFEST["split"] == "train", "id"].to_numpy()
CLUSTERS = pd.DataFrame({"id": IDS, "cluster": RANDOM.integers(0, 3, 40), "distance": RANDOM.random(40)})
SCORES = pd.DataFrame({"id": IDS, "loss": RANDOM.random(40), "grad": RANDOM.random(40)})
KEPT = np.sort(RANDOM.choice(IDS, 15, replace=False))
CHOSEN = Selection("", "rule", ["by"], pd.DataFrame({"id": KEPT, "multiplicity": 2}), "kept.txt", "dropped.txt")


def facts(chosen, clusterings):
    overlaps = {"a": {"b": 0.25}, "b": {"a": 0.25}}
    return dataset_facts("made", INFO, MANIFEST, clusterings, {"a": chosen, "b": CHOSEN}, overlaps)


def test_sizes_count_the_training_images():
    found = facts(CHOSEN, {"k3": Clustering(3, "k 3", CLUSTERS)})
    assert (found.counts["train"], found.overlaps) == (40, [[1.0, 0.25], [0.25, 1.0]])
    subset = found.subsets[0]
    assert (subset.n_kept, subset.drawn) == (15, 30)
    clusters, hair = subset.groupings
    assert clusters.title == "clusters of k3, largest first"
    of_cluster = dict(zip(IDS, CLUSTERS["cluster"], strict=True))
    for number, before, after in zip(clusters.names, clusters.before, clusters.after, strict=True):
        assert before == sum(cluster == int(number) for cluster in of_cluster.values())
        assert after == sum(of_cluster[index] == int(number) for index in KEPT)
    train = MANIFEST.loc[IDS]
    assert (hair.title, list(hair.before)) == ("hair", [(train["hair"] == value).sum() for value in ("dark", "fair")])
    assert sum(hair.after) == 15


@pytest.mark.parametrize(
    ("changes", "rankings"),
    [
        ({}, []),
        ({"scores": SCORES}, ["loss", "grad"]),
        ({"clusters": "k3"}, ["place in its cluster, from the centre outwards"]),
    ],
)
def test_examples_are_random_and_from_both_ends_of_what_decided(changes, rankings):
    chosen = replace(CHOSEN, **changes)
    random_kept, random_dropped, *ranked = facts(chosen, {"k3": Clustering(3, "k 3", CLUSTERS)}).subsets[0].examples
    assert set(random_kept.ids) <= set(KEPT) and len(random_kept.ids) == EXAMPLES_PER_ROW
    assert set(random_dropped.ids) <= set(IDS) - set(KEPT)
    assert [row.how.partition(" ")[2] for row in ranked] == [what for what in rankings for _ in ("kept", "dropped")]
    if "loss" in rankings:
        losses = dict(zip(IDS, SCORES["loss"], strict=True))
        kept = sorted(KEPT, key=losses.get, reverse=ranked[0].how.startswith("highest"))
        assert list(ranked[0].ids) == kept[:EXAMPLES_PER_ROW]


def test_without_clusters_there_are_attributes_alone():
    found = facts(CHOSEN, {})
    assert found.clusterings == []
    assert [group.title for group in found.subsets[0].groupings] == ["hair"]
