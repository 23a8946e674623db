import dataclasses

import pytest
from made_ledger import LEDGER, NOW

from steadyflow.monitor.status import QUIET_SECONDS, scoring_status, status_lines, training_status


def status(ledger, done=False):
    return training_status("run", "a", done=done, steps=1000, ledger=ledger, log="logs/a.log", now=NOW)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "running"),
        ({"updated": NOW - QUIET_SECONDS - 1}, "stopped"),
        ({"stopped": True}, "stopped"),
        # Its results were deleted: it is to be made anew.
        ({"finished": True}, "waiting"),
    ],
)
def test_the_state_of_a_training(changes, state):
    assert status(dataclasses.replace(LEDGER, **changes)).state == state


def test_a_training_without_a_ledger_waits_and_one_with_results_is_done():
    assert (status(None).state, status(None).step, status(None).steps) == ("waiting", 0, 1000)
    assert (status(LEDGER, done=True).state, status(None, done=True).step) == ("done", 1000)


def test_a_running_training_is_one_line_with_its_log():
    lines = status_lines([status(LEDGER), status(None), status(None, done=True)])
    # 600 steps of 50 images, 100 a second.
    for part in ("run", "running", "400 of 1,000", "100", "0.2500", "5 min", "logs/a.log"):
        assert part in lines[1]
    assert "logs/a.log" not in lines[2] + lines[3]
    assert lines[-1] == "1 done, 1 running, 1 waiting"


def test_the_state_of_a_scoring():
    def of(done, items):
        return scoring_status("s", done=done, items=items, log="l", now=NOW)

    found = of(False, (8, 24, NOW - 1))
    assert (found.state, found.step, found.steps) == ("running", 8, 24)
    assert of(False, (8, 24, NOW - QUIET_SECONDS)).state == "stopped"
    assert of(False, None).state == "waiting"
    assert of(True, None).state == "done"
