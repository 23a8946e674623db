"""Clusterings, scorings and subsets."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, PositiveInt, Tag, model_validator

from steadyflow.study.specs.fields import Name, Neutral, Refers, Seed, Spec


def _fraction_removed(value: float) -> float:
    if not 0 <= value < 1:
        raise ValueError(f"{value} is not in [0, 1); it is the fraction of the training images that is removed")
    return value


PruningFraction = Annotated[float, AfterValidator(_fraction_removed)]


class Clustering(Spec):
    """Spherical k-means on the training images' embeddings."""

    encoder: Annotated[Name | None, Refers("encoders")] = None
    dataset: Annotated[Name | None, Refers("datasets")] = None
    k: Annotated[int, Field(ge=2)] = 24
    restarts: PositiveInt = 4
    compare_k: tuple[Annotated[int, Field(ge=2)], ...] = (4, 8, 12, 16, 20, 24, 28, 32, 40, 48)
    """Other k, which the figure number_of_clusters compares by inertia and silhouette. They do not affect the
    clusters."""
    seed: Seed = 0

    def identity(self) -> dict[str, Any]:
        return {key: value for key, value in super().identity().items() if key != "compare_k"}


class Scoring(Spec):
    """Loss and gradient scores of every training image under a surrogate run; the section's key names the run."""

    timesteps: PositiveInt = 8
    noises: PositiveInt = 2
    measures: Annotated[tuple[Literal["loss", "grad"], ...], Field(min_length=1, max_length=2)] = ("loss", "grad")
    seed: Seed = 0


class _Subset(Spec):
    compares_in_clustered_space: ClassVar[bool] = False
    """Whether its criterion needs the embeddings that were clustered."""
    keeps_population: ClassVar[bool] = False
    """Whether the kept images are a random draw of all, so that held-out images are of the same population."""

    dataset: Annotated[Name | None, Refers("datasets")] = None
    label: str = ""

    @property
    def listed_in(self) -> str | None:
        """The user's file with its ids, if any."""
        return None

    @property
    def members(self) -> tuple[str, ...]:
        """The subsets from which it is derived."""
        return ()

    @property
    def is_drawn_by_chance(self) -> bool:
        """Whether another seed selects other images."""
        return "seed" in type(self).model_fields


class RandomSubset(_Subset):
    keeps_population: ClassVar[bool] = True

    criterion: Literal["random"]
    pruning_fraction: PruningFraction
    seed: Seed = 0


class HalfSubset(_Subset):
    """One of two disjoint random halves."""

    keeps_population: ClassVar[bool] = True

    criterion: Literal["random_half"]
    part: Literal["a", "b"]
    seed: Seed = 0


class ClusterSubset(_Subset):
    """Quotas proportional to cluster size (p) or equal (b); nearest to the centre, or furthest (inv)."""

    criterion: Literal["cluster_p", "cluster_p_inv", "cluster_b", "cluster_b_inv"]
    pruning_fraction: PruningFraction
    clusters: Annotated[Name | None, Refers("clusterings")] = None


class ClusterRandomSubset(_Subset):
    """Quotas proportional to cluster size (p) or equal (b), random inside each cluster."""

    criterion: Literal["cluster_p_random", "cluster_b_random"]
    pruning_fraction: PruningFraction
    clusters: Annotated[Name | None, Refers("clusterings")] = None
    seed: Seed = 0


class _InSpace(_Subset):
    space: Literal["latents", "embeddings"] = "latents"
    """The space in which images are compared."""
    tokenizer: Annotated[Name | None, Refers("tokenizers")] = None
    """The tokenizer of the latents; it may belong to another dataset."""
    encoder: Annotated[Name | None, Refers("encoders")] = None
    """The encoder of the embeddings, which are L2-normalised."""

    @model_validator(mode="after")
    def _one_space(self) -> Self:
        unused = self.optional_references & self.model_fields_set
        if unused:
            raise ValueError(f"has `{unused.pop()}`, but is chosen among {self.space}: leave it out, or change `space`")
        return self

    @property
    def optional_references(self) -> set[str]:
        return {"encoder"} if self.space == "latents" else {"tokenizer"}


class KernelSubset(_InSpace):
    """Kernel herding: a subset whose mean matches that of all images, in the feature space of an RBF kernel."""

    criterion: Literal["kernel"]
    pruning_fraction: PruningFraction
    seed: Seed = 0


class KernelClusterSubset(_InSpace):
    """Kernel herding inside each cluster; quotas proportional to size (p) or equal (b)."""

    criterion: Literal["kernel_p", "kernel_b"]
    pruning_fraction: PruningFraction
    clusters: Annotated[Name | None, Refers("clusterings")] = None
    seed: Seed = 0


class KCentreSubset(_InSpace):
    """Greedy k-centre: successively the image furthest from all kept so far."""

    criterion: Literal["k_centre"]
    pruning_fraction: PruningFraction
    seed: Seed = 0


class DeduplicatedSubset(_Subset):
    """SemDeDup: the images least similar to another one of their cluster, in the embeddings that were clustered."""

    compares_in_clustered_space: ClassVar[bool] = True

    criterion: Literal["semdedup"]
    pruning_fraction: PruningFraction
    clusters: Annotated[Name | None, Refers("clusterings")] = None


class ScoreSubset(_Subset):
    """Highest scores kept, or lowest (inv)."""

    criterion: Literal["loss", "loss_inv", "grad", "grad_inv"]
    pruning_fraction: PruningFraction
    scores: Annotated[Name | None, Refers("scorings")] = None


class StratifiedSubset(_Subset):
    """Coverage-centric selection: without the hardest, equal budgets over strata of the score, random inside each."""

    criterion: Literal["loss_ccs", "grad_ccs"]
    pruning_fraction: PruningFraction
    scores: Annotated[Name | None, Refers("scorings")] = None
    hardest_cut: PruningFraction = 0.1
    """Fraction of all training images, those of highest score, that is removed first; part of pruning_fraction."""
    strata: PositiveInt = 50
    seed: Seed = 0

    @model_validator(mode="after")
    def _cut_inside_pruning(self) -> Self:
        if self.hardest_cut > self.pruning_fraction:
            raise ValueError(
                f"hardest_cut, {self.hardest_cut}, is more than the pruning_fraction, {self.pruning_fraction}, that "
                "is removed in all; lower it"
            )
        return self


class ByAttribute(_Subset):
    """By an attribute of the images."""

    classifier: Annotated[Name | None, Neutral(None)] = None
    """A probe or an entry of `classifiers` that predicts the attribute of every training image; by default it is the
    dataset's own."""


class AttributeValueSubset(ByAttribute):
    """Only the images of one attribute value (`label` names the classes)."""

    criterion: Literal["attribute_value"]
    attribute: str
    value: str


class AttributeBalancedSubset(ByAttribute):
    """Equal quotas for each value of an attribute, random inside."""

    criterion: Literal["attribute_balanced"]
    attribute: str
    pruning_fraction: PruningFraction
    seed: Seed = 0


class AttributeOversampledSubset(ByAttribute):
    """Images repeated until each value of an attribute is as frequent as the most frequent."""

    criterion: Literal["attribute_oversampled"]
    attribute: str
    seed: Seed = 0


class ClusterOversampledSubset(_Subset):
    """Images repeated until each cluster is as large as the largest."""

    criterion: Literal["cluster_oversampled"]
    clusters: Annotated[Name | None, Refers("clusterings")] = None
    seed: Seed = 0


def _number_or_list(value: Any) -> str:
    return "<number>" if isinstance(value, int) else "<list>"


class DropClustersSubset(_Subset):
    """Whole clusters removed."""

    criterion: Literal["drop_clusters"]
    drop: Annotated[
        Annotated[PositiveInt, Tag("<number>")]
        | Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1), Tag("<list>")],
        Discriminator(_number_or_list),
    ]
    """Number of random clusters, or a list of clusters."""
    clusters: Annotated[Name | None, Refers("clusterings")] = None
    seed: Seed = 0

    @property
    def is_drawn_by_chance(self) -> bool:
        return isinstance(self.drop, int)


class IntersectionSubset(_Subset):
    """The intersection of several subsets."""

    criterion: Literal["intersection"]
    of: Annotated[tuple[Name, ...], Field(min_length=2), Refers("subsets")]

    @property
    def members(self) -> tuple[str, ...]:
        return self.of


class ComplementSubset(_Subset):
    """The training images that are not in another subset."""

    criterion: Literal["complement"]
    of: Annotated[Name, Refers("subsets")]

    @property
    def members(self) -> tuple[str, ...]:
        return (self.of,)


class ListedSubset(_Subset):
    """The images listed in a file: a text file with one per line, a JSON list, or a column of a Parquet file."""

    criterion: Literal["listed"]
    file: Annotated[str, Field(min_length=1)]
    entries: Literal["keys", "ids"] = "keys"
    """Whether the file contains keys or ids of the manifest. A Parquet file's column is called key or id; its optional
    column multiplicity is how often each image is repeated."""

    @property
    def listed_in(self) -> str:
        return self.file


Subset = Annotated[
    RandomSubset
    | HalfSubset
    | ClusterSubset
    | ClusterRandomSubset
    | KernelSubset
    | KernelClusterSubset
    | KCentreSubset
    | DeduplicatedSubset
    | ScoreSubset
    | StratifiedSubset
    | AttributeValueSubset
    | AttributeBalancedSubset
    | AttributeOversampledSubset
    | ClusterOversampledSubset
    | DropClustersSubset
    | IntersectionSubset
    | ComplementSubset
    | ListedSubset,
    Field(discriminator="criterion"),
]
