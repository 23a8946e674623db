"""One Snakemake at a time for a folder of results."""

import dataclasses
import json
import os
import subprocess
import sys
import time

import psutil
import pytest

from steadyflow import driver
from steadyflow.artifacts import UserError, write_json
from steadyflow.driver import Driver, begin_driving, driver_file, end_driving


@pytest.fixture
def dead():
    """A driver whose process has ended."""
    code = "import json, dataclasses; from steadyflow.driver import Driver; print(json.dumps(vars(Driver.here('abc'))))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return Driver(**json.loads(done.stdout))


def leave(results, holder):
    write_json(driver_file(results), dataclasses.asdict(holder))


def files(results):
    return sorted(path.name for path in results.iterdir() if path.is_file())


def holder(results):
    return Driver(**json.loads(driver_file(results).read_text()))


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A SLURM that writes down how it was called: scancel ends with the status in `status`, squeue tells the jobs in
    `jobs`, one line fewer each time."""
    folder = tmp_path / "bin"
    folder.mkdir()
    scripts = {
        "scancel": f'echo scancel "$@" >> {folder}/calls; echo no controller >&2; exit $(cat {folder}/status)',
        "squeue": f'echo squeue "$@" >> {folder}/calls; cat {folder}/jobs; sed -i 1d {folder}/jobs',
    }
    for name, body in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    (folder / "status").write_text("0")
    (folder / "jobs").write_text("")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(driver, "LOOK_SECONDS", 0.01)
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


ASKED = "squeue --noheader --name=abc --format=%i\n"


def test_a_dead_one_is_succeeded_once_its_jobs_are_cancelled_and_have_ended(tmp_path, dead, slurm, capsys):
    """Or they would write the states that their successors go on from."""
    (slurm / "jobs").write_text("7\n8\n")
    leave(tmp_path, dead)
    begin_driving(tmp_path, Driver.here())
    assert holder(tmp_path) == Driver.here()
    assert (slurm / "calls").read_text() == "scancel --name=abc\n" + 3 * ASKED
    assert f"process {dead.pid} is dead" in capsys.readouterr().err
    assert files(tmp_path) == ["driver.json"]


def test_a_dead_one_is_not_succeeded_while_its_jobs_cannot_be_cancelled(tmp_path, dead, slurm):
    (slurm / "status").write_text("1")
    leave(tmp_path, dead)
    with pytest.raises(UserError, match=r"could not be cancelled \(no controller\n\); try scancel --name=abc"):
        begin_driving(tmp_path, Driver.here())
    assert holder(tmp_path) == dead


def test_nor_while_they_do_not_end(tmp_path, dead, slurm, monkeypatch):
    monkeypatch.setattr(driver, "END_SECONDS", 0.0)
    (slurm / "jobs").write_text("7\n" * 1000)
    leave(tmp_path, dead)
    with pytest.raises(UserError, match=r"do not end: 7 .*; start again once `squeue --name=abc` shows none"):
        begin_driving(tmp_path, Driver.here())
    assert holder(tmp_path) == dead


def test_an_interrupt_while_jobs_are_cancelled_leaves_the_lock(tmp_path, dead, monkeypatch):
    """So that they are cancelled by the next."""

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    leave(tmp_path, dead)
    monkeypatch.setattr(subprocess, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        begin_driving(tmp_path, Driver.here())
    assert holder(tmp_path) == dead
    assert files(tmp_path) == ["driver.json"]


def test_the_lock_of_a_faster_successor_is_put_back(tmp_path, dead, monkeypatch):
    faster = dataclasses.replace(Driver.here(), pid=os.getppid(), began=driver._began(os.getppid()))
    leave(tmp_path, dead)
    monkeypatch.setattr(driver, "_cancel_jobs", lambda name: leave(tmp_path, faster))
    with pytest.raises(UserError, match=rf"another Snakemake, process {faster.pid} on"):
        begin_driving(tmp_path, Driver.here())
    assert holder(tmp_path) == faster
    assert files(tmp_path) == ["driver.json"]


def test_a_lock_appears_whole(tmp_path, monkeypatch):
    seen = []
    dump = json.dump

    def watched(*args, **kwargs):
        dump(*args, **kwargs)
        seen.append(driver_file(tmp_path).exists())

    monkeypatch.setattr(json, "dump", watched)
    begin_driving(tmp_path, Driver.here())
    assert seen == [False]
    assert holder(tmp_path) == Driver.here()
    assert files(tmp_path) == ["driver.json"]


def test_a_clock_that_is_set_kills_nobody(tmp_path, monkeypatch):
    """Linux tells when processes began by the time of day less that since the machine started."""
    first = dataclasses.replace(Driver.here(), pid=os.getppid(), began=driver._began(os.getppid()))
    now, booted = psutil.Process.create_time, psutil.boot_time()
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: now(process) + 3600)
    monkeypatch.setattr(psutil, "boot_time", lambda: booted + 3600)
    assert not first.is_dead()


def test_a_process_that_got_the_number_of_a_dead_one_does_not_hold_its_lock(tmp_path):
    earlier = dataclasses.replace(Driver.here(), pid=os.getppid(), began=-60.0)
    leave(tmp_path, earlier)
    begin_driving(tmp_path, Driver.here())
    assert holder(tmp_path) == Driver.here()


def test_one_on_another_machine_is_never_succeeded(tmp_path, dead, slurm):
    elsewhere = dataclasses.replace(dead, host="login02")
    leave(tmp_path, elsewhere)
    advice = r"no longer alive on login02, cancel its jobs \(scancel --name=abc\) and delete this file"
    with pytest.raises(UserError, match=advice):
        begin_driving(tmp_path, Driver.here())
    assert holder(tmp_path) == elsewhere
    assert not (slurm / "calls").exists()


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
