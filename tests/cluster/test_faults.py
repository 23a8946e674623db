"""Ten faults in one run: nothing is lost, and no bit of the results is another's."""

import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import psutil
import pytest
import slurm
from on_cluster import LONG, STUDY, OnCluster, outputs
from support.workspace import Workspace, edited, half_written

from steadyflow.ground.artifacts import file_hash
from steadyflow.ground.ledger import Ledger
from steadyflow.train.checkpoint import previous_checkpoint

pytestmark = pytest.mark.cluster

# A training starts and saves within that on a busy machine.
SECONDS = 150


@dataclass
class Run:
    """One run of all long trainings, with what happens to it."""

    space: OnCluster
    study: Path
    printed: Path
    driver: subprocess.Popen[bytes] | None = None
    faults: list[str] = field(default_factory=list)

    def start(self, minutes: int = 60) -> None:
        """Snakemake, first or again: the same command, but for the time limit of its jobs."""
        targets = outputs(self.space, [f"runs/{name}/weights.safetensors" for name in LONG])
        limit = ("--set-resources", f"train_run:runtime={minutes}")
        self.driver = self.space.drive(*targets, *limit, study=self.study, printed=self.printed)

    def end(self) -> int:
        """The exit status of a driver that is let alone."""
        driver = self.driver
        assert driver is not None

        def met() -> bool:
            self.space.cluster.hurry()
            return driver.poll() is not None

        slurm.wait_for("an end", 2 * SECONDS, met)
        return driver.wait()

    def snakemake(self) -> psutil.Process:
        """The driver itself, inside: what was started is nsenter."""
        assert self.driver is not None
        [inside] = psutil.Process(self.driver.pid).children()
        return inside

    def ledger(self, name: str) -> Ledger | None:
        return self.space.ledger(self.study, name)

    def working(self, name: str) -> Ledger:
        """Waits until a process works on the training and has saved a state of its own, and gives its ledger."""
        before = self.ledger(name)

        def met() -> bool:
            assert self.driver is not None and self.driver.poll() is None, self.printed.read_text()
            self.space.cluster.hurry()
            now = self.ledger(name)
            if now is None or now.stopped or self.training(name) is None:
                return False
            assert not now.finished, f"{name} ended before this fault; make it longer"
            return before is None or now.saved > before.saved

        slurm.wait_for(f"{name} works", SECONDS, met)
        now = self.ledger(name)
        assert now is not None
        return now

    def training(self, name: str) -> psutil.Process | None:
        """The Python process that trains it."""
        for process in self.space.cluster.processes():
            with slurm.ended():
                command = process.cmdline()
                if any(part.endswith("train_run.py") for part in command[:3]) and name in command:
                    return process
        return None

    def strike(self, fault: str, name: str, act: Callable[[str], object]) -> None:
        """Lets the fault happen while the training is at work; `act` is given its SLURM job."""
        act(self.working(name).worker.job)
        self.faults.append(f"{fault}: {name}")


def test_ten_faults_in_one_run_lose_nothing(on_cluster: OnCluster, local: Workspace) -> None:
    cluster, space = on_cluster.cluster, on_cluster
    study = space.write(edited(STUDY, {f"runs/{name}": spec for name, spec in LONG.items()}), "faults.yaml")
    run = Run(space, study, space.directory / "faults.txt")

    def slurmd_restarted(job: str) -> None:
        cluster.kill_slurmd()
        cluster.start_slurmd()
        assert cluster.jobs()[job] == "RUNNING"

    def node_lost(job: str) -> None:
        cluster.kill_node()
        # A node is not back at once. A job younger than BatchStartTimeout and MessageTimeout together (11 s) would be
        # taken by SLURM for one that is still about to start there.
        time.sleep(12)
        cluster.start_slurmd()

    def preempted(job: str) -> None:
        cluster.run("srun", "--partition=urgent", "--cpus-per-task=4", "--mem=100", "true")

    def driver_killed(job: str) -> None:
        run.snakemake().kill()
        assert run.driver.wait() != 0
        assert cluster.jobs()[job] == "RUNNING"
        run.start()
        slurm.wait_for("an end of the jobs it left", 60, lambda: job not in cluster.jobs())

    def driver_interrupted(job: str) -> None:
        # The fault before this one.
        assert "resuming from the checkpoint before it" in space.target("logs/digits/runs/long_c.log").read_text()
        run.snakemake().send_signal(signal.SIGINT)
        assert run.driver.wait() != 0
        slurm.wait_for("no jobs", 60, lambda: not cluster.jobs())
        assert not space.target("lock.json").exists()
        # For the fault after this one.
        run.start(minutes=1)

    def second_driver(job: str) -> None:
        """From another working directory, where Snakemake's own lock would not see the first."""
        elsewhere = OnCluster(space.directory / "elsewhere", cluster)
        elsewhere.directory.mkdir()
        printed = elsewhere.directory / "second.txt"
        target = outputs(space, ["runs/long_c/weights.safetensors"])
        assert elsewhere.drive(*target, study=study, printed=printed).wait() != 0
        said = printed.read_text()
        assert "another Snakemake, process" in said and "submitted" not in said, said

    def out_of_memory(name: str) -> None:
        process = run.training(name)
        assert process is not None
        process.kill()

    def state_damaged(name: str) -> None:
        out_of_memory(name)
        state = space.state(study, name)
        assert state is not None and previous_checkpoint(state).exists()
        content = state.read_bytes()
        state.write_bytes(content[: len(content) // 2])

    def slow(job: str) -> None:
        """As on a file system that hangs, until ten seconds before the time limit."""
        end = float(cluster.run("env", "SLURM_TIME_FORMAT=%s", "squeue", "-h", f"--jobs={job}", "--Format=EndTime"))
        process = run.training("long_c")
        assert process is not None
        process.suspend()
        time.sleep(max(0.0, end - 10 - time.time()))
        process.resume()

    run.start()
    run.strike("slurmd killed and restarted", "long_a", slurmd_restarted)
    run.strike("scancel", "long_a", lambda job: cluster.run("scancel", job))
    run.strike("requeue", "long_b", lambda job: cluster.run("scontrol", "requeue", job))
    run.strike("second driver", "long_c", second_driver)
    run.strike("driver killed", "long_c", driver_killed)
    run.strike("preempted", "long_c", preempted)
    run.strike("out of memory", "long_c", lambda job: out_of_memory("long_c"))
    run.strike("node lost", "long_c", node_lost)
    run.strike("killed, and its state damaged", "long_c", lambda job: state_damaged("long_c"))
    run.strike("driver interrupted", "long_c", driver_interrupted)
    run.strike("time limit", "long_c", slow)
    status = run.end()
    said = run.printed.read_text()
    assert status == 0, said

    assert len(run.faults) >= 10
    assert "stopped before its time limit" in said
    recomputed = 0
    for name, spec in LONG.items():
        ledger = run.ledger(name)
        assert ledger is not None and ledger.finished and ledger.step == spec["steps"]
        recomputed += ledger.recomputed
        print(f"{name}: {ledger.starts} starts, {ledger.stops} stops, {ledger.recomputed} steps recomputed")
        ours, theirs = (folder.target("digits", "runs", name) for folder in (space, local))
        assert file_hash(ours / "weights.safetensors") == file_hash(theirs / "weights.safetensors")
        curves = [pd.read_parquet(folder / "curve.parquet") for folder in (ours, theirs)]
        timeless = [curve.drop(columns=["images_per_second", "mfu"]) for curve in curves]
        pd.testing.assert_frame_equal(*timeless, check_exact=True)
    steps = sum(spec["steps"] for spec in LONG.values())
    print(f"{len(run.faults)} faults; {recomputed} of {steps} steps were recomputed")
    assert recomputed < steps / 2
    assert half_written(space.results) == []
    assert list((space.results / "state").rglob("*.pt")) == []
    assert not space.target("lock.json").exists()
    assert cluster.jobs() == {}
