"""SIGTERM ends the step that is being computed, and no more."""

import os
import signal
import threading
import time

import pytest
from support.trainings import NEVER, assert_same, fit, line, saved

from steadyflow.ground.artifacts import Unfinished, UserError


@pytest.mark.parametrize("at", [0, 5, 12])
def test_a_training_stopped_amid_an_interval_has_the_same_bits_and_curve(tmp_path, at):
    """Of 1,000 steps every fifth is logged; SIGTERM ends the step that is being computed."""

    def terminated(model, batch):
        if batch.step == at:
            os.kill(os.getpid(), signal.SIGTERM)
        return line(model, batch)

    whole = fit(tmp_path / "whole", steps=1000, cadence=NEVER)
    with pytest.raises(Unfinished, match=rf"stopped on SIGTERM at step {at + 1} of 1000, saved in"):
        fit(tmp_path / "stopped", terminated, steps=1000, cadence=NEVER)
    assert saved(tmp_path / "stopped")["step"] == at + 1
    assert_same(fit(tmp_path / "stopped", steps=1000, cadence=NEVER), whole)


def test_sigterm_stops_a_training_of_slow_steps_within_seconds(tmp_path):
    """A hundred steps of 0.3 s are a point of the curve."""

    def slow(model, batch):
        time.sleep(0.3)
        return line(model, batch)

    alarm = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM))
    alarm.start()
    began = time.monotonic()
    with pytest.raises(Unfinished, match="stopped on SIGTERM"):
        fit(tmp_path, slow, steps=20_000, cadence=NEVER)
    assert time.monotonic() - began < 4
    assert 1 <= saved(tmp_path)["step"] <= 10


def test_a_loss_that_is_not_finite_is_not_saved_amid_an_interval(tmp_path):
    def spoiled(model, batch):
        if batch.step == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return line(model, batch)[0] * (float("nan") if batch.step == 1 else 1), {}

    with pytest.raises(UserError, match="the loss is not finite at step 1; no checkpoint was saved"):
        fit(tmp_path, spoiled, steps=1000, cadence=NEVER)
    assert not (tmp_path / "state.pt").exists()
