"""Snakemake beside another one that works on the same results, and after one that was killed."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.tiny import TINY_TOKENIZER
from support.workspace import REPOSITORY, Workspace

from steadyflow.ground.artifacts import write_json
from steadyflow.ground.results_lock import ResultsLock, holder_file

pytestmark = pytest.mark.pipeline

STUDY = {
    "name": "driven",
    "datasets": {"digits": {"source": "digits", "resolution": 16}},
    "tokenizers": {"vqvae": {**TINY_TOKENIZER, "adversarial": "none", "steps": 400}},
    "runs": {"unpruned": {"model": "DiT-T/2"}},
}


def laptop(space: Workspace, study: Path, *targets: object) -> subprocess.Popen[str]:
    """Snakemake as a newcomer starts it, with all that it starts in a session of its own."""
    command = [sys.executable, "-m", "snakemake", *map(str, targets), "--profile", REPOSITORY / "profiles" / "laptop"]
    command += ["--snakefile", REPOSITORY / "Snakefile", "--directory", space.directory, "--configfile", study]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, start_new_session=True, **pipes)


@pytest.mark.parametrize("alive", [True, False])
@pytest.mark.parametrize("target", ["estimate", "fetch"])
def test_what_writes_no_results_runs_beside_another_and_leaves_its_lock_and_jobs(
    space: Workspace, target: str, alive: bool
) -> None:
    """Here is no SLURM: to cancel jobs of a dead one would be an error."""
    study, lock = space.write(STUDY), ResultsLock(space.results)
    if alive:
        lock.acquire("abc")
    else:
        space.results.mkdir()
        write_json(holder_file(space.results), {"host": socket.gethostname(), "pid": 0, "jobs": "abc"})
    before = holder_file(space.results).read_bytes()
    space.run(target, study=study)
    assert holder_file(space.results).read_bytes() == before
    refused = space.snakemake(space.target("digits", "manifest.parquet"), study=study)
    assert refused.returncode != 0
    assert ("works on these results" if alive else "could not be cancelled") in refused.stdout, refused.stdout
    assert not space.target("digits").exists()


def test_a_killed_run_on_a_laptop_goes_on_by_the_same_command(space: Workspace) -> None:
    study = space.write(STUDY)
    weights = space.target("digits", "tokenizers", "vqvae", "weights.safetensors")
    killed = laptop(space, study, weights)
    until = time.monotonic() + 120
    while not list(space.results.glob("state/digits/tokenizers/*.json")):
        assert killed.poll() is None, killed.communicate()[0]
        assert time.monotonic() < until, "no training began"
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert not weights.exists()
    again = laptop(space, study, weights)
    said = again.communicate()[0]
    assert again.returncode == 0, said
    assert weights.exists() and not holder_file(space.results).exists()
