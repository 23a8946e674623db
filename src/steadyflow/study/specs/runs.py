"""Runs: velocity models with their objective, latent transform and training."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Tag,
    TypeAdapter,
    model_validator,
)

from steadyflow.ground.constants import VELOCITY_MODELS
from steadyflow.study.specs.evaluation import Sampling
from steadyflow.study.specs.fields import Name, Neutral, Refers, Seed, Spec


def _known_velocity(value: str) -> str:
    if value not in VELOCITY_MODELS:
        raise ValueError(f"unknown velocity model '{value}' (known: {', '.join(VELOCITY_MODELS)})")
    return value


class _Objective(Spec):
    """An objective, and everything that follows from it. The base class describes networks that predict the velocity at
    t; other objectives override it. docs/architecture.md: how to add one."""

    predicts_velocity: ClassVar[bool] = True
    """Whether the network predicts a velocity. If so, its validation loss is measured over t, and its trajectories x_t
    can be compared with those of another run."""
    sampler: ClassVar[str] = "solver"
    """A key of flow.SAMPLERS."""
    version: ClassVar[int] = 1
    """Of its algorithm; raised when the same settings give another training, of runs with this objective alone."""

    def identity(self) -> dict[str, Any]:
        return super().identity() | ({"version": self.version} if self.version > 1 else {})

    @property
    def needs_whole_batches(self) -> bool:
        """Whether the loss of a sample depends on the others of its batch, so that micro-batches cannot be used."""
        return False

    def settings(self) -> dict[str, Any]:
        """The keyword arguments of its function in train.OBJECTIVES."""
        return self.model_dump(mode="json", exclude={"kind"})

    def sampler_settings(self, sampling: Sampling) -> dict[str, Any]:
        """The keyword arguments of its sampler in flow.SAMPLERS."""
        return sampling.model_dump(mode="json", include=sampling.of_solvers)

    def sampling_identity(self, sampling: Sampling) -> dict[str, Any]:
        """The part of a sampling that defines the samples of a run with this objective."""
        unused = self._unused_in(sampling)
        return {key: value for key, value in sampling.identity().items() if key not in unused}

    def _unused_in(self, sampling: Sampling) -> set[str]:
        return {*sampling.of_ddpm, *sampling.unused_by_solver}

    def sampling_protocol(self, sampling: Sampling) -> str:
        """Short description of the sampling of such a run."""
        return sampling.solver_protocol

    def evaluations(self, sampling: Sampling) -> int:
        """Function evaluations per sample without guidance."""
        return sampling.solver_evaluations

    def training_mistakes(self, batch_size: int) -> Iterator[str]:
        """Settings that are impossible with this batch size, each as "key: problem"."""
        yield from ()

    def sampling_mistakes(self, sampling: Sampling) -> Iterator[str]:
        """Settings of a sampling that are impossible with this objective, each as "key: problem"."""
        yield from ()


class FlowMatching(_Objective):
    """Conditional flow matching (eq. 1)."""

    kind: Literal["flow_matching"] = "flow_matching"
    coupling: Literal["independent", "ot"] = "independent"
    """Coupling of noise and data in a batch: independent, or exact minibatch optimal transport."""

    @property
    def needs_whole_batches(self) -> bool:
        return self.coupling == "ot"


class LogitNormalFlowMatching(_Objective):
    """Flow matching at t = sigmoid(scale z), z ~ N(0, 1): more training at intermediate times (Esser et al., 2024)."""

    kind: Literal["logit_normal_flow_matching"]
    scale: PositiveFloat = 1.0


class ExplicitFlowMatching(_Objective):
    """Flow matching to the closed-form velocity (eq. 2) of some samples that include the batch."""

    version: ClassVar[int] = 2
    kind: Literal["explicit_flow_matching"]
    candidates: PositiveInt = 256
    """Number of samples in the closed form; in a conditional run only those of the same class are used."""

    @property
    def needs_whole_batches(self) -> bool:
        return True

    def training_mistakes(self, batch_size: int) -> Iterator[str]:
        if self.candidates < batch_size:
            yield (
                f"candidates: {self.candidates} are fewer than the batch of {batch_size}, whose samples are all among "
                "them"
            )


class Diffusion(_Objective):
    """Diffusion (DDPM): the network predicts the noise."""

    predicts_velocity: ClassVar[bool] = False
    sampler: ClassVar[str] = "ddpm"

    kind: Literal["diffusion"]
    schedule: Literal["linear", "cosine"] = "linear"
    timesteps: Annotated[int, Field(ge=50)] = 1000

    def sampler_settings(self, sampling: Sampling) -> dict[str, Any]:
        return {**self.settings(), **sampling.diffusion.model_dump(mode="json"), "seed": sampling.seed}

    def _unused_in(self, sampling: Sampling) -> set[str]:
        return sampling.of_solvers

    def sampling_protocol(self, sampling: Sampling) -> str:
        return f"{sampling.diffusion.sampler} {sampling.diffusion.steps} steps"

    def evaluations(self, sampling: Sampling) -> int:
        return sampling.diffusion.steps

    def sampling_mistakes(self, sampling: Sampling) -> Iterator[str]:
        if sampling.diffusion.steps > self.timesteps:
            yield f"diffusion.steps: {sampling.diffusion.steps} are more than the {self.timesteps} timesteps"


def _kind_as_mapping(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


AnyObjective = FlowMatching | LogitNormalFlowMatching | ExplicitFlowMatching | Diffusion
_AnyObjective = Annotated[AnyObjective, Field(discriminator="kind")]
_Kind: Any = Literal[*(kind.model_fields["kind"].annotation for kind in get_args(AnyObjective))]
Objective = Annotated[
    _AnyObjective,
    BeforeValidator(
        _kind_as_mapping,
        json_schema_input_type=_Kind | _AnyObjective,
    ),
]
"""A kind, such as `diffusion`, or a mapping with its settings."""


def read_objective(identity: Mapping[str, Any]) -> AnyObjective:
    """The objective in a run.json. Raises pydantic's ValidationError for an unknown kind or key."""
    settings = {key: value for key, value in identity.items() if key != "version"}
    found: AnyObjective = TypeAdapter(_AnyObjective).validate_python(settings)
    return found


def _invertible(rows: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
    if any(len(row) != len(rows) for row in rows):
        raise ValueError(f"rows of {[len(row) for row in rows]} numbers are no square matrix")
    # Exact Gaussian elimination; without a pivot the rows are linearly dependent.
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
    """A velocity field: a network, trained here or pretrained, or the Gaussian flow of its training latents."""

    training: ClassVar[frozenset[str]] = frozenset(
        {"precision", "label_dropout", "steps", "batch_size", "learning_rate", "ema_decay", "seed", "repeats"}
    )
    """Keys of the training."""
    data: ClassVar[tuple[str, ...]] = ("dataset", "tokenizer", "subset", "conditional", "latent_transform")
    """Keys of the training data."""

    label: str = ""
    """Name in tables and figures; by default the run's key."""
    dataset: Annotated[Name | None, Refers("datasets")] = None
    tokenizer: Annotated[Name | None, Refers("tokenizers")] = None
    """The tokenizer of the latents; it may belong to another dataset."""
    subset: Annotated[Name | None, Refers("subsets")] = None
    """The training images; by default all."""
    model: Annotated[str, AfterValidator(_known_velocity), Field(json_schema_extra={"enum": [*VELOCITY_MODELS]})] = (
        "DiT-S/2"
    )
    weights: Annotated[str, Field(min_length=1)] | None = None
    """A file of pretrained weights (.safetensors or torch.save) instead of a training, see docs/models.md. They are for
    latents of this tokenizer, and `subset` describes their training data. The keys of a training (`steps`, ...) are not
    allowed beside it, and those in `defaults` do not apply."""
    gaussian: Annotated[bool, Neutral(False)] = False
    """Instead of a network, the exact flow of the normal distribution that has the mean and covariance of the training
    latents (with labels, of each label's): the null model. Keys of networks and trainings are not allowed beside it,
    and those in `defaults` do not apply."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Precision of the network in training; interpolant, target, loss, weights and optimiser are fp32 in any case."""
    conditional: bool = False
    label_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Probability of label dropout in the training of a conditional model."""
    objective: Objective = FlowMatching()
    latent_transform: Annotated[
        Annotated[Literal["none", "flip_first", "flip_all"], Tag("<word>")] | Annotated[Matrix, Tag("<matrix>")],
        Discriminator(_word_or_matrix),
    ] = "none"
    """The matrix A of x1' = A x1 on the latents' channels, inverted before decoding: a flip of the first or of all
    channels, or the rows of A."""
    steps: NonNegativeInt = 140_000
    """Of the training; 0 are the initial weights."""
    batch_size: PositiveInt = 128
    learning_rate: PositiveFloat = 1e-4
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.9999
    seed: Seed | None = None
    """Seed of the initial weights (its lower 32 bits), the training noise and the order of the data. By default a hash
    of the run's name, so that no two runs share any of these; `defaults.runs.seed` gives all runs the same."""
    repeats: PositiveInt | None = None
    """Number of trainings that differ in their seeds, and in the seed of their subset where that is drawn by chance:
    NAME, NAME.2, NAME.3, ... By default that of an evaluation of the run, or of `defaults.runs`, or 1."""

    @classmethod
    def unused(cls, *, weights: bool, gaussian: bool) -> frozenset[str]:
        """Keys that do not apply to a run with pretrained weights, or to a Gaussian flow."""
        if gaussian:
            return cls.training | {"model", "objective"}
        return cls.training if weights else frozenset()

    @model_validator(mode="after")
    def _only_what_applies(self) -> Self:
        if self.gaussian and self.weights is not None:
            raise ValueError("is either a network with `weights`, or `gaussian`")
        unused = self._unused & self.model_fields_set
        if unused:
            field = "gaussian: true" if self.gaussian else "weights"
            raise ValueError(f"has `{field}`, so it is not trained: leave out {', '.join(sorted(unused))}")
        return self

    @property
    def _unused(self) -> frozenset[str]:
        return self.unused(weights=self.weights is not None, gaussian=self.gaussian)

    @property
    def trained(self) -> bool:
        """Whether it is a network that is trained here."""
        return self.weights is None and not self.gaussian and self.steps > 0

    @property
    def training_data(self) -> tuple[Any, ...]:
        """What defines the distribution that it learns; equal for runs that are trained on the same latents."""
        return tuple(getattr(self, key) for key in self.data)

    @property
    def optional_references(self) -> set[str]:
        return {"subset"}

    def identity(self) -> dict[str, Any]:
        # The objective defines the sampler, so it stays.
        unused = self._unused - {"objective"} | {"repeats"}
        whole = super().identity() | {"objective": self.objective.identity()}
        return {key: value for key, value in whole.items() if key not in unused}
