"""Compute stages need no network: a cluster's compute nodes have none."""

import re

import pytest
from workspace import SCRIPTS, Finished, can_leave_network

pytestmark = pytest.mark.pipeline


def test_no_stage_opens_a_socket(finished: Finished) -> None:
    entered = (finished.directory / "sockets.log").read_text("utf-8").splitlines()
    started = {match for line in entered if line.startswith("started") for match in re.findall(r"/(\w+)\.py", line)}
    stages = {path.stem for path in SCRIPTS.glob("*.py")} - {"download_dataset", "download_weights", "print_summary"}
    assert stages <= started | {"print_licences"}
    opened = [line for line in entered if not line.startswith("started") and str(SCRIPTS) in line]
    assert opened == []


def test_the_study_was_finished_without_a_network(finished: Finished) -> None:
    """In a network namespace of its own, where there is not even a loopback."""
    if not can_leave_network():
        pytest.skip("needs the right to make a network namespace (root)")
    assert (finished.directory / "interfaces").read_text("utf-8").split() == ["lo"]
