from collections.abc import Iterator

import pytest
import slurm
from on_cluster import CONFIG, LONG, STUDY, TARGETS, OnCluster, outputs
from support.workspace import Workspace, edited


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[slurm.Cluster]:
    if reason := slurm.why_not():
        pytest.skip(f"no SLURM can be started here: {reason}")
    with slurm.started(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def local(cluster: slurm.Cluster, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The same study without SLURM, and its long runs, none of which is interrupted."""
    space = Workspace(tmp_path_factory.mktemp("local"))
    study = space.write(edited(STUDY, {f"runs/{name}": spec for name, spec in LONG.items()}))
    longs = [f"runs/{name}/weights.safetensors" for name in LONG]
    space.run(*outputs(space, TARGETS + longs), *CONFIG, study=study)
    return space


@pytest.fixture(scope="session")
def space(cluster: slurm.Cluster, tmp_path_factory: pytest.TempPathFactory) -> OnCluster:
    return OnCluster(tmp_path_factory.mktemp("space"), cluster)


@pytest.fixture(scope="session")
def on_cluster(space: OnCluster) -> OnCluster:
    """The study, done by SLURM."""
    space.finish(*outputs(space, TARGETS), study=space.write(STUDY))
    return space
