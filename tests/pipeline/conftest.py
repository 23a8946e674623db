import shutil
from pathlib import Path

import pytest
from filelock import FileLock
from support.tiny import TINY
from support.workspace import Finished, Workspace


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Finished:
    """The tiny study with `all` done. Under pytest-xdist it is made once, and every process has a copy of its own."""
    if worker_id == "master":
        return finish(tmp_path_factory.mktemp("finished"))
    shared = tmp_path_factory.getbasetemp().parent / "finished"
    shared.mkdir(exist_ok=True)
    with FileLock(shared / "lock"):
        if not (shared / "done").exists():
            finish(shared)
            (shared / "done").touch()
    own = tmp_path_factory.mktemp("finished")
    # What tests/pipeline/test_no_network.py reads.
    for log in (shared / "interfaces", shared / "sockets.log"):
        if log.exists():
            shutil.copy(log, own)
    return Finished(shared, shared / "study.yaml", TINY).linked(own)


def finish(directory: Path) -> Finished:
    space = Workspace(directory)
    path = space.write(TINY)
    space.run_alone("all", study=path)
    return Finished(directory, path, TINY)


@pytest.fixture
def copied(finished: Finished, tmp_path: Path) -> Finished:
    """A copy of the finished study that a test may change."""
    return finished.linked(tmp_path)


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)
