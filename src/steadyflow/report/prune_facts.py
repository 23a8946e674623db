"""What the pruning page shows, as plain values: sizes of groups before and after, clusters, examples.

Everything is bounded, however large the dataset: so many clusters, so many examples, so many attributes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]

CLUSTERS_SHOWN, NEAREST_SHOWN = 24, 6
EXAMPLES_A_ROW, FEWEST_EXAMPLES, EXAMPLES_A_DATASET = 12, 3, 192
ATTRIBUTES_SHOWN = 6


@dataclass(frozen=True)
class Grouping:
    """How many images of each group there were `before`, and how many are kept `after`."""

    title: str
    names: Sequence[str]
    before: Sequence[int]
    after: Sequence[int]

    @property
    def shift(self) -> float:
        """Total variation distance of the groups' shares before and after, in [0, 1]; 0 where all are unknown."""
        shares = [np.asarray(sizes) / max(sum(sizes), 1) for sizes in (self.before, self.after)]
        return float(np.abs(shares[1] - shares[0]).sum() / 2)


@dataclass(frozen=True)
class Examples:
    """A row of images that the rule keeps, or drops, and `how` they were picked out."""

    kept: bool
    how: str
    ids: Sequence[int]


@dataclass(frozen=True)
class Cluster:
    """Its number, its size, and the images nearest to its centre, nearest first."""

    number: int
    size: int
    nearest: Sequence[int]


@dataclass(frozen=True)
class ClusteringFacts:
    """Some clusters of a clustering into `k`, largest first; `settings` as `name value` pairs."""

    name: str
    settings: str
    k: int
    clusters: Sequence[Cluster]


@dataclass(frozen=True)
class SubsetFacts:
    """A subset: its rule in words, what it was chosen by (one line each), where its lists are, what it changes.

    `drawn` counts repeated images as often as they are repeated; `kept_list` and `dropped_list` are relative links.
    """

    name: str
    label: str
    rule: str
    chosen_by: Sequence[str]
    n_kept: int
    drawn: int
    kept_list: str
    dropped_list: str
    groupings: Sequence[Grouping]
    examples: Sequence[Examples]


@dataclass(frozen=True)
class DatasetFacts:
    """A dataset and its subsets; `overlaps[i][j]` is the Jaccard index of subsets i and j."""

    name: str
    counts: Mapping[str, int]
    resolution: int
    channels: int
    clusterings: Sequence[ClusteringFacts]
    subsets: Sequence[SubsetFacts]
    overlaps: Sequence[Sequence[float]]

    @property
    def shown_ids(self) -> list[int]:
        """Every image on the page, once."""
        clusters = [cluster.nearest for clustering in self.clusterings for cluster in clustering.clusters]
        examples = [row.ids for subset in self.subsets for row in subset.examples]
        return sorted({index for ids in (*clusters, *examples) for index in ids})


def grouping(title: str, names: Sequence[str], codes: npt.NDArray[np.int64], kept: npt.NDArray[np.bool_]) -> Grouping:
    """Sizes of the groups that `codes` [n] (0..len(names)-1, -1 unknown) make of all and of the `kept` [n] images."""
    sizes = [np.bincount(chosen[chosen >= 0], minlength=len(names)).tolist() for chosen in (codes, codes[kept])]
    return Grouping(title, names, *sizes)


def most_shifted(groupings: Sequence[Grouping]) -> list[Grouping]:
    """Those whose shares pruning changes most, the greatest change first."""
    return sorted(groupings, key=lambda entry: -entry.shift)[:ATTRIBUTES_SHOWN]


def largest_first(entry: Grouping) -> Grouping:
    """The same groups in order of their sizes before; equal ones stay in order."""
    order = np.argsort(-np.asarray(entry.before), kind="stable").tolist()
    columns = ([column[place] for place in order] for column in (entry.names, entry.before, entry.after))
    return Grouping(entry.title, *columns)


def shown_clusters(ids: Ids, cluster: Ids, distance: npt.NDArray[np.floating]) -> list[Cluster]:
    """At most CLUSTERS_SHOWN clusters, evenly spread over their order of size, largest first.

    `ids`, `cluster` (0..k-1) and `distance` to the centre are [n]; equal distances go to the lower id.
    """
    sizes = np.bincount(cluster)
    occupied = np.flatnonzero(sizes)
    by_size = occupied[np.argsort(-sizes[occupied], kind="stable")]
    places = np.unique(np.linspace(0, len(by_size) - 1, min(len(by_size), CLUSTERS_SHOWN)).round().astype(int))
    found = []
    for number in by_size[places].tolist():
        members = np.flatnonzero(cluster == number)
        nearest = members[np.lexsort((ids[members], distance[members]))[:NEAREST_SHOWN]]
        found.append(Cluster(number, len(members), ids[nearest].tolist()))
    return found


def examples_a_row(subsets: int) -> int:
    """How many images each row of examples has, so that many subsets do not make a heavy page."""
    return max(FEWEST_EXAMPLES, min(EXAMPLES_A_ROW, EXAMPLES_A_DATASET // (4 * subsets)))


def drawn_examples(shuffled: Ids, kept: Ids, count: int) -> list[Examples]:
    """The first kept and the first dropped of the images in a random order; that order serves all subsets."""
    is_kept = np.isin(shuffled, kept)
    return [Examples(side, "drawn at random", shuffled[is_kept == side][:count].tolist()) for side in (True, False)]


def ranked_examples(ids: Ids, value: npt.NDArray[np.floating], what: str, kept: Ids, count: int) -> list[Examples]:
    """The far ends of a ranking `value` [n] of `ids` [n]: the first kept and the last dropped, or the reverse.

    Which end is the kept one is seen from the means, so that no criterion has to say it.
    """
    is_kept = np.isin(ids, kept)
    if is_kept.all():
        return []
    order = np.lexsort((ids, value))
    low_kept = value[is_kept].mean() <= value[~is_kept].mean()

    def end(side: bool) -> Examples:
        lowest = side == low_kept
        ranked = order if lowest else order[::-1]
        shown = ids[ranked[is_kept[ranked] == side][:count]].tolist()
        return Examples(side, f"{'lowest' if lowest else 'highest'} {what}", shown)

    return [end(True), end(False)]
