"""The pruning criteria: the registry that a study names and docs/pruning.md lists.

A criterion is a function of plain arrays, which are passed by the names in its signature.

| argument | what it is |
|---|---|
| ids | int64 [n], the training images; other arrays [n] are in this order |
| keep, seed | number of images to keep; seed of random draws |
| group | cluster, or code of an attribute's value (-1 unknown), int64 [n] |
| distance | cosine distance to the cluster's centre, float64 [n] |
| score | difficulty of each image, float64 [n] |
| features | function from rows, int64 [m], to float32 [m, d]: latents or embeddings |
| members | ids of other subsets |
| listed | ids in a file |

and part, value, drop, hardest_cut, strata, with their values in the study. It returns ids, int64 and increasing, each
repeated by its multiplicity. Criteria with `keep` return exactly `keep` ids.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from steadyflow.prune.criteria.by_chance import random_half, random_ids
from steadyflow.prune.criteria.by_group import (
    group_ids,
    oversampled_ids,
    random_in_groups,
    ranked_in_groups,
    without_groups,
)
from steadyflow.prune.criteria.by_herding import herded_ids, herded_in_groups
from steadyflow.prune.criteria.by_list import complement_ids, intersection_ids, listed_ids
from steadyflow.prune.criteria.by_score import score_ids, stratified_ids
from steadyflow.prune.criteria.by_similarity import deduplicated_ids, k_centre_ids

_OURS = "the papers"
_HERDING = "Chen et al. 2010"
_CCS = "Zheng et al. 2023 (CCS)"


@dataclass(frozen=True)
class Criterion:
    """A criterion: what it keeps and its source, in words, and the function that selects."""

    keeps: str
    source: str
    choose: Callable[..., np.ndarray]

    @property
    def needs(self) -> tuple[str, ...]:
        """The names of the function's required arguments."""
        parameters = inspect.signature(self.choose).parameters.values()
        return tuple(argument.name for argument in parameters if argument.default is argument.empty)


def _of_clusters(name: Literal["cluster_p", "cluster_b"]) -> dict[str, Criterion]:
    quota: Literal["proportional", "balanced"] = "proportional" if name == "cluster_p" else "balanced"
    shares = "a quota in proportion to its size" if name == "cluster_p" else "an equal quota"
    ranked = partial(ranked_in_groups, quota=quota)
    drawn = partial(random_in_groups, quota=quota, purpose=f"{name} random")
    return {
        name: Criterion(f"of each cluster {shares}, nearest to the centre", _OURS, partial(ranked, furthest=False)),
        f"{name}_inv": Criterion(f"of each cluster {shares}, furthest from it", _OURS, partial(ranked, furthest=True)),
        f"{name}_random": Criterion(f"of each cluster {shares}, at random", "a baseline", drawn),
        name.replace("cluster", "kernel"): Criterion(
            f"of each cluster {shares}, whose mean is the cluster's: kernel herding",
            f"{_HERDING}; {_OURS}",
            partial(herded_in_groups, quota=quota),
        ),
    }


def _of_scores(measure: Literal["loss", "grad"]) -> dict[str, Criterion]:
    of = "loss" if measure == "loss" else "gradient norm"
    strata = partial(stratified_ids, purpose=f"{measure} strata")
    return {
        measure: Criterion(f"the highest {of}", _OURS, partial(score_ids, lowest=False)),
        f"{measure}_inv": Criterion(f"the lowest {of}", _OURS, partial(score_ids, lowest=True)),
        f"{measure}_ccs": Criterion(f"equally many of all ranges of the {of}, but the hardest", _CCS, strata),
    }


CRITERIA: dict[str, Criterion] = {
    "random": Criterion("a random subset; of one seed, the smaller lies inside the larger", "a baseline", random_ids),
    "random_half": Criterion("half a or b of a random split", _OURS, random_half),
    **_of_clusters("cluster_p"),
    **_of_clusters("cluster_b"),
    "kernel": Criterion("a subset whose mean is that of all: kernel herding", _HERDING, herded_ids),
    "k_centre": Criterion(
        "always the image furthest from all kept so far", "Sener and Savarese 2018; Gonzalez 1985", k_centre_ids
    ),
    "semdedup": Criterion(
        "inside clusters, what is least like an image further from the centre",
        "Abbas et al. 2023 (SemDeDup)",
        deduplicated_ids,
    ),
    **_of_scores("loss"),
    **_of_scores("grad"),
    "attribute_value": Criterion("the images of one value of an attribute", _OURS, group_ids),
    "attribute_balanced": Criterion(
        "equally many of each value of an attribute, at random",
        _OURS,
        partial(random_in_groups, quota="balanced", purpose="attribute balanced"),
    ),
    "attribute_oversampled": Criterion(
        "every image, repeated until each value of an attribute is as frequent as the most frequent",
        "a baseline",
        partial(oversampled_ids, purpose="attribute oversampled"),
    ),
    "cluster_oversampled": Criterion(
        "every image, repeated until each cluster is as large as the largest",
        "a baseline",
        partial(oversampled_ids, purpose="cluster oversampled"),
    ),
    "drop_clusters": Criterion("all but whole clusters, so many at random or those listed", _OURS, without_groups),
    "intersection": Criterion("what other subsets have in common", "", intersection_ids),
    "complement": Criterion("what another subset leaves out", "", complement_ids),
    "listed": Criterion("what a file names", "", listed_ids),
}
