"""What the script of every stage shares: flags, input and output paths, and the provenance record."""

import argparse
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steadyflow.ground.artifacts import UserError
from steadyflow.ground.command_line import add_checkpoint_flags, add_device_flags, choose_device, exit_on_errors
from steadyflow.plan.freshness import require_fresh
from steadyflow.plan.layout import checkpoint_file, record_file
from steadyflow.plan.provenance import Fingerprint, Provenance, content_key, fingerprint, identity_of, write_record
from steadyflow.stages.registry import STAGES, entries
from steadyflow.stages.stage import Artifact, Input, Job, Stage, each_input, file_of, output_files
from steadyflow.study import Study, load_study

if TYPE_CHECKING:
    import torch

    from steadyflow.train import Execution


@dataclass(frozen=True)
class StageRun:
    """One execution of a stage's script.

    names: a value for each wildcard of the stage
    inputs, outputs: name -> path, as the stage declares them; of a name with several inputs, all their paths
    state: what it resumes from and saves to, for stages that have checkpoints
    flags: the others of the command line
    declared: all that the stage declares to read
    """

    study: Study
    names: Mapping[str, str]
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Path]
    state: Path
    flags: argparse.Namespace
    declared: frozenset[Input]

    def file(self, artifact: Artifact) -> Path:
        """Where an artifact lies. Raises LookupError unless the stage declares that it reads it."""
        if artifact not in self.declared:
            raise LookupError(f"{self.flags.stage} reads {artifact}, which is not among its declared inputs")
        return file_of(self.study, artifact)

    def device(self) -> "torch.device":
        """That of --device, with --threads set. Raises UserError where it is not there."""
        return choose_device(self.flags.device, self.flags.threads)

    def execution(self, identity: str, device: "torch.device", name: str) -> "Execution":
        """How the training of this stage is carried out, by its flags; `identity` as in `train.Execution`."""
        from steadyflow.train import Cadence, Execution

        cadence = Cadence(self.flags.save_seconds, self.flags.save_steps)
        return Execution(self.state, identity, device, cadence, self.flags.deadline, name)


def stage_parser(stage: str, description: str | None) -> argparse.ArgumentParser:
    """A flag for the study and for each wildcard of the stage, and those of its device and checkpoints."""
    declared = STAGES[stage]
    parser = argparse.ArgumentParser(description=description)
    parser.set_defaults(stage=stage)
    parser.add_argument("--study", type=Path, required=True, help="the study file")
    for wildcard in declared.wildcards:
        if wildcard != "study":
            parser.add_argument(f"--{wildcard}", required=True, help="its name in the study")
    if declared.on_device:
        add_device_flags(parser)
    if declared.checkpoint:
        add_checkpoint_flags(parser, of_training=declared.checkpoint == "pt")
    return parser


def run_stage(
    parser: argparse.ArgumentParser, main: Callable[[StageRun], None], *, forget: Callable[[Path], None] | None = None
) -> None:
    """Runs a stage's script. The record of what its result was made from is written last; after it `forget` deletes the
    checkpoint, if the stage has one: whenever a job is killed, either is there."""
    with exit_on_errors():
        flags = parser.parse_args()
        study = load_study(flags.study)
        stage = STAGES[flags.stage]
        job = stage.job({"study": study.name, **_names(study, stage, flags)})
        before = _begin(study, job, flags.study, first=_is_first_process())
        run = _stage_run(study, job, before, flags)
        main(run)
        if _is_first_process():
            write_record(study, job, before)
            if forget is not None:
                forget(run.state)


def _names(study: Study, stage: Stage, flags: argparse.Namespace) -> dict[str, str]:
    """The values of the flags of wildcards. Raises UserError for one that the study does not have."""
    names, known = {name: getattr(flags, name) for name in stage.wildcards if name != "study"}, entries(study)
    for name, value in names.items():
        if value not in known[name]:
            raise UserError(f"--{name} {value}: {flags.study} has none of that name (known: {', '.join(known[name])})")
    return names


def _is_first_process() -> bool:
    """Of those that torchrun starts; each parses, one keeps the record."""
    return "TORCHELASTIC_RUN_ID" not in os.environ or os.environ["RANK"] == "0"


def _begin(study: Study, job: Job, study_file: Path, *, first: bool) -> dict[str, Fingerprint]:
    """What the inputs hold. Raises UserError naming the file that is not, bit for bit, what its job wrote."""
    if job.stage.checks_all_upstream:
        result = next(iter(output_files(study, job).values()))
        require_fresh(study, job, f"snakemake {result} --profile PROFILE --configfile {study_file}")
    provenance = Provenance(study)
    inputs = provenance.inputs(job)
    if first:
        if not job.stage.checks_all_upstream:
            _verify(study, job, inputs)
        record_file(study, job).unlink(missing_ok=True)
    return inputs


def _verify(study: Study, job: Job, inputs: Mapping[str, Fingerprint]) -> None:
    for item in each_input(job.stage.inputs(study, job.names)):
        if isinstance(item, Artifact):
            path, found = file_of(study, item), fingerprint(file_of(study, item))
            if found is None or found.sha256 != inputs[str(item)].sha256:
                state = "is missing" if found is None else "is not what its job wrote"
                raise UserError(f"{path}: {state}; delete it and run the same command again: {item.job} makes it again")


def _stage_run(study: Study, job: Job, inputs: dict[str, Fingerprint], flags: argparse.Namespace) -> StageRun:
    paths = {
        name: tuple(file_of(study, each) for each in value) if isinstance(value, tuple) else file_of(study, value)
        for name, value in job.stage.inputs(study, job.names).items()
    }
    key = content_key(job.stage.name, job.stage.version, identity_of(study, job), inputs)
    state = checkpoint_file(study, job, key)
    declared = frozenset(each_input(job.stage.inputs(study, job.names)))
    return StageRun(study, job.names, paths, output_files(study, job), state, flags, declared)
