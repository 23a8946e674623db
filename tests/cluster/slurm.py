"""A real SLURM on this machine: one node, four GPUs that are none.

It lives in namespaces of its own: its network is a loopback without a route, its /etc/slurm and /etc/hosts are seen by
it alone, and all its processes end with it. So it neither disturbs nor depends on what the machine has.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

DAEMONS = ("munged", "slurmctld", "slurmd")
TOOLS = ("sbatch", "srun", "squeue", "scancel", "scontrol", "unshare", "nsenter", "setpriv")

SLURM_CONF = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
ReturnToService=2
MinJobAge=3600
KillWait=10
BatchStartTimeout=1
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=100000
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=1000000 Gres=gpu:4
PartitionName=main Nodes=ALL Default=YES MaxTime=60 PriorityTier=1 PreemptMode=REQUEUE
PartitionName=urgent Nodes=ALL MaxTime=60 PriorityTier=2 PreemptMode=OFF
"""
GRES_CONF = "NodeName={host} Name=gpu File={folder}/gpu[0-3]\n"

# A second address, since getaddrinfo, as SLURM asks it, resolves nothing on a machine that has 127.0.0.1 alone.
LOOPBACK = """
import fcntl, socket, struct
with socket.socket() as s:
    fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", 0x49))  # SIOCSIFFLAGS: up, loopback, running
    address = socket.inet_aton("127.0.0.2")
    fcntl.ioctl(s, 0x8916, struct.pack("16shH4s8x", b"lo:1", socket.AF_INET, 0, address))  # SIOCSIFADDR
"""


def why_not() -> str | None:
    """Why no SLURM can be started here, or None."""
    if os.geteuid() != 0:
        return "needs root, to start SLURM's daemons"
    if missing := [name for name in DAEMONS + TOOLS if shutil.which(name) is None]:
        return f"{', '.join(missing)} not found; on Debian: apt install slurm-wlm munge"
    probe = subprocess.run(["unshare", *NAMESPACES, "true"], capture_output=True, text=True, check=False)
    return f"namespaces are not to be had: {probe.stderr.strip()}" if probe.returncode else None


NAMESPACES = ("--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")


def wait_for(what: str, seconds: float, met: Callable[[], object]) -> None:
    until = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < until, f"{what}: not within {seconds:.0f} seconds"
        time.sleep(0.2)


@dataclass(frozen=True)
class Cluster:
    """`init` is the first process of its namespaces, as the machine numbers it."""

    folder: Path
    init: int

    def command(self, *command: object, directory: Path = Path("/")) -> list[str]:
        """The command that runs another inside."""
        place = [f"--target={self.init}", "--mount", "--net", "--pid", f"--wdns={directory}"]
        return ["nsenter", *place, *map(str, command)]

    def run(self, *command: object) -> str:
        """What a command that has to succeed prints."""
        done = subprocess.run(self.command(*command), capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def jobs(self) -> dict[str, str]:
        """The state of every job that waits or runs, by its number."""
        lines = self.run("squeue", "--noheader", "--format=%i %T").splitlines()
        return dict(line.split() for line in lines)

    def job(self, number: str) -> dict[str, str]:
        """What scontrol says of a job, by its keys."""
        return dict(re.findall(r"(\S+?)=(\S*)", self.run("scontrol", "show", "job", "--details", number)))

    def hurry(self) -> None:
        """A job that was requeued would wait two minutes before it may start again."""
        for line in self.run("squeue", "--noheader", "--format=%i %r").splitlines():
            number, reason = line.split(maxsplit=1)
            if reason == "BeginTime":
                self.run("scontrol", "update", f"JobId={number}", "StartTime=now")

    def processes(self) -> list[psutil.Process]:
        """All that run inside, but the first."""
        return psutil.Process(self.init).children(recursive=True)

    def named(self, name: str) -> list[psutil.Process]:
        found = []
        for process in self.processes():
            with ended():
                if process.name() == name:
                    found.append(process)
        return found

    def start_slurmd(self) -> None:
        self.run("slurmd")
        wait_for("a node that answers", 60, self._node_answers)

    def kill_slurmd(self) -> None:
        """Its jobs go on."""
        [slurmd] = self.named("slurmd")
        slurmd.kill()

    def kill_node(self) -> None:
        """As if the power had failed: SLURM's daemon of the node and all that its jobs run die at once."""
        self.kill_slurmd()
        for step in self.named("slurmstepd"):
            with ended():
                for process in [step, *step.children(recursive=True)]:
                    with ended():
                        process.kill()

    def _node_answers(self) -> bool:
        state = self.run("sinfo", "--noheader", "--format=%T").split()[0]
        return state in ("idle", "mixed", "allocated", "completing")


def ended() -> AbstractContextManager[None]:
    """For what is done to a process that may have ended meanwhile."""
    return suppress(psutil.NoSuchProcess)


@contextmanager
def started(folder: Path) -> Iterator[Cluster]:
    """A cluster whose files lie in `folder`; its processes end with the context."""
    host = socket.gethostname().split(".")[0]
    etc = folder / "etc"
    for path in (etc, folder / "state", folder / "spool"):
        path.mkdir(parents=True)
    # munge refuses folders that others may write to.
    folder.chmod(0o755)
    (etc / "slurm.conf").write_text(SLURM_CONF.format(host=host, folder=folder))
    (etc / "gres.conf").write_text(GRES_CONF.format(host=host, folder=folder))
    (folder / "hosts").write_text(f"127.0.0.1 localhost {host}\n")
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o400)
    for index in range(4):
        # SLURM wants devices; these are like /dev/null.
        os.mknod(folder / f"gpu{index}", 0o600 | 0o020000, os.makedev(1, 3))
    # A shell that waits takes leave of every process whose parent has gone.
    setting = f"mount --bind {etc} /etc/slurm && mount --bind {folder}/hosts /etc/hosts && sleep infinity & wait"
    # However these tests end, SIGKILL included, it ends with them.
    command = ["setpriv", "--pdeathsig=KILL", "unshare", *NAMESPACES, "sh", "-c", setting]
    holder = subprocess.Popen(command, start_new_session=True)
    try:
        wait_for("namespaces", 10, lambda: psutil.Process(holder.pid).children())
        cluster = Cluster(folder, psutil.Process(holder.pid).children()[0].pid)
        wait_for("mounts", 10, lambda: len(psutil.Process(cluster.init).children(recursive=True)) > 0)
        cluster.run(sys.executable, "-c", LOOPBACK)
        munge = {"key": "munge.key", "pid": "munged.pid", "log": "munged.log", "seed": "munge.seed"}
        flags = [f"--{name}-file={folder}/{file}" for name, file in munge.items()]
        cluster.run("munged", "--force", f"--socket={folder}/munge.socket", *flags)
        cluster.run("slurmctld")
        cluster.start_slurmd()
        yield cluster
    finally:
        holder.kill()
        holder.wait()
