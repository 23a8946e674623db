"""Samplings and evaluations."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from steadyflow.study.specs.fields import Name, Neutral, Refers, Seed, Spec

DOPRI5_EVALUATIONS = 200
"""Assumed number of function evaluations of dopri5 at the default tolerances."""


class DiffusionSampling(Spec):
    sampler: Literal["ddim", "ancestral"] = "ddim"
    """DDIM (deterministic) or ancestral sampling, both from the shared x0."""
    steps: PositiveInt = 250


class Sampling(Spec):
    """x0 = f(seed, index) for indices 0..count-1, integrated from t=0 to t=1, or denoised by diffusion runs."""

    of_dopri5: ClassVar[set[str]] = {"rtol", "atol"}
    of_others: ClassVar[set[str]] = {"steps", "time_shift"}
    of_solvers: ClassVar[set[str]] = {"solver", *of_dopri5, *of_others}
    of_ddpm: ClassVar[set[str]] = {"diffusion"}

    solver: Literal["euler", "midpoint", "heun", "dopri5"] = "euler"
    steps: PositiveInt = 60
    """Number of steps, each of one function evaluation for euler and two for midpoint and heun; not for dopri5."""
    time_shift: PositiveFloat = 1.0
    """Larger than 1: finer steps near noise; less than 1: near data."""
    rtol: PositiveFloat = 1e-5
    """Relative tolerance of dopri5."""
    atol: PositiveFloat = 1e-5
    diffusion: DiffusionSampling = DiffusionSampling()
    """Sampler of runs whose objective is diffusion, instead of the solver."""
    count: Annotated[int, Field(ge=2)] = 4096
    guidance: PositiveFloat = 1.0
    """Classifier-free guidance scale of conditional runs; 1 is without guidance."""
    guidance_channels: Literal["all", "first_three"] = "all"
    """Channels to which guidance applies; `first_three` as in the public code of the papers and of DiT."""
    seed: Seed = 0

    @property
    def unused_by_solver(self) -> set[str]:
        """Fields that do not apply to the solver."""
        return self.of_others if self.solver == "dopri5" else self.of_dopri5

    @property
    def solver_evaluations(self) -> int:
        """Function evaluations per sample without guidance; assumed for dopri5, for estimates of cost."""
        per_step = {"euler": 1, "midpoint": 2, "heun": 2}
        return DOPRI5_EVALUATIONS if self.solver == "dopri5" else per_step[self.solver] * self.steps

    @property
    def solver_protocol(self) -> str:
        """Short description of the solver."""
        if self.solver == "dopri5":
            return f"dopri5 rtol {self.rtol:g} atol {self.atol:g}"
        shift = "" if self.time_shift == 1 else f" shifted by {self.time_shift:g}"
        return f"{self.solver} {self.steps} steps{shift}"


PaperDataset = Literal["celebahq", "celebahq-512", "ffhq", "imagenet", "cifar10", "celeba-64"]

_SomeNames = Annotated[tuple[Name, ...], Field(min_length=1)]


class Mixture(Spec):
    """A mixture of the samples of several runs in equal parts, measured like those of one run."""

    label: str = ""
    """Name in tables; by default the mixture's key."""
    runs: Annotated[tuple[Name, ...], Field(min_length=2), Refers("runs")]


class Evaluation(Spec):
    """The evaluation of one dataset, whose name is the key."""

    lists: ClassVar[frozenset[str]] = frozenset({"encoders", "similarity_encoders"})
    """Fields that refer to several entries, by default to the only one."""

    encoders: Annotated[_SomeNames | None, Refers("encoders")] = None
    """Encoders for all metrics; reconstructions of tokenizers are measured in the first. By default the study's only
    one."""
    similarity_encoders: Annotated[_SomeNames | None, Refers("encoders")] = None
    """Encoders for the similarity of samples of shared noise, such as ArcFace for faces; by default `encoders`."""
    tokenizers: Annotated[tuple[Name, ...] | None, Refers("tokenizers")] = None
    """Tokenizers whose reconstructions of the validation split are measured, in the order of tables and figures; by
    default those of the dataset and of its runs."""
    sampling: Annotated[Name | None, Refers("samplings")] = None
    """The sampling of all runs; like the reference, not needed without evaluated runs."""
    reference: Annotated[Name | None, Refers("runs")] = None
    """The run with which all others are compared."""
    ceiling: Annotated[Name | None, Refers("samplings")] = None
    """A sampling of the same noises by another solver. The similarity of the reference run to itself under it is an
    upper limit for that of other runs."""
    runs: Annotated[tuple[Name, ...] | None, Refers("runs")] = None
    """The evaluated runs in the order of tables and figures; by default all runs of the dataset but surrogates."""
    repeats: PositiveInt | None = None
    """Number of trainings of every evaluated run that does not say its own `repeats`."""
    null_model: bool = True
    """Whether the Gaussian flow of every run's training latents, and an untrained network, are evaluated beside the
    runs: what is found in them too was not learned from the images."""
    inverse_pairs: Annotated[tuple[tuple[Name, Name], ...], Refers("runs")] = ()
    """Pairs of runs that are compared with each other: those of (nearly) disjoint training images, and any others; of
    repeated runs, the first with the first, the second with the second, and so on."""
    # Without Refers, as its names are of two sections; study/contradictions.py checks them.
    classifiers: tuple[Name, ...] | None = None
    """Classifiers of the attributes of samples and training images, in the order of tables and figures: probes, and
    entries of the section `classifiers`. By default the probes of this dataset, then all of that section."""
    mixtures: dict[Name, Mixture] = {}
    """Mixtures of evaluated runs, which the table mode_balance compares with runs trained on balanced modes."""
    paths: Annotated[int, Field(ge=0)] = 0
    """Number of noises whose trajectories are stored for every run, and compared between runs; 0 for none."""
    reproduces: Annotated[PaperDataset | None, Neutral(None)] = None
    """The papers' dataset that this one is, and whose experiments the study repeats. Only then do tables print the
    papers' numbers beside ours, and are claims judged that are about this dataset alone."""
    paper_attributes: dict[str, str] = {}
    """attribute -> quantity in resources/paper/scalars.csv that the fairness table shows beside it."""
    # Without Refers, as only the runs of this very evaluation can be shown; study/contradictions.py checks them.
    show: dict[str, _SomeNames] = {}
    """heading -> runs: groups of evaluated runs, each shown in figures of its own; by default one group of all runs
    without a heading. Tables list every run."""
    seed: Seed = 0
    """Seed of the resampling for intervals, and of draws to equal sizes."""

    @property
    def optional_references(self) -> set[str]:
        left_out = {"similarity_encoders", "ceiling", "reference", "runs", "tokenizers"}
        return left_out if self.runs else left_out | {"sampling"}
