"""Small studies that SLURM runs, and the same ones without it."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import slurm
import yaml
from support.tiny import TINY_TOKENIZER
from support.workspace import REPOSITORY, Workspace

from steadyflow.ground.ledger import Ledger, ledger_file, read_ledger
from steadyflow.plan.provenance import current_checkpoint
from steadyflow.stages.runs import TRAIN_RUN
from steadyflow.study import load_study

STUDY = yaml.safe_load("""
name: cluster
datasets:
  digits: {source: digits, resolution: 16, val_fraction: 0.2}
tokenizers:
  vqvae: {}
encoders:
  probe: {width: 8, feature_dim: 16, steps: 30}
clusterings:
  k10: {k: 10, restarts: 1}
scorings:
  surrogate: {timesteps: 2, noises: 1}
subsets:
  cluster_b-0.5: {criterion: cluster_b, pruning_fraction: 0.5, clusters: k10}
  loss-0.5: {criterion: loss, pruning_fraction: 0.5}
defaults:
  runs: {model: DiT-T/2, precision: fp32, steps: 20, batch_size: 16, learning_rate: 1.0e-3, ema_decay: 0.9}
runs:
  surrogate: {steps: 5}
  unpruned: {}
  loss-0.5: {subset: loss-0.5}
samplings:
  euler: {steps: 4, count: 64}
evaluations:
  digits: {reference: unpruned, runs: [unpruned, loss-0.5], null_model: false}
""")
STUDY["tokenizers"]["vqvae"] = TINY_TOKENIZER
# Trainings long enough to be interrupted, the last again and again: some ten seconds of a core, and fifty.
LONG = {f"long_{name}": {"seed": seed, "batch_size": 8, "steps": 250} for seed, name in enumerate("abc")}
LONG["long_c"]["steps"] = 1200
TARGETS = ["metrics/quality/loss-0.5.parquet", "metrics/similarity.parquet", "subsets/cluster_b-0.5.parquet"]

# Results of the same bits depend on the device; a training is saved every other second.
CONFIG = ("--config", "device=cpu", "save_seconds=2")


@dataclass(frozen=True)
class OnCluster(Workspace):
    """A workspace whose Snakemake submits to a cluster."""

    cluster: slurm.Cluster

    def drive(self, *arguments: object, study: Path, printed: Path) -> subprocess.Popen[bytes]:
        """Snakemake, started; what it prints goes into a file."""
        profile = REPOSITORY / "profiles" / "slurm-local"
        command = [sys.executable, Path(__file__).parent / "impatient.py", *arguments, "--profile", profile]
        command += ["--snakefile", REPOSITORY / "Snakefile", *CONFIG, "--configfile", study]
        with printed.open("ab") as file:
            inside = self.cluster.command(*command, directory=self.directory)
            return subprocess.Popen(inside, stdout=file, stderr=subprocess.STDOUT, start_new_session=True)

    def finish(self, *arguments: object, study: Path) -> str:
        """What a Snakemake that has to succeed prints."""
        printed = self.directory / f"{study.stem}.txt"
        status = self.drive(*arguments, study=study, printed=printed).wait()
        assert status == 0, printed.read_text()
        return printed.read_text()

    def ledger(self, study: Path, run: str) -> Ledger | None:
        state = self.state(study, run)
        return read_ledger(ledger_file(state)) if state else None

    def state(self, study: Path, run: str) -> Path | None:
        """None as long as what the training reads is not there."""
        return current_checkpoint(load_study(study), TRAIN_RUN.job({"dataset": "digits", "run": run}))


def outputs(space: Workspace, names: list[str]) -> list[str]:
    return [str(space.target("digits", name)) for name in names]
