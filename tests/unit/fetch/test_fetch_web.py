"""HTTP: statuses, retries, redirects, addresses, and where the token goes."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from support.fetching import CONTENT, SECRET, files
from support.loopback import File, in_turn, loopback, redirect, status

from steadyflow.fetch.download import download
from steadyflow.fetch.remote import Remote
from steadyflow.fetch.web import Web, checked_address, checked_redirect
from steadyflow.ground.artifacts import UserError


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410])
def test_what_will_not_pass_is_asked_once(refused, server, tmp_path, naps, code):
    error = refused(status(code))
    assert error.startswith(f"{server.url}/file: HTTP {code} ")
    assert ("HF_TOKEN" in error and "terms" in error) == (code in (401, 403))
    assert (len(server.requests), naps, files(tmp_path)) == (1, [], {})


def test_a_busy_server_is_waited_for(fetch, server, tmp_path, naps):
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
    busy = [status(503), status(429, Retry_After=7), status(500, Retry_After=later), status(502, Retry_After="soon")]
    fetch(in_turn(*busy, status(429, Retry_After=10**6), File(CONTENT)))
    assert files(tmp_path) == {"file": CONTENT} and len(server.requests) == 6
    assert naps[:2] == [1, 7] and 30 < naps[2] <= 40 and naps[3:] == [8, 300]


def test_a_server_that_stays_busy_is_given_up(refused, server, tmp_path, naps):
    assert "HTTP 503 Service Unavailable, 6 times in a row" in refused(status(503))
    assert (len(server.requests), len(naps), files(tmp_path)) == (6, 5, {})


def test_no_network_is_one_error_in_words(web, tmp_path, capsys):
    with loopback() as gone:
        url = f"{gone.url}/file?signature=abc"
    gone.server_close()
    with pytest.raises(UserError, match=r"Connection refused, 6 times in a row") as caught:
        download(Remote(url, 1), tmp_path / "file", web)
    assert str(caught.value).count("\n") == 0 and "Pool" not in str(caught.value)
    with pytest.raises(UserError, match="6 times in a row"):
        download(Remote("http://nowhere.invalid/file", 1), tmp_path / "file", web)
    assert files(tmp_path) == {}


def test_a_redirect_loop_is_one_error(server, refused, tmp_path, naps):
    server.answers["/back"] = redirect("/file")
    assert f"{server.url}/file: redirected more than 10 times" in refused(redirect("/back"))
    assert (len(server.requests), naps, files(tmp_path)) == (11, [], {})


def test_redirects_are_followed_with_the_range(server, fetch, tmp_path):
    server.answers["/stored"] = File(CONTENT, drops=[100_000])
    fetch(redirect("/stored"))
    assert files(tmp_path) == {"file": CONTENT}
    assert [request.headers.get("Range") for request in server.requests] == [None, None, *["bytes=100000-"] * 2]


@pytest.mark.parametrize("to", ["ftp://127.0.0.1/x", "file:///etc/passwd", "http://:80/x"])
def test_redirects_to_something_else_are_refused(refused, tmp_path, to):
    assert "not an address of the form https://host/path" in refused(redirect(to))
    assert files(tmp_path) == {}


def test_protection_is_not_given_up():
    with pytest.raises(UserError, match="redirected from https to an unprotected address"):
        checked_redirect("https://a.org/x", "http://a.org/x")
    checked_redirect("https://a.org/x", "https://a.org/y")


def test_the_token_stays_with_its_host(server, fetch, naps, tmp_path):
    web = Web(home=server.url, token=SECRET, sleep=naps.append)
    server.answers["/again"] = redirect(f"{server.other_url}/elsewhere")
    server.answers["/elsewhere"] = File(CONTENT)
    fetch(redirect("/again"), web=web)
    sent = {request.path: request.headers.get("Authorization") for request in server.requests}
    assert sent == {"/file": f"Bearer {SECRET}", "/again": f"Bearer {SECRET}", "/elsewhere": None}


def test_the_token_does_not_go_to_another_port(server, fetch, naps):
    with loopback() as other:
        other.answers["/file"] = File(CONTENT)
        fetch(redirect(f"{other.url}/file"), web=Web(home=server.url, token=SECRET, sleep=naps.append))
    assert [request.headers.get("Authorization") for request in other.requests] == [None]


def test_a_netrc_is_not_looked_into(server, fetch, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    fetch(File(CONTENT))
    assert [request.headers.get("Authorization") for request in server.requests] == [None]


@pytest.mark.parametrize("answer", [status(401), status(403), status(404), status(503), redirect("/file"), File(b"x")])
def test_the_token_is_never_shown(server, refused, naps, capfd, answer):
    web = Web(home=server.url, token=SECRET, sleep=naps.append)
    error = refused(answer, web=web)
    captured = capfd.readouterr()
    assert SECRET not in error + captured.out + captured.err + repr(web)
    assert server.requests[0].headers["Authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize("url", ["ftp://a.org/x", "file:///x", "a.org/x", "https:///x", "https://a.org:x/", ""])
def test_only_the_web_is_asked(url, web, tmp_path):
    with pytest.raises(UserError, match="not an address of the form"):
        download(Remote(url, 1), tmp_path / "x", web)


def test_a_password_in_an_address_is_neither_used_nor_shown():
    with pytest.raises(UserError, match="a user or password in it") as caught:
        checked_address("https://me:mine@a.org/x")
    assert "mine" not in str(caught.value)
