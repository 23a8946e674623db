"""A loopback server, and downloads from it."""

import pytest
from support.fetching import CONTENT, fetch_file
from support.loopback import loopback

from steadyflow.fetch.web import Web
from steadyflow.ground.artifacts import UserError


@pytest.fixture
def server():
    with loopback() as running:
        yield running


@pytest.fixture
def naps():
    return []


@pytest.fixture
def web(naps):
    return Web(sleep=naps.append)


@pytest.fixture
def fetch(server, web, tmp_path):
    """Downloads /file into a folder of its own."""

    def run(answer, content=CONTENT, *, web=web, **expected):
        fetch_file(server, tmp_path / "got" / "file", answer, content, web, **expected)

    return run


@pytest.fixture
def refused(fetch):
    def run(*arguments, **expected):
        with pytest.raises(UserError) as caught:
            fetch(*arguments, **expected)
        return str(caught.value)

    return run
