"""Ten faults in one run: nothing is lost, and no bit of the results is another's."""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import psutil
import pytest
import slurm
from conftest import LONG, STUDY, OnCluster, outputs
from workspace import Workspace, edited, half_written

from steadyflow.artifacts import file_hash
from steadyflow.ledger import Ledger
from steadyflow.train.engine import previous_state

pytestmark = pytest.mark.cluster

# A training starts and saves within that on a busy machine.
SECONDS = 150


@dataclass
class Run:
    """One run of all long trainings, with what happens to it."""

    space: OnCluster
    study: Path
    printed: Path
    driver: psutil.Popen | None = None
    faults: list[str] = field(default_factory=list)

    def start(self) -> None:
        """Snakemake, first or again: the same command."""
        targets = outputs(self.space, [f"runs/{name}/weights.safetensors" for name in LONG])
        # A minute for each job: less than the longest training takes.
        limit = ("--set-resources", "train_run:runtime=1")
        self.driver = self.space.drive(*targets, *limit, study=self.study, printed=self.printed)

    def ledger(self, name: str) -> Ledger | None:
        return self.space.ledger(self.study, name)

    def working(self, name: str) -> Ledger:
        """Waits until a process works on the training and has saved a state of its own, and gives its ledger."""
        before = self.ledger(name)

        def met() -> bool:
            assert self.driver is not None and self.driver.poll() is None, self.printed.read_text()
            now = self.ledger(name)
            assert now is None or not now.finished, f"{name} ended before this fault; make it longer"
            return now is not None and self.training(name) is not None and (before is None or now.saved > before.saved)

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

    def out_of_memory(name: str) -> None:
        process = run.training(name)
        assert process is not None
        process.kill()

    def damaged(name: str) -> None:
        out_of_memory(name)
        state = space.state(study, name)
        content = state.read_bytes()
        assert previous_state(state).exists()
        state.write_bytes(content[: len(content) // 2])

    def slurmd_restarted(job: str) -> None:
        cluster.kill_slurmd()
        cluster.start_slurmd()
        assert job in cluster.jobs()

    def node_lost(job: str) -> None:
        cluster.kill_node()
        cluster.start_slurmd()

    def driver_killed(job: str) -> None:
        [driver] = [process for process in cluster.processes() if "impatient.py" in " ".join(process.cmdline())]
        driver.kill()
        run.driver.wait()
        assert job in cluster.jobs()
        run.start()

    def urgent(job: str) -> None:
        cluster.run("srun", "--partition=urgent", "--cpus-per-task=4", "--mem=100", "true")

    run.start()
    run.strike("slurmd killed and restarted", "long_a", slurmd_restarted)
    run.strike("scancel", "long_a", lambda job: cluster.run("scancel", job))
    run.strike("requeue", "long_b", lambda job: cluster.run("scontrol", "requeue", job))
    run.strike("out of memory", "long_c", lambda job: out_of_memory("long_c"))
    run.strike("driver killed", "long_d", driver_killed)
    run.strike("preempted", "long_d", urgent)
    run.strike("node lost", "long_d", node_lost)
    run.strike("killed, and its state damaged", "long_d", lambda job: damaged("long_d"))
    run.strike("scancel", "long_d", lambda job: cluster.run("scancel", job))
    status = run.driver.wait()
    said = run.printed.read_text()
    assert status == 0, said

    limits = said.count("stopped before its time limit")
    assert limits >= 1, said
    assert len(run.faults) + limits >= 10
    assert "going on from the state before it" in said
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
    print(f"{len(run.faults)} faults and {limits} time limits; {recomputed} of {steps} steps were recomputed")
    assert recomputed < steps / 2
    assert half_written(space.results) == []
    assert list((space.results / "state").rglob("*.pt")) == []
    assert not space.target("driver.json").exists()
    assert cluster.jobs() == {}


def test_a_second_driver_is_refused_and_disturbs_nothing(on_cluster: OnCluster) -> None:
    study = on_cluster.write(edited(STUDY, {"runs/two": {"batch_size": 8, "steps": 100}}), "two.yaml")
    targets = outputs(on_cluster, ["runs/two/weights.safetensors"])
    first = on_cluster.drive(*targets, study=study, printed=on_cluster.directory / "first.txt")
    slurm.wait_for("a job", 60, lambda: on_cluster.cluster.jobs())
    before = on_cluster.cluster.jobs().keys()
    # From another working directory, where Snakemake's own lock would not see the first.
    elsewhere = on_cluster.directory / "elsewhere"
    elsewhere.mkdir()
    second = OnCluster(elsewhere, on_cluster.cluster)
    status = second.drive(*targets, study=study, printed=elsewhere / "second.txt").wait()
    said = (elsewhere / "second.txt").read_text()
    assert status != 0 and "another Snakemake, process" in said and "Traceback" not in said, said
    assert on_cluster.cluster.jobs().keys() == before
    assert first.wait() == 0, (on_cluster.directory / "first.txt").read_text()


def test_a_driver_that_is_interrupted_cancels_its_jobs_and_goes_on_when_started_again(on_cluster: OnCluster) -> None:
    study = on_cluster.write(edited(STUDY, {"runs/stopped": {"batch_size": 8, "steps": 200}}), "stopped.yaml")
    targets, printed = outputs(on_cluster, ["runs/stopped/weights.safetensors"]), on_cluster.directory / "stopped.txt"
    driver = on_cluster.drive(*targets, study=study, printed=printed)
    state = on_cluster.state(study, "stopped")
    slurm.wait_for("a state", SECONDS, state.exists)
    [process] = [p for p in on_cluster.cluster.processes() if "impatient.py" in " ".join(p.cmdline())]
    process.send_signal(signal.SIGINT)
    assert driver.wait() != 0
    slurm.wait_for("no jobs", 60, lambda: not on_cluster.cluster.jobs())
    assert not on_cluster.target("driver.json").exists()
    time.sleep(1)
    ledger = on_cluster.ledger(study, "stopped")
    assert ledger is not None and 0 < ledger.step < 200
    on_cluster.finish(*targets, study=study)
    after = on_cluster.ledger(study, "stopped")
    assert after is not None and after.finished and after.starts == 2
