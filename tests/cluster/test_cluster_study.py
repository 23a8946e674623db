"""A small study through SLURM gives what it gives without."""

import numpy as np
import pytest
import slurm
from on_cluster import STUDY, OnCluster, outputs
from support.workspace import Workspace, edited

from steadyflow.ground.artifacts import file_hash, read_array

pytestmark = pytest.mark.cluster

SAME = [
    "manifest.parquet",
    "tokenizers/vqvae/weights.safetensors",
    "latents/vqvae.npy",
    "encoders/probe/weights.safetensors",
    "clusters/k10.parquet",
    "scores/surrogate.parquet",
    "subsets/cluster_b-0.5.parquet",
    "subsets/loss-0.5.parquet",
    "runs/unpruned/weights.safetensors",
    "runs/loss-0.5/weights.safetensors",
    "samples/unpruned/euler/latents.npy",
    "samples/loss-0.5/euler/images.npy",
    "features/probe/unpruned/euler.npy",
]


def test_a_study_through_slurm_has_the_bits_of_the_same_without(on_cluster: OnCluster, local: Workspace) -> None:
    """The noise too: it is what the latents of samples come from."""
    for name in SAME:
        assert file_hash(on_cluster.target("digits", name)) == file_hash(local.target("digits", name)), name
    assert np.isfinite(read_array(on_cluster.target("digits", "samples/unpruned/euler/latents.npy"))).all()
    assert not on_cluster.target("lock.json").exists()
    assert on_cluster.cluster.jobs() == {}


def test_a_finished_study_submits_nothing(on_cluster: OnCluster) -> None:
    study = on_cluster.directory / "study.yaml"
    assert "Nothing to be done" in on_cluster.finish(*outputs(on_cluster, SAME), study=study)


def test_jobs_have_no_network(cluster: slurm.Cluster) -> None:
    """All of these tests' jobs run so: a loopback, and no route to anywhere."""
    routes = "tail -n +2 /proc/net/route; cut -d: -f1 -s /proc/net/dev | grep -v '|'"
    assert cluster.run("srun", "sh", "-c", routes).split() == ["lo"]


def test_a_run_on_four_gpus_is_one_torchrun_of_four_processes(on_cluster: OnCluster) -> None:
    """As asked for, as SLURM has it, and as the processes see it."""
    study = on_cluster.write(edited(STUDY, {"runs/gpus": {"steps": 300, "batch_size": 8}}), "gpus.yaml")
    asked = ("--set-resources", "train_run:gres='gpu:4'", "train_run:cpus_per_task=4")
    target = outputs(on_cluster, ["runs/gpus/weights.safetensors"])
    driver = on_cluster.drive(*target, *asked, study=study, printed=on_cluster.directory / "gpus.txt")
    slurm.wait_for("four processes", 90, lambda: driver.poll() is not None or len(ranks(on_cluster.cluster)) == 4)
    assert driver.poll() is None, (on_cluster.directory / "gpus.txt").read_text()
    [number] = on_cluster.cluster.jobs()
    job = on_cluster.cluster.job(number)
    assert (job["TresPerNode"], job["NumTasks"], job["NumNodes"]) == ("gres:gpu:4", "1", "1")
    assert "gpu:4(IDX:0-3)" in job["GRES"]
    seen = ranks(on_cluster.cluster)
    assert sorted(environment["RANK"] for environment in seen) == ["0", "1", "2", "3"]
    assert {environment["WORLD_SIZE"] for environment in seen} == {"4"}
    assert {environment["CUDA_VISIBLE_DEVICES"] for environment in seen} == {"0,1,2,3"}
    assert {environment["TORCHELASTIC_RUN_ID"] for environment in seen} != {""}
    assert len({environment["MASTER_PORT"] for environment in seen}) == 1
    assert driver.wait() == 0, (on_cluster.directory / "gpus.txt").read_text()
    ledger = on_cluster.ledger(study, "gpus")
    assert ledger is not None and (ledger.processes, ledger.starts, ledger.step) == (4, 1, 300)


def ranks(cluster: slurm.Cluster) -> list[dict[str, str]]:
    """The environments of all Python processes that torchrun started."""
    found = []
    for process in cluster.processes():
        with slurm.ended():
            if any("train_run.py" in part for part in process.cmdline()):
                environment = process.environ()
                if "RANK" in environment:
                    found.append(environment)
    return found
