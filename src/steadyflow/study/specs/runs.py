"""Velocity models: objectives, latent transforms, trainings."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    PositiveFloat,
    PositiveInt,
    Tag,
    TypeAdapter,
    model_validator,
)

from steadyflow.ground.constants import VELOCITY_MODELS
from steadyflow.study.specs.evaluation import Sampling
from steadyflow.study.specs.fields import Name, Refers, Seed, Spec


def _known_velocity(value: str) -> str:
    if value not in VELOCITY_MODELS:
        raise ValueError(f"unknown velocity model '{value}' (known: {', '.join(VELOCITY_MODELS)})")
    return value


class _Objective(Spec):
    """What a velocity model is trained towards, and all that follows from it. Here it is what holds of a network that
    predicts the velocity at t; an objective that differs overrides it. docs/architecture.md: how to add one."""

    predicts_velocity: ClassVar[bool] = True
    """Whether the network is a velocity along t. Then its loss on validation images is measured over t, and its
    trajectories x_t can be compared with those of another run."""
    sampler: ClassVar[str] = "solver"
    """How x0 becomes x1: a key of flow.SAMPLERS."""

    @property
    def needs_whole_batches(self) -> bool:
        """Whether the loss of a sample depends on the others of its batch, so that no batch is taken in pieces."""
        return False

    def settings(self) -> dict[str, Any]:
        """The keyword arguments of its function in train.OBJECTIVES."""
        return self.model_dump(mode="json", exclude={"kind"})

    def sampler_settings(self, sampling: Sampling) -> dict[str, Any]:
        """The keyword arguments of its sampler in flow.SAMPLERS."""
        return sampling.model_dump(mode="json", include=sampling.of_solvers)

    def sampling_identity(self, sampling: Sampling) -> dict[str, Any]:
        """All of a sampling that defines the samples of a run with this objective."""
        unused = self._unused_in(sampling)
        return {key: value for key, value in sampling.identity().items() if key not in unused}

    def _unused_in(self, sampling: Sampling) -> set[str]:
        return {*sampling.of_ddpm, *sampling.not_taken}

    def sampling_protocol(self, sampling: Sampling) -> str:
        """How such a run is sampled, in a few words."""
        return sampling.solver_protocol

    def evaluations(self, sampling: Sampling) -> int:
        """Of the network, for one sample without guidance."""
        return sampling.solver_evaluations

    def training_mistakes(self, batch_size: int) -> Iterator[str]:
        """What of it no training with such batches can do, each "key: what is wrong"."""
        yield from ()

    def sampling_mistakes(self, sampling: Sampling) -> Iterator[str]:
        """What of a sampling no run with this objective can do, each "key: what is wrong"."""
        yield from ()


class FlowMatching(_Objective):
    """Conditional flow matching (eq. 1)."""

    kind: Literal["flow_matching"] = "flow_matching"
    coupling: Literal["independent", "ot"] = "independent"
    """How noise and data meet in a batch: as drawn, or by exact minibatch optimal transport."""

    @property
    def needs_whole_batches(self) -> bool:
        return self.coupling == "ot"


class LogitNormalFlowMatching(_Objective):
    """Flow matching at t = sigmoid(scale z), z ~ N(0, 1): more of the training in the middle of the path (Esser et al.,
    2024)."""

    kind: Literal["logit_normal_flow_matching"]
    scale: PositiveFloat = 1.0


class ExplicitFlowMatching(_Objective):
    """Flow matching to the closed-form velocity of some samples (eq. 2), those of the batch among them."""

    kind: Literal["explicit_flow_matching"]
    candidates: PositiveInt = 256
    """How many; of a conditional run's, a row sees those of its own class."""

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
    """Score-based diffusion (DDPM): the same network predicts the noise."""

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


def _spelt_out(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


AnyObjective = FlowMatching | LogitNormalFlowMatching | ExplicitFlowMatching | Diffusion
_AnyObjective = Annotated[AnyObjective, Field(discriminator="kind")]
_Kind: Any = Literal[*(kind.model_fields["kind"].annotation for kind in get_args(AnyObjective))]
Objective = Annotated[
    _AnyObjective,
    BeforeValidator(
        _spelt_out,
        json_schema_input_type=_Kind | _AnyObjective,
    ),
]
"""A kind alone, `diffusion`, or one with its settings."""


def read_objective(identity: Mapping[str, Any]) -> AnyObjective:
    """The objective that a run.json describes. Raises pydantic's ValidationError for an unknown kind or key."""
    found: AnyObjective = TypeAdapter(_AnyObjective).validate_python(identity)
    return found


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
    dataset: Annotated[Name | None, Refers("datasets")] = None
    tokenizer: Annotated[Name | None, Refers("tokenizers")] = None
    """May belong to another dataset."""
    subset: Annotated[Name | None, Refers("subsets")] = None
    """All training images when left out."""
    model: Annotated[str, AfterValidator(_known_velocity), Field(json_schema_extra={"enum": [*VELOCITY_MODELS]})] = (
        "DiT-S/2"
    )
    weights: Annotated[str, Field(min_length=1)] | None = None
    """A file of pretrained weights, .safetensors or of torch.save, in place of a training; docs/models.md says which.
    They are of this tokenizer's latents, and `subset` is what they were trained on. `steps` and the other keys of a
    training may not stand beside it, and those of `defaults` do not apply."""
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

    @property
    def optional_references(self) -> set[str]:
        return {"subset"}

    def identity(self) -> dict[str, Any]:
        return {k: v for k, v in super().identity().items() if self.weights is None or k not in self.training}
