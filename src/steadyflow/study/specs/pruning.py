"""Clusters, scores, and the subsets chosen by them."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PositiveInt

from steadyflow.study.specs.fields import Name, Seed, Spec


def _fraction_removed(value: float) -> float:
    if not 0 <= value < 1:
        raise ValueError(f"{value} is not in [0, 1); it is the fraction of the training images that is removed")
    return value


PruningFraction = Annotated[float, AfterValidator(_fraction_removed)]


class Clustering(Spec):
    """Spherical k-means on the training images' embeddings."""

    encoder: Name | None = None
    dataset: Name | None = None
    k: Annotated[int, Field(ge=2)] = 24
    restarts: PositiveInt = 4
    compare_k: tuple[Annotated[int, Field(ge=2)], ...] = (4, 8, 12, 16, 20, 24, 28, 32, 40, 48)
    """The numbers that the figure number_of_clusters compares with k, by inertia and silhouette. They change no
    cluster."""
    seed: Seed = 0

    def identity(self) -> dict[str, Any]:
        return {key: value for key, value in super().identity().items() if key != "compare_k"}


class Scoring(Spec):
    """Loss and gradient scores of every training image under a surrogate run; the section's key names the run."""

    timesteps: PositiveInt = 8
    noises: PositiveInt = 2
    measures: tuple[Literal["loss", "grad"], ...] = ("loss", "grad")
    seed: Seed = 0


class _Subset(Spec):
    dataset: Name | None = None
    label: str = ""


class RandomSubset(_Subset):
    criterion: Literal["random"]
    pruning_fraction: PruningFraction
    seed: Seed = 0


class HalfSubset(_Subset):
    """One of two disjoint random halves."""

    criterion: Literal["random_half"]
    part: Literal["a", "b"]
    seed: Seed = 0


class ClusterSubset(_Subset):
    """Quotas proportional to cluster size (p) or equal (b); nearest to the centre, or furthest (inv)."""

    criterion: Literal["cluster_p", "cluster_p_inv", "cluster_b", "cluster_b_inv"]
    pruning_fraction: PruningFraction
    clusters: Name | None = None


class ScoreSubset(_Subset):
    """Highest scores kept, or lowest (inv)."""

    criterion: Literal["loss", "loss_inv", "grad", "grad_inv"]
    pruning_fraction: PruningFraction
    scores: Name | None = None


class AttributeValueSubset(_Subset):
    """Only the images of one attribute value (`label` names the classes)."""

    criterion: Literal["attribute_value"]
    attribute: str
    value: str


class AttributeBalancedSubset(_Subset):
    """Equal quotas for each value of an attribute, random inside."""

    criterion: Literal["attribute_balanced"]
    attribute: str
    pruning_fraction: PruningFraction
    seed: Seed = 0


Subset = Annotated[
    RandomSubset | HalfSubset | ClusterSubset | ScoreSubset | AttributeValueSubset | AttributeBalancedSubset,
    Field(discriminator="criterion"),
]
