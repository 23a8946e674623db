"""The facts of one dataset's page, from its manifest, clusterings and subsets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from steadyflow.data.images import DatasetInfo, attribute_codes, train_ids
from steadyflow.prune.keyed import keyed_permutation
from steadyflow.prune_page import facts
from steadyflow.prune_page.clusters import clusters_per_clustering, place_in_cluster, shown_clusters
from steadyflow.prune_page.examples import examples_per_row, extreme_examples, random_examples
from steadyflow.prune_page.sizes import grouping, largest_first, most_shifted


@dataclass(frozen=True)
class Clustering:
    """A clustering into `k`: `settings` in words; `table` with the columns id, cluster (0..k-1) and distance to the
    centre, a row per training image."""

    k: int
    settings: str
    table: pd.DataFrame


@dataclass(frozen=True)
class Selection:
    """A subset as it was chosen.

    label, rule, chosen_by: for readers; the last one line per entry of the study that it was chosen by
    table: the kept images, columns id and multiplicity
    kept_list, dropped_list: links to its lists of keys
    clusters: the clustering that it was chosen by, None where it was chosen without clusters
    scores: the scores that it was chosen by, columns id and one per measure, a row per training image; None without
    """

    label: str
    rule: str
    chosen_by: Sequence[str]
    table: pd.DataFrame
    kept_list: str
    dropped_list: str
    clusters: str | None = None
    scores: pd.DataFrame | None = None

    @property
    def kept(self) -> npt.NDArray[np.int64]:
        """Ids of the kept images."""
        return self.table["id"].to_numpy()


def dataset_facts(
    name: str,
    info: DatasetInfo,
    manifest: pd.DataFrame,
    clusterings: Mapping[str, Clustering],
    subsets: Mapping[str, Selection],
    overlaps: Mapping[str, Mapping[str, float]],
) -> facts.DatasetFacts:
    """All that the page shows of a dataset. `overlaps[a][b]`: the Jaccard index of subset a with every other subset
    b."""
    ids = train_ids(manifest)
    shuffled = ids[keyed_permutation(0, "examples", len(ids))]
    attributes = _attributes(info, manifest, ids)
    count, most = examples_per_row(len(subsets)), clusters_per_clustering(len(clusterings))

    def subset_facts(subset: str, chosen: Selection) -> facts.SubsetFacts:
        return facts.SubsetFacts(
            name=subset,
            label=chosen.label,
            rule=chosen.rule,
            chosen_by=chosen.chosen_by,
            n_kept=len(chosen.kept),
            drawn=int(chosen.table["multiplicity"].sum()),
            kept_list=chosen.kept_list,
            dropped_list=chosen.dropped_list,
            groupings=[*cluster_sizes(chosen, clusterings), *attribute_sizes(chosen.kept, ids, attributes)],
            examples=[*random_examples(shuffled, chosen.kept, count), *ranked_examples(chosen, clusterings, count)],
        )

    return facts.DatasetFacts(
        name=name,
        counts=info.counts,
        resolution=info.resolution,
        channels=info.channels,
        clusterings=[_clustering_facts(name, clustering, most) for name, clustering in clusterings.items()],
        subsets=[subset_facts(subset, chosen) for subset, chosen in subsets.items()],
        overlaps=[[1.0 if a == b else overlaps[a][b] for b in subsets] for a in subsets],
    )


def cluster_sizes(chosen: Selection, clusterings: Mapping[str, Clustering]) -> list[facts.Grouping]:
    """Sizes of the clusters that a subset was chosen by, or of the first clustering; none without any."""
    name = chosen.clusters or next(iter(clusterings), None)
    if name is None:
        return []
    table, numbers = clusterings[name].table, [str(number) for number in range(clusterings[name].k)]
    is_kept = np.isin(table["id"], chosen.kept)
    return [
        largest_first(grouping(f"clusters of {name}, largest first", numbers, table["cluster"].to_numpy(), is_kept))
    ]


def attribute_sizes(
    kept: npt.NDArray[np.int64],
    ids: npt.NDArray[np.int64],
    attributes: Mapping[str, tuple[Sequence[str], npt.NDArray[np.int64]]],
) -> list[facts.Grouping]:
    """Sizes of the groups of those `attributes` (values, code of each of `ids`) that pruning changes most."""
    is_kept = np.isin(ids, kept)
    return most_shifted([grouping(name, values, codes, is_kept) for name, (values, codes) in attributes.items()])


def ranked_examples(chosen: Selection, clusterings: Mapping[str, Clustering], count: int) -> list[facts.Examples]:
    """Images from the two ends of what a subset was chosen by: the place within a cluster, or each of the scores."""
    if chosen.clusters is not None:
        table = clusterings[chosen.clusters].table
        columns = (table[column].to_numpy() for column in ("id", "cluster", "distance"))
        rankings = {"place in its cluster, from the centre outwards": place_in_cluster(*columns)}
    elif chosen.scores is not None:
        table = chosen.scores
        rankings = {str(measure): table[measure].to_numpy() for measure in table if measure != "id"}
    else:
        return []
    ids = table["id"].to_numpy()
    return [row for what, value in rankings.items() for row in extreme_examples(ids, value, what, chosen.kept, count)]


def _attributes(
    info: DatasetInfo, manifest: pd.DataFrame, ids: npt.NDArray[np.int64]
) -> dict[str, tuple[Sequence[str], npt.NDArray[np.int64]]]:
    """The label and the attributes that have named values: those values, and the code of each of `ids`."""
    values = {"label": info.classes or [], **info.attributes}
    codes = attribute_codes(manifest, info)
    return {name: (values[name], column[ids]) for name, column in codes.items() if values[name]}


def _clustering_facts(name: str, clustering: Clustering, most: int) -> facts.ClusteringFacts:
    ids, cluster, distance = (clustering.table[column].to_numpy() for column in ("id", "cluster", "distance"))
    shown = shown_clusters(ids, cluster, distance, most)
    return facts.ClusteringFacts(name, clustering.settings, clustering.k, shown)
