from pathlib import Path

import pytest
from support.tiny import TINY
from support.workspace import Finished, Workspace


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    space = Workspace(tmp_path_factory.mktemp("finished"))
    path = space.write(TINY)
    space.run_alone("all", study=path)
    return Finished(space.directory, path, TINY)


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)
