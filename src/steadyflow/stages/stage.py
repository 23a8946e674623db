"""What a stage is, and what its jobs read and leave.

Everything else about a stage derives from its declaration: the inputs, outputs and resource requests of its Snakemake
rule, the flags of its script, where its log, checkpoint and provenance record lie, the jobs of an estimate, and when a
result is out of date.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from steadyflow.data.listing import Detail
from steadyflow.stages.cost import Cost
from steadyflow.study import Study

Names = Mapping[str, str]
"""A value for each wildcard of a stage."""


@dataclass(frozen=True)
class Job:
    """One execution of a stage, on the entries of the study that its wildcards name."""

    stage: "Stage"
    wildcards: tuple[tuple[str, str], ...]

    @property
    def names(self) -> dict[str, str]:
        return dict(self.wildcards)

    def __str__(self) -> str:
        return " ".join([self.stage.name, *(f"{key}={value}" for key, value in self.wildcards)])

    def __getitem__(self, output: str) -> "Artifact":
        return Artifact(self, output)

    def artifacts(self, *outputs: str) -> "dict[str, Artifact]":
        """The outputs of these names, or all of them."""
        return {name: self[name] for name in outputs or self.stage.outputs}


@dataclass(frozen=True)
class Artifact:
    """A file, or a folder, that a job leaves."""

    job: Job
    output: str

    def __str__(self) -> str:
        return f"{self.job} {self.output}"

    @property
    def place(self) -> str:
        """Below the results."""
        return self.job.stage.outputs[self.output].format_map(self.job.names).rstrip("/")


@dataclass(frozen=True)
class External:
    """A file, or a folder, from outside the results.

    listing: of a source of images, a function of a level of detail to a hash of what it reads (data.listing)
    required: raises UserError where it is not there and no job brings it
    """

    path: str
    listing: Callable[[Detail], str] | None = field(default=None, compare=False)
    required: Callable[[], None] | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return self.path


Input = Artifact | External
Inputs = Mapping[str, Input | tuple[Input, ...]]
"""By name, one input or several."""


def each_input(inputs: Inputs) -> Iterator[Input]:
    for value in inputs.values():
        yield from value if isinstance(value, tuple) else (value,)


def file_of(study: Study, item: Input) -> Path:
    """Where an artifact, or a file from outside the results, lies."""
    return Path(item.path) if isinstance(item, External) else Path(study.results, item.place)


def output_files(study: Study, job: Job) -> dict[str, Path]:
    return {name: file_of(study, job[name]) for name in job.stage.outputs}


def _nothing(study: Study, names: Names) -> Any:
    return None


@dataclass(frozen=True, eq=False)
class Stage:
    """One rule of the workflow and its script.

    name: of the rule
    place: where its log, benchmark and provenance record lie, below folders of those names; it has all its wildcards
    outputs: name -> place below the results; a folder's ends in a slash
    inputs: all that a job reads, by name
    identity: what of the study defines the result beside the inputs, as JSON can hold it; an edit of it, and of nothing
        else, makes the result again
    cost: of a job; None for seconds, which are spent where Snakemake runs
    version: of the algorithm; raised when the same inputs give another result (docs/architecture.md, Identity)
    checkpoint: the suffix of the file that a killed job resumes from; "" where a job begins again
    on_device: whether it computes on the device that --device names
    checks_all_upstream: whether it refuses to start unless all that it reads, directly or through others, is what the
        study says now; the others check what they read
    """

    name: str
    place: str
    outputs: Mapping[str, str]
    inputs: Callable[[Study, Names], Inputs]
    identity: Callable[[Study, Names], Any] = _nothing
    cost: Callable[[Study, Names], Cost] | None = None
    version: int = 1
    checkpoint: Literal["", "pt", "npy"] = ""
    on_device: bool = False
    checks_all_upstream: bool = False

    @property
    def wildcards(self) -> tuple[str, ...]:
        return tuple(part.partition("}")[0] for part in self.place.split("{")[1:])

    def job(self, names: Names) -> Job:
        return Job(self, tuple((key, names[key]) for key in self.wildcards))

    def __str__(self) -> str:
        return self.name


def upstream(study: Study, jobs: Iterable[Job]) -> list[Job]:
    """The jobs and all that they need, each once, every one after what it needs."""
    found: dict[Job, None] = {}
    open_jobs: list[tuple[Job, Iterator[Job]]] = []

    def needed(job: Job) -> Iterator[Job]:
        inputs = each_input(job.stage.inputs(study, job.names))
        return (each.job for each in inputs if isinstance(each, Artifact))

    started: set[Job] = set()
    for root in jobs:
        if root not in started:
            started.add(root)
            open_jobs.append((root, needed(root)))
        while open_jobs:
            job, rest = open_jobs[-1]
            following = next((each for each in rest if each not in started), None)
            if following is None:
                found[job] = None
                open_jobs.pop()
            else:
                started.add(following)
                open_jobs.append((following, needed(following)))
    return list(found)
