"""The typed study: what each section of a study file may say. Unknown keys are errors.

Every field but `label` belongs to the identity of what it describes: a change of it makes a new result. Where,
how and how fast something is computed (results folder, profile, device, batch size of inference) is not said here.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PositiveFloat,
    PositiveInt,
    Tag,
    field_validator,
    model_validator,
)

from steadyflow.names import VELOCITY_MODELS

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$"
Name = Annotated[str, Field(pattern=NAME)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


def _fraction_removed(value: float) -> float:
    if not 0 <= value < 1:
        raise ValueError(f"{value} is not in [0, 1); it is the fraction of the training images that is removed")
    return value


def _known_velocity(value: str) -> str:
    if value not in VELOCITY_MODELS:
        raise ValueError(f"unknown velocity model '{value}' (known: {', '.join(VELOCITY_MODELS)})")
    return value


def _folder_by_folder(value: str) -> str:
    for part in value.split("/"):
        if part in (".", "..") or "**" in part:
            raise ValueError(f"'{value}' holds '{part}'; name each folder on the way, or write * for it")
    return value


PruningFraction = Annotated[float, AfterValidator(_fraction_removed)]
Pattern = Annotated[str, Field(pattern=r"^[\w.*?+\[\]-]+(/[\w.*?+\[\]-]+)*$"), AfterValidator(_folder_by_folder)]
"""Of files' paths inside a folder."""


class Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    def identity(self) -> dict[str, Any]:
        """All that defines the result, as JSON can hold it."""
        return self.model_dump(mode="json", exclude={"label"})


class _Source(Spec):
    arguments: ClassVar[set[str]] = set()
    """What the function that opens the source takes."""
    fit: ClassVar[Literal["crop", "pad"]] = "crop"
    """How its images come to the resolution."""
    bad_images: Literal["error", "skip"] = "error"
    """What to do with an unreadable image or one of another mode; skipped images are listed in dataset.json."""

    @property
    def files(self) -> list[str]:
        """Files and folders outside the results that it is made from."""
        return []

    @property
    def downloaded(self) -> bool:
        """Whether its files are fetched into the study's downloads."""
        return False


class _HashSplit(_Source):
    val_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Share of the images held out, chosen by a stable hash of each key."""


class _OwnSplit(_Source):
    val_fraction: Literal[0] = 0
    """The source has a validation split of its own."""


class SyntheticFaces(_HashSplit):
    """Faces drawn from a seed, with exactly known attributes."""

    arguments: ClassVar[set[str]] = {"count", "seed", "resolution"}

    source: Literal["synthetic_faces"]
    count: PositiveInt = 5000
    seed: Seed = 0
    resolution: PositiveInt = 64

    @property
    def channels(self) -> int:
        return 3


class Idx(_OwnSplit):
    """MNIST's file format; the test files are the validation split."""

    arguments: ClassVar[set[str]] = {"folder"}
    fit: ClassVar[Literal["crop", "pad"]] = "pad"

    source: Literal["idx"]
    folder: str = "/usr/share/datasets/fashion-mnist"
    resolution: PositiveInt = 32
    """Images are padded with zeros to this size."""

    @property
    def channels(self) -> int:
        return 1


class Digits(_HashSplit):
    """scikit-learn's 1,797 handwritten digits of 8x8 pixels."""

    source: Literal["digits"]
    resolution: PositiveInt = 16

    @property
    def channels(self) -> int:
        return 1


class Folder(_HashSplit):
    """Any folder of images, or a tar or zip archive of one. Nothing is converted: all images have `channels`."""

    arguments: ClassVar[set[str]] = {"path", "labels_csv", "channels", "classes"}

    source: Literal["folder"]
    path: str
    resolution: PositiveInt
    channels: Literal[1, 3] = 3
    labels_csv: str | None = None
    """Columns file, label (optional) and attributes."""
    classes: Literal["subfolders", "none"] = "subfolders"
    """Without a labels_csv: the first level of subfolders names the classes, or nothing does (FFHQ's are numbers)."""

    @property
    def files(self) -> list[str]:
        return [path for path in (self.path, self.labels_csv) if path]


class ImageFolder(_OwnSplit):
    """ImageNet's layout: `path`, or an archive, holds train/CLASS/*.JPEG and val/CLASS/*.JPEG. Classes are counted in
    sorted order. Grey and CMYK images among coloured ones become RGB."""

    arguments: ClassVar[set[str]] = {"path", "class_names", "channels"}

    source: Literal["imagefolder"]
    path: str
    resolution: PositiveInt
    channels: Literal[1, 3] = 3
    class_names: str | None = None
    """A file with a line `n01440764 tench, Tinca tinca` for each class folder (ImageNet's LOC_synset_mapping.txt)."""

    @property
    def files(self) -> list[str]:
        return [path for path in (self.path, self.class_names) if path]


class CelebA(_OwnSplit):
    """CelebA with its 40 attributes (yes, no). `path` holds img_align_celeba/ (or .zip), list_attr_celeba.txt and
    list_eval_partition.txt, as its authors give them out; their test images are left out."""

    arguments: ClassVar[set[str]] = {"path"}

    source: Literal["celeba"]
    path: str
    resolution: PositiveInt = 64

    @property
    def channels(self) -> int:
        return 3

    @property
    def files(self) -> list[str]:
        return [self.path]


class _Downloaded(_Source):
    arguments: ClassVar[set[str]] = {"path"}

    path: str | None = None
    """A folder that holds the files already; they are downloaded when it is left out."""

    @property
    def files(self) -> list[str]:
        return [self.path] if self.path else []

    @property
    def downloaded(self) -> bool:
        return self.path is None


class Cifar10(_Downloaded, _OwnSplit):
    """CIFAR-10's binary version; the test batch is the validation split."""

    source: Literal["cifar10"]
    resolution: PositiveInt = 32

    @property
    def channels(self) -> int:
        return 3


class HuggingFace(_Downloaded):
    """Parquet shards of a dataset on the Hugging Face hub, one row an image; grey images among coloured become RGB."""

    arguments: ClassVar[set[str]] = {
        "path", "train", "val", "image_column", "label_column", "channels", "listed",
    }  # fmt: skip

    source: Literal["huggingface"]
    repo: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
    revision: str = "main"
    """A commit's hash pins the content; a branch may move."""
    train: Pattern = "data/train-*.parquet"
    """Shards of the training split, a pattern of paths inside the repository."""
    val: Pattern | None = None
    """Shards of the validation split; without it val_fraction of the training images is held out."""
    image_column: str = "image"
    label_column: str | None = "label"
    """Whole numbers, with class names in the shards' metadata or without; null when the images have no classes."""
    resolution: PositiveInt
    channels: Literal[1, 3] = 3
    val_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.1

    @model_validator(mode="after")
    def _split_said_once(self) -> Self:
        if self.val is not None and "val_fraction" in self.model_fields_set:
            raise ValueError("has both `val` and `val_fraction`: the validation split is either a file's or a share")
        if self.val is None and not self.val_fraction:
            raise ValueError("has no validation images: name their shards in `val`, or give a `val_fraction`")
        return self


Dataset = Annotated[
    SyntheticFaces | Idx | Digits | Folder | ImageFolder | CelebA | Cifar10 | HuggingFace,
    Field(discriminator="source"),
]


class Perceptual(Spec):
    """LPIPS, in the features of a network whose weights resources/weights.lock names."""

    network: Literal["lpips_vgg16"] = "lpips_vgg16"
    weight: PositiveFloat = 1.0


class Adversarial(Spec):
    """A PatchGAN with a hinge loss; its gradient is balanced against the reconstruction's at the last layer."""

    start: Annotated[int, Field(ge=0)] = 5000
    """The first step with it."""
    weight: PositiveFloat = 0.5
    width: PositiveInt = 64
    """Filters of the discriminator's first layer."""
    layers: PositiveInt = 3


def _term(value: Any) -> str | None:
    # load._describe leaves parts in such brackets out of a mistake's place.
    return "<none>" if value == "none" else "<term>" if isinstance(value, Mapping | Spec) else None


_one_of = Discriminator(
    _term, custom_error_type="term", custom_error_message="is neither 'none' nor a mapping of its settings"
)


class Tokenizer(Spec):
    """A VQ-VAE. Width of level i: width * multipliers[i]; downsampling 2 ** (len(multipliers) - 1)."""

    label: str = ""
    """Shown in tables and figures; the tokenizer's name when empty."""
    dataset: Name | None = None
    """The dataset it is trained on; may be left out when the study has one."""
    width: PositiveInt = 128
    multipliers: Annotated[tuple[PositiveInt, ...], Field(min_length=2, max_length=4)] = (1, 2, 4, 4)
    blocks: PositiveInt = 2
    """Residual blocks per level of the encoder; the decoder has one more."""
    codebook_size: PositiveInt = 8192
    codebook_init: Literal["uniform", "data"] = "uniform"
    """U(-1/size, 1/size) as in the papers, or codes drawn from the first images' encodings, for short trainings."""
    latent_channels: PositiveInt = 4
    commitment: PositiveFloat = 0.25
    perceptual: Annotated[Annotated[Perceptual, Tag("<term>")] | Annotated[Literal["none"], Tag("<none>")], _one_of] = (
        Perceptual()
    )
    adversarial: Annotated[
        Annotated[Adversarial, Tag("<term>")] | Annotated[Literal["none"], Tag("<none>")], _one_of
    ] = Adversarial()
    revive_codes_every: PositiveInt | None = None
    """Every so many steps the codes not chosen since become encodings of that step's images. Not in the papers."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Of the networks; codes, losses, weights and optimiser are fp32 in either case."""
    steps: PositiveInt = 100_000
    batch_size: PositiveInt = 64
    learning_rate: PositiveFloat = 1e-4
    clip_norm: PositiveFloat = 2.0
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    seed: Seed = 0

    @field_validator("width")
    @classmethod
    def _width_in_fours(cls, value: int) -> int:
        if value % 4:
            raise ValueError(f"{value} is not a multiple of 4 (group normalisation needs that)")
        return value

    @property
    def downsampling(self) -> int:
        return 2 ** (len(self.multipliers) - 1)

    @property
    def losses(self) -> str:
        """What its reconstructions are trained on, in a few words."""
        terms = {"LPIPS": self.perceptual, "GAN": self.adversarial}
        return " + ".join(["MSE", *(word for word, term in terms.items() if term != "none")])


class ProbeEncoder(Spec):
    """A small classifier trained on the dataset's own label and attributes; its features and its heads are used."""

    kind: Literal["probe"] = "probe"
    dataset: Name | None = None
    width: Annotated[int, Field(gt=0, multiple_of=8)] = 32
    feature_dim: PositiveInt = 64
    steps: PositiveInt = 1000
    batch_size: PositiveInt = 64
    learning_rate: PositiveFloat = 1e-3
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.99
    seed: Seed = 0


class Clustering(Spec):
    """Spherical k-means on the training images' embeddings."""

    encoder: Name | None = None
    dataset: Name | None = None
    k: Annotated[int, Field(ge=2)] = 24
    restarts: PositiveInt = 4
    inertia_over: tuple[Annotated[int, Field(ge=2)], ...] = (4, 8, 12, 16, 20, 24, 28, 32, 40, 48)
    """The k of the inertia curve, by whose elbow k is chosen."""
    seed: Seed = 0


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


class FlowMatching(Spec):
    """Conditional flow matching (eq. 1)."""

    kind: Literal["flow_matching"] = "flow_matching"
    coupling: Literal["independent", "ot"] = "independent"
    """How noise and data meet in a batch: as drawn, or by exact minibatch optimal transport."""

    @property
    def takes_whole_batches(self) -> bool:
        return self.coupling == "ot"


class ExplicitFlowMatching(Spec):
    """Flow matching to the closed-form velocity of some samples (eq. 2), those of the batch among them."""

    kind: Literal["explicit_flow_matching"]
    candidates: PositiveInt = 256
    """How many; of a conditional run's, a row sees those of its own class."""

    @property
    def takes_whole_batches(self) -> bool:
        return True


class Diffusion(Spec):
    """Score-based diffusion (DDPM): the same network predicts the noise."""

    kind: Literal["diffusion"]
    schedule: Literal["linear", "cosine"] = "linear"
    timesteps: Annotated[int, Field(ge=50)] = 1000

    @property
    def takes_whole_batches(self) -> bool:
        return False


def _spelt_out(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


_AnyObjective = Annotated[FlowMatching | ExplicitFlowMatching | Diffusion, Field(discriminator="kind")]
Objective = Annotated[
    _AnyObjective,
    BeforeValidator(
        _spelt_out,
        json_schema_input_type=Literal["flow_matching", "explicit_flow_matching", "diffusion"] | _AnyObjective,
    ),
]
"""A kind alone, `diffusion`, or one with its settings."""


def _invertible(rows: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
    if any(len(row) != len(rows) for row in rows):
        raise ValueError(f"rows of {[len(row) for row in rows]} numbers are no square matrix")
    # Elimination in exact numbers: where no pivot is left, the rows depend on each other.
    left = [[Fraction(number) for number in row] for row in rows]
    for column in range(len(left)):
        pivot = next((row for row in left if row[column]), None)
        if pivot is None:
            raise ValueError("the matrix is singular: it cannot be undone before decoding")
        left.remove(pivot)
        left = [[a - row[column] / pivot[column] * b for a, b in zip(row, pivot, strict=True)] for row in left]
    return rows


Matrix = Annotated[
    tuple[tuple[Annotated[float, Field(allow_inf_nan=False)], ...], ...],
    Field(min_length=1),
    AfterValidator(_invertible),
]


def _word_or_matrix(value: Any) -> str:
    return "<word>" if isinstance(value, str) else "<matrix>"


class Run(Spec):
    """One velocity model, trained here or elsewhere."""

    training: ClassVar[frozenset[str]] = frozenset(
        {"precision", "label_dropout", "steps", "batch_size", "learning_rate", "ema_decay", "seed"}
    )
    """The keys that say how it is trained."""

    label: str = ""
    """Shown in tables and figures; the run's name when empty."""
    dataset: Name | None = None
    tokenizer: Name | None = None
    """May belong to another dataset."""
    subset: Name | None = None
    """All training images when left out."""
    model: Annotated[str, AfterValidator(_known_velocity), Field(json_schema_extra={"enum": [*VELOCITY_MODELS]})] = (
        "DiT-S/2"
    )
    weights: Annotated[str, Field(min_length=1)] | None = None
    """A file of weights to be taken instead of a training, .safetensors or of torch.save; docs/models.md says which.
    They are of this tokenizer's latents, and `subset` is what they were trained on. How is not said: `steps` and the
    other keys of a training may not stand beside it, and those of `defaults` do not apply."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Of the network in training; path, target, loss, weights and optimiser are fp32 in either case."""
    conditional: bool = False
    label_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of labels hidden while training a conditional model."""
    objective: Objective = FlowMatching()
    latent_transform: Annotated[
        Annotated[Literal["none", "flip_first", "flip_all"], Tag("<word>")] | Annotated[Matrix, Tag("<matrix>")],
        Discriminator(_word_or_matrix),
    ] = "none"
    """A of x1' = A x1 on the latents' channels, undone before decoding: a flip of the first or of all, or its rows."""
    steps: PositiveInt = 140_000
    batch_size: PositiveInt = 128
    learning_rate: PositiveFloat = 1e-4
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.9999
    seed: Seed = 0

    @model_validator(mode="after")
    def _trained_or_not(self) -> Self:
        if self.weights is not None and (unused := self.training & self.model_fields_set):
            raise ValueError(f"has `weights`, so it is not trained: leave out {', '.join(sorted(unused))}")
        return self

    def identity(self) -> dict[str, Any]:
        return {k: v for k, v in super().identity().items() if self.weights is None or k not in self.training}


class DiffusionSampling(Spec):
    sampler: Literal["ddim", "ancestral"] = "ddim"
    """DDIM, deterministic, or ancestral, which adds noise of its own; both from the shared x0."""
    steps: PositiveInt = 250


class Sampling(Spec):
    """x0 = f(seed, index) for indices 0..count-1, integrated from t=0 to t=1, or denoised by diffusion runs."""

    of_dopri5: ClassVar[set[str]] = {"rtol", "atol"}
    of_others: ClassVar[set[str]] = {"steps", "time_shift"}

    solver: Literal["euler", "midpoint", "heun", "dopri5"] = "euler"
    steps: PositiveInt = 60
    """Each takes one evaluation by euler, two by midpoint and heun; dopri5 chooses its own steps."""
    time_shift: PositiveFloat = 1.0
    """More than 1: finer steps at the noise end; less: at the data end."""
    rtol: PositiveFloat = 1e-5
    """Of dopri5, as atol."""
    atol: PositiveFloat = 1e-5
    diffusion: DiffusionSampling = DiffusionSampling()
    """In place of the solver, for runs whose objective is diffusion."""
    count: Annotated[int, Field(ge=2)] = 4096
    guidance: PositiveFloat = 1.0
    """Classifier-free guidance scale of conditional runs; 1 is none."""
    guidance_channels: Literal["all", "first_three"] = "all"
    """`first_three` is what the papers' public code does, and DiT's."""
    seed: Seed = 0

    @property
    def not_taken(self) -> set[str]:
        """Fields that the solver has no use for."""
        return self.of_others if self.solver == "dopri5" else self.of_dopri5

    def identity_for(self, objective: str) -> dict[str, Any]:
        """What defines the samples of a run whose objective is of this kind."""
        of_solvers = {"solver", *self.of_dopri5, *self.of_others}
        unused = of_solvers if objective == "diffusion" else {"diffusion", *self.not_taken}
        return {key: value for key, value in self.identity().items() if key not in unused}

    def protocol(self, objective: str) -> str:
        """How such a run is sampled, in a few words."""
        if objective == "diffusion":
            return f"{self.diffusion.sampler} {self.diffusion.steps} steps"
        if self.solver == "dopri5":
            return f"dopri5 rtol {self.rtol:g} atol {self.atol:g}"
        shift = "" if self.time_shift == 1 else f" shifted by {self.time_shift:g}"
        return f"{self.solver} {self.steps} steps{shift}"


class Evaluation(Spec):
    """What is compared on one dataset; the section's key names the dataset."""

    encoder: Name | None = None
    tokenizers: tuple[Name, ...] | None = None
    """Tokenizers whose reconstructions of the validation split are measured; when left out, those of the dataset and
    of its runs. Order of tables and figures."""
    sampling: Name | None = None
    """May be left out, as the reference, where no runs are evaluated."""
    reference: Name | None = None
    """The run that every other one is compared with."""
    runs: tuple[Name, ...] | None = None
    """All runs of the dataset but surrogates when left out. Order of tables and figures."""
    inverse_pairs: tuple[tuple[Name, Name], ...] = ()
    """Runs whose training images are (nearly) disjoint, compared with each other."""
    paper_attributes: dict[str, str] = {}
    """attribute -> quantity of resources/paper/scalars.csv printed beside it in the fairness table."""
    seed: Seed = 0
    """Of the bootstrap."""


class Defaults(Spec):
    runs: Run = Run()


class Study(Spec):
    """One file names everything that is asked for."""

    name: Name
    results: Annotated[str, Field(pattern=r"^[A-Za-z0-9_./+-]+$")] = "results"
    """Folder of all results. It stands in shell commands, hence no spaces and nothing that a shell reads."""
    defaults: Defaults = Defaults()
    downloads: Annotated[str, Field(pattern=r"^[A-Za-z0-9_./+-]+$")] = "downloads"
    """Folder of downloaded images and weights; several studies may share it. A link puts it elsewhere."""
    datasets: Annotated[dict[Name, Dataset], Field(min_length=1)]
    tokenizers: dict[Name, Tokenizer] = {}
    encoders: dict[Name, ProbeEncoder] = {}
    clusterings: dict[Name, Clustering] = {}
    scorings: dict[Name, Scoring] = {}
    subsets: dict[Name, Subset] = {}
    runs: dict[Name, Run] = {}
    samplings: dict[Name, Sampling] = {}
    evaluations: dict[Name, Evaluation] = {}

    def label(self, run: str) -> str:
        """How tables and figures call a run."""
        return self.runs[run].label or run

    def tokenizer_label(self, tokenizer: str) -> str:
        """How tables and figures call a tokenizer."""
        return self.tokenizers[tokenizer].label or tokenizer

    def sampling_identity(self, run: str, sampling: str) -> dict[str, Any]:
        """All of a sampling that defines the samples of this run."""
        return self.samplings[sampling].identity_for(self.runs[run].objective.kind)

    def protocol(self, run: str, sampling: str) -> str:
        """How this run is sampled, in a few words."""
        return self.samplings[sampling].protocol(self.runs[run].objective.kind)

    @property
    def uses_lpips(self) -> bool:
        """Whether a tokenizer asks for LPIPS; then it is measured for all of them."""
        return any(tokenizer.perceptual != "none" for tokenizer in self.tokenizers.values())

    def trained_runs(self, dataset: str) -> list[str]:
        """The dataset's evaluated runs that have a training's curve."""
        return [run for run in self.evaluations[dataset].runs or () if self.runs[run].weights is None]

    def clustering_of(self, dataset: str) -> str | None:
        """The dataset's first clustering, the one that figures show."""
        return next((name for name, spec in self.clusterings.items() if spec.dataset == dataset), None)

    def evaluated_subsets(self, dataset: str) -> list[str]:
        """The subsets that the dataset's evaluated runs are trained on, each once."""
        subsets = dict.fromkeys(self.runs[run].subset for run in self.evaluations[dataset].runs or ())
        return [subset for subset in subsets if subset is not None]
