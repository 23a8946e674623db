"""The clusters that the page shows, and an image's place within its cluster."""

import numpy as np
import numpy.typing as npt

from steadyflow.prune_page.facts import Cluster

CLUSTERS_SHOWN, FEWEST_CLUSTERS, NEAREST_SHOWN = 24, 6, 6

Ids = npt.NDArray[np.int64]


def clusters_per_clustering(clusterings: int) -> int:
    """How many clusters of each of so many clusterings are shown: CLUSTERS_SHOWN in all, FEWEST_CLUSTERS at least."""
    return max(FEWEST_CLUSTERS, CLUSTERS_SHOWN // max(clusterings, 1))


def shown_clusters(
    ids: Ids, cluster: Ids, distance: npt.NDArray[np.floating], most: int = CLUSTERS_SHOWN
) -> list[Cluster]:
    """At most `most` clusters, evenly spread over their order of size, largest first.

    `ids`, `cluster` (0..k-1) and `distance` to the centre are [n]; equal distances go to the lower id.
    """
    sizes = np.bincount(cluster)
    occupied = np.flatnonzero(sizes)
    by_size = occupied[np.argsort(-sizes[occupied], kind="stable")]
    places = np.unique(np.linspace(0, len(by_size) - 1, min(len(by_size), most)).round().astype(int))
    found = []
    for number in by_size[places].tolist():
        members = np.flatnonzero(cluster == number)
        nearest = members[np.lexsort((ids[members], distance[members]))[:NEAREST_SHOWN]]
        found.append(Cluster(number, len(members), ids[nearest].tolist()))
    return found


def place_in_cluster(ids: Ids, cluster: Ids, value: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """The rank [n] of each image among its cluster (0..k-1) by `value`, over the cluster's size: in [0, 1); equal
    values go to the lower id."""
    order = np.lexsort((ids, value, cluster))
    sizes = np.bincount(cluster)
    place = np.empty(len(ids))
    place[order] = (np.arange(len(ids)) - np.repeat(np.cumsum(sizes) - sizes, sizes)) / np.repeat(sizes, sizes)
    return place
