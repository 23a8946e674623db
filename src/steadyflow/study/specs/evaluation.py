"""How runs are sampled, and what is compared."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from steadyflow.study.specs.fields import Name, Refers, Seed, Spec

DOPRI5_EVALUATIONS = 200
"""Assumed of a trained velocity at the default tolerances."""


class DiffusionSampling(Spec):
    sampler: Literal["ddim", "ancestral"] = "ddim"
    """DDIM, deterministic, or ancestral, which adds noise of its own; both from the shared x0."""
    steps: PositiveInt = 250


class Sampling(Spec):
    """x0 = f(seed, index) for indices 0..count-1, integrated from t=0 to t=1, or denoised by diffusion runs."""

    of_dopri5: ClassVar[set[str]] = {"rtol", "atol"}
    of_others: ClassVar[set[str]] = {"steps", "time_shift"}
    of_solvers: ClassVar[set[str]] = {"solver", *of_dopri5, *of_others}
    of_ddpm: ClassVar[set[str]] = {"diffusion"}

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

    @property
    def solver_evaluations(self) -> int:
        """Of a velocity, for one sample without guidance; of dopri5 an assumption, for estimates of cost."""
        per_step = {"euler": 1, "midpoint": 2, "heun": 2}
        return DOPRI5_EVALUATIONS if self.solver == "dopri5" else per_step[self.solver] * self.steps

    @property
    def solver_protocol(self) -> str:
        """How velocities are integrated, in a few words."""
        if self.solver == "dopri5":
            return f"dopri5 rtol {self.rtol:g} atol {self.atol:g}"
        shift = "" if self.time_shift == 1 else f" shifted by {self.time_shift:g}"
        return f"{self.solver} {self.steps} steps{shift}"


_SomeNames = Annotated[tuple[Name, ...], Field(min_length=1)]


class Mixture(Spec):
    """Samples of several runs in equal parts, measured as if they were one run's: of models of one mode each, say."""

    label: str = ""
    """Shown in tables; the mixture's name when empty."""
    runs: Annotated[tuple[Name, ...], Field(min_length=2), Refers("runs")]


class Evaluation(Spec):
    """What is compared on one dataset; the section's key names the dataset."""

    lists: ClassVar[frozenset[str]] = frozenset({"encoders", "similarity_encoders"})
    """Fields that name several entries, and mean the only one where they are empty."""

    encoders: Annotated[_SomeNames | None, Refers("encoders")] = None
    """What images are compared in: every metric in each of them, the reconstructions of tokenizers in the first. The
    study's only one when left out."""
    similarity_encoders: Annotated[_SomeNames | None, Refers("encoders")] = None
    """What samples of shared noise are compared in, where that is not `encoders`: faces by ArcFace, say."""
    tokenizers: Annotated[tuple[Name, ...] | None, Refers("tokenizers")] = None
    """Tokenizers whose reconstructions of the validation split are measured; when left out, those of the dataset and
    of its runs. Order of tables and figures."""
    sampling: Annotated[Name | None, Refers("samplings")] = None
    """May be left out, as the reference, where no runs are evaluated."""
    reference: Annotated[Name | None, Refers("runs")] = None
    """The run that every other one is compared with."""
    ceiling: Annotated[Name | None, Refers("samplings")] = None
    """A sampling of the same noises by another solver: how alike the reference run is to itself under it is as much as
    can be asked of another run."""
    runs: Annotated[tuple[Name, ...] | None, Refers("runs")] = None
    """All runs of the dataset but surrogates when left out. Order of tables and figures."""
    inverse_pairs: Annotated[tuple[tuple[Name, Name], ...], Refers("runs")] = ()
    """Runs whose training images are (nearly) disjoint, compared with each other."""
    classifiers: tuple[Name, ...] | None = None
    """What tells the attributes of samples and training images: probe encoders, and entries of the section
    `classifiers`. When left out, the probes of this dataset, then all of that section. Order of tables and figures."""
    mixtures: dict[Name, Mixture] = {}
    """Of evaluated runs; the table mode_balance compares them with the runs whose modes were balanced in training."""
    paths: Annotated[int, Field(ge=0)] = 0
    """How many noises are followed through every run, to measure how far the paths of two runs lie apart; 0: none."""
    paper_attributes: dict[str, str] = {}
    """attribute -> quantity of resources/paper/scalars.csv printed beside it in the fairness table."""
    show: dict[str, _SomeNames] = {}
    """heading -> runs: the groups in which figures show the evaluated runs, each on a page of its own; all in one group
    without a heading when left out. Tables list every run."""
    seed: Seed = 0
    """Of what is resampled for intervals, or drawn to equal sizes."""

    @property
    def optional_references(self) -> set[str]:
        left_out = {"similarity_encoders", "ceiling", "reference", "runs", "tokenizers"}
        return left_out if self.runs else left_out | {"sampling"}
