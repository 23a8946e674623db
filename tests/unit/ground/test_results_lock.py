"""One Snakemake at a time for a folder of results."""

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from steadyflow.ground import results_lock
from steadyflow.ground.artifacts import UserError, write_json
from steadyflow.ground.results_lock import Holder, ResultsLock, holder_file

HERE = Holder(socket.gethostname(), os.getpid(), "")
DEAD = Holder(socket.gethostname(), 0, "abc")


def leave(results, holder):
    """As a holder that was killed."""
    write_json(holder_file(results), dataclasses.asdict(holder))


def files(results):
    return sorted(path.name for path in results.iterdir() if path.is_file())


def holder(results):
    return Holder(**json.loads(holder_file(results).read_text()))


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
    monkeypatch.setattr(results_lock, "POLL_SECONDS", 0.01)
    return folder


HOLDING = """
import sys
from steadyflow.ground.results_lock import ResultsLock
lock = ResultsLock(sys.argv[1])
lock.acquire("abc")
print("locked", flush=True)
sys.stdin.read()
lock.release()
"""


@pytest.fixture
def other(tmp_path):
    """Another process that holds the lock until its standard input ends."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", HOLDING, tmp_path], **pipes)
    assert process.stdout.readline() == "locked\n"
    yield process
    process.kill()
    process.communicate()


def test_the_second_is_refused_until_the_first_has_ended(tmp_path, other):
    lock = ResultsLock(tmp_path)
    with pytest.raises(UserError, match=rf"lock\.json: another Snakemake, process {other.pid} on .* works on these"):
        lock.acquire()
    lock.release()
    assert holder(tmp_path).pid == other.pid
    other.communicate()
    assert files(tmp_path) == [".lock"]
    lock.acquire()
    assert holder(tmp_path) == HERE


def test_a_holder_is_refused_even_where_its_file_is_gone(tmp_path, other):
    holder_file(tmp_path).unlink()
    with pytest.raises(UserError, match=r"lock\.json: another Snakemake is starting or ending here"):
        ResultsLock(tmp_path).acquire()


def test_a_killed_holder_is_succeeded_though_what_it_started_lives_on(tmp_path, slurm):
    code = "import subprocess, sys\n" + HOLDING.replace("print(", "subprocess.Popen(['sleep', '60'])\nprint(")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", code, tmp_path], start_new_session=True, **pipes)
    assert process.stdout.readline() == "locked\n"
    process.kill()
    process.wait()
    lock = ResultsLock(tmp_path)
    lock.acquire()
    assert holder(tmp_path) == HERE
    os.killpg(process.pid, signal.SIGKILL)


SHOWN = "squeue --noheader --name=abc --format=%i\n"


def test_a_dead_holder_is_succeeded_once_its_jobs_are_cancelled_and_have_ended(tmp_path, slurm, capsys):
    """Or they would write the states that their successors go on from."""
    (slurm / "jobs").write_text("7\n8\n")
    leave(tmp_path, DEAD)
    lock = ResultsLock(tmp_path)
    lock.acquire()
    assert holder(tmp_path) == HERE
    assert (slurm / "calls").read_text() == "scancel --name=abc\n" + 3 * SHOWN
    assert f"process {DEAD.pid} is dead" in capsys.readouterr().err
    lock.release()
    assert files(tmp_path) == [".lock"]


def test_a_dead_holder_is_not_succeeded_while_its_jobs_cannot_be_cancelled(tmp_path, slurm):
    (slurm / "status").write_text("1")
    leave(tmp_path, DEAD)
    lock = ResultsLock(tmp_path)
    with pytest.raises(UserError, match=r"could not be cancelled \(no controller\n\); try scancel --name=abc"):
        lock.acquire()
    assert holder(tmp_path) == DEAD
    # Nor does the attempt lock the results.
    (slurm / "status").write_text("0")
    ResultsLock(tmp_path).acquire()


def test_nor_while_they_do_not_end(tmp_path, slurm, monkeypatch):
    monkeypatch.setattr(results_lock, "END_SECONDS", 0.0)
    (slurm / "jobs").write_text("7\n" * 1000)
    leave(tmp_path, DEAD)
    with pytest.raises(UserError, match=r"do not end: 7 .*; start again once `squeue --name=abc` shows none"):
        ResultsLock(tmp_path).acquire()
    assert holder(tmp_path) == DEAD


def test_an_interrupt_while_jobs_are_cancelled_leaves_them_to_the_next(tmp_path, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    leave(tmp_path, DEAD)
    lock = ResultsLock(tmp_path)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(subprocess, "run", interrupted)
        lock.acquire()
    assert holder(tmp_path) == DEAD
    leave(tmp_path, dataclasses.replace(DEAD, jobs=""))
    ResultsLock(tmp_path).acquire()


def test_another_process_is_refused_while_jobs_of_a_dead_holder_are_cancelled(tmp_path, monkeypatch):
    """What let two processes hold the lock: a slow successor that acts on what it read before."""
    refused = []

    def slow(name):
        with pytest.raises(UserError):
            ResultsLock(tmp_path).acquire()
        refused.append(name)

    leave(tmp_path, DEAD)
    monkeypatch.setattr(results_lock, "_cancel_jobs", slow)
    lock = ResultsLock(tmp_path)
    lock.acquire()
    assert refused == ["abc"] and holder(tmp_path) == HERE


def test_the_file_of_a_holder_appears_whole(tmp_path, monkeypatch):
    seen = []
    dump = json.dump

    def watched(*args, **kwargs):
        dump(*args, **kwargs)
        seen.append(holder_file(tmp_path).exists())

    monkeypatch.setattr(json, "dump", watched)
    lock = ResultsLock(tmp_path)
    lock.acquire()
    assert seen == [False]
    assert holder(tmp_path) == HERE
    assert files(tmp_path) == [".lock", "lock.json"]


def test_a_holder_on_another_machine_is_never_succeeded(tmp_path, slurm):
    """Its lock may not be seen here."""
    elsewhere = dataclasses.replace(DEAD, host="login02")
    leave(tmp_path, elsewhere)
    advice = r"no longer alive on login02, cancel its jobs \(scancel --name=abc\) and delete this file"
    with pytest.raises(UserError, match=advice):
        ResultsLock(tmp_path).acquire()
    assert holder(tmp_path) == elsewhere
    assert not (slurm / "calls").exists()


def test_of_machines_that_do_not_see_each_others_locks_one_has_it(tmp_path, monkeypatch):
    """The results are on a file system whose locks are each machine's own: two lock files here."""
    first, second = ResultsLock(tmp_path), ResultsLock(tmp_path)
    second._lock = results_lock.FileLock(tmp_path / ".lock of login02", thread_local=False)
    first.acquire()
    monkeypatch.setattr(socket, "gethostname", lambda: "login02")
    with pytest.raises(UserError, match=f"on {HERE.host}, works on these results"):
        second.acquire()
    first.release()
    second.acquire()
    assert holder(tmp_path).host == "login02"


def test_a_file_without_content_is_refused(tmp_path):
    holder_file(tmp_path).write_text("")
    with pytest.raises(UserError, match=r"lock\.json: another Snakemake is starting or .*delete this file"):
        ResultsLock(tmp_path).acquire()


CONTEST = """
import json, multiprocessing, os, random, sys, time
from pathlib import Path
from steadyflow.ground.artifacts import UserError
from steadyflow.ground.results_lock import ResultsLock, holder_file

results, generations, processes, rounds = Path(sys.argv[1]), 20, 12, 10
work, dead = results / "work", json.dumps({"host": os.uname().nodename, "pid": 0, "jobs": ""})

def contend(draw, dies):
    # 0: it had the lock, alone; 1 or 2: it was not alone; 3: it never had it.
    lock = ResultsLock(results)
    for attempt in range(3):
        try:
            lock.acquire()
            break
        except UserError:
            time.sleep(draw.uniform(0, 0.001))
    else:
        return 3
    try:
        os.close(os.open(work, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return 1
    time.sleep(draw.choice([0, 0.0005]))
    if json.loads(holder_file(results).read_text())["pid"] != os.getpid():
        return 2
    os.unlink(work)
    if dies:
        os._exit(0)
    lock.release()
    return 0

def live(number, barrier, ended):
    draw = random.Random(number)
    for round in range(rounds):
        if not number % processes and round % 2:
            holder_file(results).write_text(dead)
        barrier.wait()
        dies = round + 1 == rounds and draw.random() < 0.3
        ended[round * processes + number % processes] = contend(draw, dies)
        if round + 1 < rounds:
            barrier.wait()

sys.stderr = open(os.devnull, "w")
for generation in range(generations):
    barrier, ended = multiprocessing.Barrier(processes), multiprocessing.RawArray("b", rounds * processes)
    children = []
    for number in range(processes):
        if not (child := os.fork()):
            live(generation * processes + number, barrier, ended)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    for round in range(rounds):
        statuses = ended[round * processes : (round + 1) * processes]
        if 0 not in statuses or not set(statuses) <= {0, 3}:
            print(generation, round, statuses)
            sys.exit(1)
"""


def test_of_many_processes_never_two_hold_the_lock_and_one_gets_it(tmp_path):
    """200 times twelve processes at once, every second time with a dead holder, and with holders that die."""
    done = subprocess.run([sys.executable, "-c", CONTEST, tmp_path], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
