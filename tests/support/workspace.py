"""A folder with studies and their results, and the real Snakefile to run on it."""

import copy
import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from steadyflow.plan import estimate
from steadyflow.plan.provenance import current_checkpoint
from steadyflow.stages.registry import STAGES
from steadyflow.study import Study, load_study
from support import warm

REPOSITORY = Path(__file__).parents[2]
SCRIPTS = REPOSITORY / "workflow" / "scripts"

WATCH = REPOSITORY / "tests" / "pipeline" / "watch"

Raw = dict[str, Any]


@functools.cache
def can_leave_network() -> bool:
    """Whether a command may be run in a network namespace of its own."""
    return bool(shutil.which("unshare")) and subprocess.run(["unshare", "--net", "true"], check=False).returncode == 0


def edited(study: Raw, edits: Mapping[str, Any]) -> Raw:
    """A copy of the study with `section/name/key` set to a value, for each of the edits."""
    study = copy.deepcopy(study)
    for place, value in edits.items():
        *parents, key = place.split("/")
        inner = study
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[key] = value
    return study


@dataclass(frozen=True)
class Workspace:
    """Snakemake's working directory; results go into `results` unless a study says otherwise."""

    directory: Path

    @property
    def results(self) -> Path:
        return self.directory / "results"

    def write(self, study: Raw, name: str = "study.yaml") -> Path:
        """The study as a file. Its results are absolute, so that they are found from anywhere."""
        path = self.directory / name
        path.write_text(yaml.safe_dump({"results": str(self.results), **study}, sort_keys=False), encoding="utf-8")
        return path

    def snakemake(
        self,
        *arguments: object,
        study: Path,
        cores: int = 2,
        environment: Mapping[str, str] | None = None,
        before: Sequence[str] = (),
        repository: Path = REPOSITORY,
    ) -> subprocess.CompletedProcess[str]:
        """Targets and options first: --configfile takes all that follows it. stdout holds everything printed.

        `before` is a command that starts Snakemake as its own last arguments."""
        command = ["-m", "snakemake", *map(str, arguments)]
        command += ["--snakefile", str(repository / "Snakefile"), "--directory", str(self.directory)]
        command += ["--cores", str(cores), "--scheduler", "greedy", "--show-failed-logs", "--configfile", str(study)]
        given = {**os.environ, **(environment or {})}
        if not before and given.get("PYTHONPATH") == os.environ.get("PYTHONPATH"):
            return warm.run(command, environment=given, one_stream=True)
        return subprocess.run(
            [*before, sys.executable, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=given,
            check=False,
        )

    def run(self, *arguments: object, study: Path) -> str:
        """What a run that has to succeed prints."""
        done = self.snakemake(*arguments, study=study)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def run_alone(self, *arguments: object, study: Path) -> None:
        """The same without a network, where that can be had; `sockets.log` then tells who opened one all the same."""
        before = [
            "unshare",
            "--net",
            "sh",
            "-c",
            'tail -n +3 /proc/net/dev | cut -d: -f1 > "$0"; exec "$@"',
            str(self.directory / "interfaces"),
        ]
        path = os.pathsep.join([str(WATCH), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {"PYTHONPATH": path, "SOCKET_LOG": str(self.directory / "sockets.log")}
        done = self.snakemake(
            *arguments, study=study, environment=environment, before=before if can_leave_network() else ()
        )
        assert done.returncode == 0, done.stdout

    def planned(self, *arguments: object, study: Path, cores: int = 2) -> set[str]:
        """The jobs that a dry run would start: "rule wildcard=value ...", without those that only gather files."""
        done = self.snakemake(*arguments, "--dry-run", study=study, cores=cores)
        assert done.returncode == 0, done.stdout
        jobs = jobs_of(done.stdout)
        assert bool(jobs) != ("Nothing to be done" in done.stdout), done.stdout
        return jobs - {"all", "all_tables", "all_figures", "prune"}

    def script(
        self,
        name: str,
        *flags: object,
        study: Path,
        processes: int = 1,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """A stage's script without Snakemake, started as its rule starts it, on a CPU."""
        if processes == 1:
            command = [SCRIPTS / f"{name}.py", "--study", study, *flags]
            return warm.run(command, environment=script_environment(environment), directory=self.directory)
        command = [SCRIPTS / "launch.sh", processes, f"{name}.py", "--study", study, *flags]
        return subprocess.run(
            list(map(str, command)),
            capture_output=True,
            text=True,
            env=script_environment(environment),
            check=False,
            cwd=self.directory,
        )

    def ran(self, name: str, *flags: object, study: Path, processes: int = 1) -> None:
        """The same of a script that has to succeed."""
        done = self.script(name, *flags, study=study, processes=processes)
        assert done.returncode == 0, done.stderr

    def linked(self, directory: Path) -> "Workspace":
        """A copy without Snakemake's memory. Files of results are links, since every write replaces its file, but for
        the lock."""
        shutil.copytree(
            self.results, directory / "results", copy_function=os.link, ignore=shutil.ignore_patterns(".lock")
        )
        return Workspace(directory)

    def target(self, *parts: str) -> Path:
        return self.results.joinpath(*parts)

    def digests(self) -> dict[str, str]:
        """sha256 of every file of the results, by relative path."""
        return digests(self.results)


@dataclass(frozen=True)
class Finished(Workspace):
    """A workspace in which `all` of the study in `path` is done. Tests leave its finished files as they are."""

    path: Path
    raw: Raw

    def linked(self, directory: Path) -> "Finished":
        space = super().linked(directory)
        return Finished(directory, space.write(self.raw), self.raw)


def script_environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """What the Snakefile gives every stage: this very Python, and where the lock of weights lies."""
    path = os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()])
    lock = str(REPOSITORY / "resources" / "weights.lock")
    return {**os.environ, "PATH": path, "WEIGHTS_LOCK": lock, **(more or {})}


def checkpoint(study: Path, stage: str, **names: str) -> Path:
    """Where a job of a study saves what it resumes from, once all that it reads is there."""
    found = current_checkpoint(load_study(study), STAGES[stage].job(names))
    assert found is not None, f"{stage} {names}: what it reads is not there"
    return found


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def half_written(folder: Path) -> list[Path]:
    """Temporary files of writes that did not end, by their leading dot."""
    return [path for path in folder.rglob(".*") if path.name not in (".snakemake_timestamp", ".lock")]


def jobs_of(printed: str) -> set[str]:
    """The jobs that Snakemake printed, as its blocks "rule NAME:" with an indented line of wildcards each."""
    blocks = re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)*)", printed, flags=re.MULTILINE)
    jobs = set()
    for rule, lines in blocks:
        wildcards = re.search(r"^    wildcards: (.*)$", lines, flags=re.MULTILINE)
        jobs.add(" ".join([rule, *(wildcards.group(1).split(", ") if wildcards else [])]))
    return jobs


def long_jobs_of(printed: str) -> set[frozenset[str]]:
    """Those of them that an estimate adds up, as sets of words."""
    costly = {name for name, stage in STAGES.items() if stage.cost is not None}
    return {frozenset(job.split()) for job in jobs_of(printed) if job.split()[0] in costly}


def long_jobs(study: Study) -> set[frozenset[str]]:
    """What an estimate takes them to be."""
    return {frozenset(str(job).split()) for job in estimate.long_jobs(study)}
