"""A training killed at any instant and restarted ends with the weights of one that was never killed."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.workspace import SCRIPTS, Finished, checkpoint, edited, half_written

from steadyflow.ground.ledger import ledger_file, read_ledger

pytestmark = pytest.mark.pipeline

STEPS = 60


def command(study: Path, save_seconds: int = 0) -> list[str]:
    """The command of the rule train_run; 0 seconds save a state after every step."""
    flags = ("--dataset=digits", "--run=killed", f"--save-seconds={save_seconds}", "--device=cpu")
    return [sys.executable, str(SCRIPTS / "train_run.py"), "--study", str(study), *flags]


def write_study(space: Finished) -> Path:
    spec = {"subset": "loss-0.5", "conditional": True, "steps": STEPS}
    return space.write(edited(space.raw, {"runs/killed": spec}), "killed.yaml")


def state_of(study: Path) -> Path:
    return checkpoint(study, "train_run", dataset="digits", run="killed")


def saved_at(state: Path) -> int | None:
    """None before the first, and for the moment in which one state becomes the one before."""
    try:
        return state.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def killed_after_progress(arguments: list[str], state: Path, delay: float) -> None:
    """Starts the training, waits until it saved a state of its own, then kills it `delay` seconds later."""
    before = saved_at(state)
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 300
        while saved_at(state) in (None, before):
            assert process.poll() is None, "the training ended before it was killed"
            assert time.monotonic() < until, "no state was saved"
            time.sleep(0.002)
        time.sleep(delay)
        assert process.poll() is None, "the training ended before it was killed; make it longer"
    finally:
        os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def test_a_killed_training_ends_with_the_same_weights(finished: Finished, tmp_path: Path) -> None:
    spaces = {name: finished.linked(tmp_path / name) for name in ("whole", "killed")}
    studies = {name: write_study(space) for name, space in spaces.items()}
    output = {name: space.target("digits", "runs", "killed") for name, space in spaces.items()}
    subprocess.run(command(studies["whole"], save_seconds=60), check=True, capture_output=True)
    assert not state_of(studies["whole"]).exists()

    state, arguments = state_of(studies["killed"]), command(studies["killed"])
    before = set(state.parent.iterdir())
    record = spaces["killed"].target("provenance", "digits", "runs", "killed.json")
    moments = random.Random(0)
    for _ in range(3):
        # Anywhere in a step, in the writing of a state, or between the two.
        killed_after_progress(arguments, state, moments.uniform(0, 0.2))
        assert not output["killed"].exists() and not record.exists()
    last = subprocess.run(arguments, check=True, capture_output=True, text=True)
    assert f"/{STEPS}" in last.stderr and record.exists()
    whole = (output["whole"] / "weights.safetensors").read_bytes()
    assert (output["killed"] / "weights.safetensors").read_bytes() == whole
    # Nor what a kill in the middle of a write left.
    assert set(state.parent.iterdir()) - before == {ledger_file(state)}
    assert half_written(spaces["killed"].results) == []
    ledger = read_ledger(ledger_file(state))
    assert ledger is not None and (ledger.step, ledger.starts, ledger.finished) == (STEPS, 4, True)


def test_the_rule_resumes_a_state_that_a_killed_job_left(copied: Finished) -> None:
    study = write_study(copied)
    state = state_of(study)
    killed_after_progress(command(study), state, 0.05)
    copied.run(copied.target("digits", "runs", "killed", "weights.safetensors"), study=study)
    # The bar of a resumed training does not start at 0.
    log = copied.target("logs", "digits", "runs", "killed.log").read_text("utf-8")
    assert f" 0/{STEPS}" not in log
    assert list(state.parent.glob("*.pt")) == []
