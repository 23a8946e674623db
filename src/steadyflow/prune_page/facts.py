"""What the pruning page shows, as plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Grouping:
    """Sizes of the groups `names`: of all images `before` pruning, and of the kept images `after` it."""

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
    """A row of images that are all kept or all dropped, and `how` they were picked out."""

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
    """A subset: its rule in words, what it was chosen by (one line each), its lists of keys, and what it changes.

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
        """Every image on the page, once, in rising order."""
        clusters = [cluster.nearest for clustering in self.clusterings for cluster in clustering.clusters]
        examples = [row.ids for subset in self.subsets for row in subset.examples]
        return sorted({index for ids in (*clusters, *examples) for index in ids})
