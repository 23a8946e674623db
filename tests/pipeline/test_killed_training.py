"""A training killed at any instant and restarted ends with the weights of one that was never killed."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.workspace import SCRIPTS, Finished, edited

from steadyflow.ground.ledger import ledger_file, read_ledger
from steadyflow.study import load_study, paths

pytestmark = pytest.mark.pipeline

STEPS = 60


def command(finished: Finished, study: Path, output: Path, state: Path, save_seconds: int = 0) -> list[str]:
    """The command of the rule train_run; 0 seconds save a state after every step."""
    root = finished.target("digits")
    return [
        *(sys.executable, str(SCRIPTS / "train_run.py")),
        *("--study", str(study), "--run", "killed"),
        *("--dataset", str(root), "--latents", str(root / "latents" / "vqvae.npy")),
        *("--subset", str(root / "subsets" / "loss-0.5.parquet")),
        *("--state", str(state), "--save-seconds", str(save_seconds), "--output", str(output), "--device", "cpu"),
    ]


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
    spec = {"subset": "loss-0.5", "conditional": True, "steps": STEPS}
    study = finished.write(edited(finished.raw, {"runs/killed": spec}), "killed.yaml")
    subprocess.run(
        command(finished, study, tmp_path / "whole", tmp_path / "whole.pt", save_seconds=60),
        check=True,
        capture_output=True,
    )
    assert not (tmp_path / "whole.pt").exists()

    state, output = tmp_path / "state" / "killed.pt", tmp_path / "killed"
    arguments = command(finished, study, output, state)
    moments = random.Random(0)
    for _ in range(3):
        # Anywhere in a step, in the writing of a state, or between the two.
        killed_after_progress(arguments, state, moments.uniform(0, 0.2))
        assert not output.exists()
    last = subprocess.run(arguments, check=True, capture_output=True, text=True)
    assert f"/{STEPS}" in last.stderr
    whole = (tmp_path / "whole" / "weights.safetensors").read_bytes()
    assert (output / "weights.safetensors").read_bytes() == whole
    # Nor what a kill in the middle of a write left.
    assert list(state.parent.iterdir()) == [ledger_file(state)]
    ledger = read_ledger(ledger_file(state))
    assert ledger is not None and (ledger.step, ledger.starts, ledger.finished) == (STEPS, 4, True)


def test_the_rule_resumes_a_state_that_a_killed_job_left(finished: Finished, tmp_path: Path) -> None:
    spec = {"subset": "loss-0.5", "conditional": True, "steps": STEPS}
    study = finished.write(edited(finished.raw, {"runs/killed": spec}), "killed.yaml")
    state = Path(paths.state_file(load_study(study), "runs", "killed"))
    killed_after_progress(command(finished, study, tmp_path / "killed", state), state, 0.05)
    target = finished.target("digits", "runs", "killed", "weights.safetensors")
    finished.run(target, study=study)
    # The bar of a resumed training does not start at 0.
    log = finished.target("logs", "digits", "runs", "killed.log").read_text("utf-8")
    assert f" 0/{STEPS}" not in log
    assert list(state.parent.glob("*.pt")) == []
