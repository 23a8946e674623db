"""One Snakemake at a time for a folder of results."""

import dataclasses
import json
import os
import subprocess
import sys
import time

import pytest

from steadyflow.artifacts import UserError, write_json
from steadyflow.driver import Driver, begin_driving, driver_file, end_driving


@pytest.fixture
def dead():
    """A driver whose process has ended."""
    code = "import json, dataclasses; from steadyflow.driver import Driver; print(json.dumps(vars(Driver.here('abc'))))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return Driver(**json.loads(done.stdout))


def leave(results, driver):
    write_json(driver_file(results), dataclasses.asdict(driver))


def holder(results):
    return Driver(**json.loads(driver_file(results).read_text()))


@pytest.fixture
def scancel(tmp_path, monkeypatch):
    """A scancel that writes down how it was called, and ends with the status in `status`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "scancel"
    script.write_text(f'#!/bin/sh\necho "$@" >> {folder}/calls\necho no controller >&2\nexit $(cat {folder}/status)\n')
    script.chmod(0o755)
    (folder / "status").write_text("0")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def test_the_second_is_refused_until_the_first_has_ended(tmp_path):
    first = Driver.here()
    # Another one that lives: the process which started this one.
    second = dataclasses.replace(first, pid=os.getppid())
    begin_driving(tmp_path / "results", first)
    with pytest.raises(UserError, match=rf"driver\.json: another Snakemake, process {first.pid} on .* works on these"):
        begin_driving(tmp_path / "results", second)
    end_driving(tmp_path / "results", second)
    assert holder(tmp_path / "results") == first
    end_driving(tmp_path / "results", first)
    begin_driving(tmp_path / "results", second)
    assert holder(tmp_path / "results") == second


def test_a_dead_one_is_succeeded_and_its_jobs_are_cancelled(tmp_path, dead, scancel, capsys):
    leave(tmp_path, dead)
    begin_driving(tmp_path, Driver.here())
    assert holder(tmp_path) == Driver.here()
    assert (scancel / "calls").read_text() == "--name=abc\n"
    assert f"process {dead.pid} is dead" in capsys.readouterr().err
    assert [path.name for path in tmp_path.glob("driver*")] == ["driver.json"]


def test_a_dead_one_is_not_succeeded_while_its_jobs_cannot_be_cancelled(tmp_path, dead, scancel):
    (scancel / "status").write_text("1")
    leave(tmp_path, dead)
    with pytest.raises(UserError, match=r"could not be cancelled \(no controller\n\); run scancel --name=abc"):
        begin_driving(tmp_path, Driver.here())
    assert holder(tmp_path) == dead


def test_a_process_that_got_the_number_of_a_dead_one_does_not_hold_its_lock(tmp_path):
    earlier = dataclasses.replace(Driver.here(), pid=os.getppid(), began=1.0)
    leave(tmp_path, earlier)
    begin_driving(tmp_path, Driver.here())
    assert holder(tmp_path) == Driver.here()


def test_one_on_another_machine_is_never_succeeded(tmp_path, dead, scancel):
    elsewhere = dataclasses.replace(dead, host="login02")
    leave(tmp_path, elsewhere)
    advice = r"no longer alive on login02, cancel its jobs \(scancel --name=abc\) and delete this file"
    with pytest.raises(UserError, match=advice):
        begin_driving(tmp_path, Driver.here())
    assert holder(tmp_path) == elsewhere
    assert not (scancel / "calls").exists()


def test_a_file_that_says_nothing_is_refused(tmp_path):
    driver_file(tmp_path).write_text("")
    with pytest.raises(UserError, match=r"driver\.json: another Snakemake is starting or .*delete this file"):
        begin_driving(tmp_path, Driver.here())


RACE = """
import os, sys, time
from steadyflow.artifacts import UserError
from steadyflow.driver import Driver, begin_driving
time.sleep(max(0.0, float(sys.argv[2]) - time.time()))
try:
    begin_driving(sys.argv[1], Driver.here())
except UserError:
    sys.exit(3)
print("mine", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("stale", [False, True])
def test_of_many_that_begin_at_once_one_has_it(tmp_path, dead, stale):
    if stale:
        leave(tmp_path, dataclasses.replace(dead, jobs=""))
    start = str(time.time() + 1.5)
    command = [sys.executable, "-c", RACE, str(tmp_path), start]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(6)]
    # Those that were refused end by themselves; the one that has it waits for its standard input to end.
    said = [process.stdout.readline() for process in processes]
    for process in processes:
        process.communicate()
    assert sorted(said) == [""] * 5 + ["mine\n"]
    assert holder(tmp_path).pid == processes[said.index("mine\n")].pid
