"""One file: resumed, verified, and under its final name only when it is complete."""

import fcntl
import gzip
import random
import shutil
from types import SimpleNamespace

import pytest
from support.fetching import CONTENT, files, sha256
from support.loopback import File, in_turn, status

from steadyflow.fetch import download as download_module
from steadyflow.fetch import web as web_module
from steadyflow.fetch.download import download
from steadyflow.fetch.remote import Remote
from steadyflow.fetch.web import Web
from steadyflow.ground.artifacts import UserError


@pytest.mark.parametrize("rudely", [False, True])
def test_dropped_connections_are_resumed(fetch, tmp_path, naps, rudely):
    cuts = [random.Random(1).randrange(20_000, 50_000) for _ in range(5)]
    served = File(CONTENT, drops=cuts, rudely=rudely)
    fetch(served)
    assert files(tmp_path) == {"file": CONTENT}
    assert naps == [1, 2, 4, 8, 16]
    # A reset may cost what was still under way.
    assert served.sent == len(CONTENT) if not rudely else len(CONTENT) <= served.sent < 2 * len(CONTENT)


def test_a_line_that_drops_for_ever_is_given_up_and_the_part_kept(fetch, refused, server, tmp_path, naps):
    error = refused(File(CONTENT, drops=[1000] * 100))
    assert error.startswith(f"{server.url}/file: the connection ended early, 6 times in a row")
    assert files(tmp_path) == {"file.part": CONTENT[:6000]}
    served = File(CONTENT)
    fetch(served)
    assert files(tmp_path) == {"file": CONTENT} and served.sent == len(CONTENT) - 6000


def test_drops_with_progress_between_them_are_not_counted_together(fetch, tmp_path, naps, monkeypatch):
    monkeypatch.setattr(web_module, "PROGRESS", 10_000)
    fetch(File(CONTENT, drops=[10_000] * 29))
    assert files(tmp_path) == {"file": CONTENT} and naps == [1] * 29


def test_bytes_that_come_again_are_no_progress(refused, server, monkeypatch, tmp_path):
    monkeypatch.setattr(web_module, "PROGRESS", 10_000)
    # Kept for a while and thrown away, again and again: the server knows no ranges, or says that there is no more.
    half = len(CONTENT) // 2
    error = refused(File(CONTENT, ranges=False, drops=[half] * 100))
    assert error.startswith(f"{server.url}/file: the connection ended early, 6 times in a row")
    assert len(server.requests) == 6 and len(files(tmp_path)["file.part"]) == half
    (tmp_path / "got" / "file.part").unlink()
    server.requests.clear()
    error = refused(in_turn(*[File(CONTENT, drops=[half] * 100), status(416)] * 50))
    assert "6 times in a row" in error and len(server.requests) == 6


def test_a_server_without_ranges_starts_anew(fetch, tmp_path):
    served = File(CONTENT, ranges=False, drops=[100_000, 250_000])
    fetch(served)
    assert files(tmp_path) == {"file": CONTENT} and served.sent == 350_000 + len(CONTENT)


def test_a_silent_server_is_asked_again(fetch, tmp_path, monkeypatch):
    monkeypatch.setattr(web_module, "SILENCE", 0.1)
    served = File(CONTENT)

    def silent(request):
        request.head(200, Content_Length=len(CONTENT))
        request.wfile.write(CONTENT[:5000])
        request.wfile.flush()
        request.rfile.read(1)  # until the client has enough of it

    fetch(in_turn(silent, served))
    assert files(tmp_path) == {"file": CONTENT} and served.sent == len(CONTENT) - 5000


def test_a_wrong_checksum_leaves_nothing(refused, server, tmp_path):
    other = bytes(len(CONTENT))
    error = refused(File(other))
    assert f"{server.url}/file: file: sha256 {sha256(CONTENT)} expected, found {sha256(other)}" in error
    assert files(tmp_path) == {} and len(server.requests) == 1


def test_bytes_kept_from_another_version_are_thrown_away(fetch, server, tmp_path):
    (tmp_path / "got").mkdir()
    (tmp_path / "got" / "file.part").write_bytes(bytes(1000))
    fetch(File(CONTENT))
    assert files(tmp_path) == {"file": CONTENT} and len(server.requests) == 2


@pytest.mark.parametrize("kept", [len(CONTENT), len(CONTENT) + 1])
def test_a_part_as_long_as_the_file_is_checked_too(fetch, tmp_path, kept):
    (tmp_path / "got").mkdir()
    (tmp_path / "got" / "file.part").write_bytes(bytes(kept))
    fetch(File(CONTENT))
    assert files(tmp_path) == {"file": CONTENT}


def test_a_complete_part_needs_no_request(fetch, server, tmp_path):
    (tmp_path / "got").mkdir()
    (tmp_path / "got" / "file.part").write_bytes(CONTENT)
    fetch(File(CONTENT))
    assert files(tmp_path) == {"file": CONTENT} and server.requests == []


@pytest.mark.parametrize("size", [100, len(CONTENT) - 1, len(CONTENT) + 1])
def test_a_file_of_another_size_is_refused_before_it_comes(refused, server, tmp_path, size):
    error = refused(File((CONTENT + CONTENT)[:size]))
    assert f"{server.url}/file: {len(CONTENT)} bytes expected, the server offers {size}" in error
    assert files(tmp_path) == {} and len(server.requests) == 1


def test_a_login_page_does_not_cost_what_is_there(refused, tmp_path):
    (tmp_path / "got").mkdir()
    (tmp_path / "got" / "file.part").write_bytes(CONTENT[:1000])
    assert "bytes expected, the server offers 11" in refused(File(b"please log in"[:11], ranges=False))
    assert files(tmp_path) == {"file.part": CONTENT[:1000]}


def chunked(content, *, end=True):
    def answer(request):
        request.head(200, Transfer_Encoding="chunked")
        for start in range(0, len(content), 10_000):
            chunk = content[start : start + 10_000]
            request.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        if end:
            request.wfile.write(b"0\r\n\r\n")

    return answer


def unbounded(content):
    """As old servers do: the end of the connection is the end of the file."""

    def answer(request):
        request.head(200)
        request.wfile.write(content)

    return answer


def test_a_server_that_states_no_size(fetch, refused, tmp_path):
    assert "sends more than" in refused(chunked(bytes(len(CONTENT)) + b"x"))
    (tmp_path / "got" / "file.part").unlink()
    served = File(CONTENT)
    fetch(in_turn(chunked(CONTENT[:100_000], end=False), unbounded(CONTENT[:150_000]), served))
    assert files(tmp_path) == {"file": CONTENT} and served.sent == 150_000


def test_without_a_known_size_the_server_says_what_is_missing(fetch, tmp_path):
    (tmp_path / "got").mkdir()
    (tmp_path / "got" / "file.part").write_bytes(CONTENT)
    served = File(CONTENT)
    fetch(served, bytes=None)
    assert files(tmp_path) == {"file": CONTENT} and served.sent == 0
    (tmp_path / "got" / "file").unlink()
    (tmp_path / "got" / "file.part").write_bytes(CONTENT + b"more")
    fetch(File(CONTENT), bytes=None)
    assert files(tmp_path) == {"file": CONTENT}


@pytest.mark.parametrize("conditional", [True, False])
def test_a_file_that_changes_on_the_way_starts_anew(server, fetch, tmp_path, conditional):
    new = CONTENT[::-1]
    before = File(CONTENT, drops=[100_000])
    after = File(new, etag='"second"', conditional=conditional)
    fetch(in_turn(before, after), new)
    assert files(tmp_path) == {"file": new}
    # A server that knows of conditions sends the new file at once.
    assert len(server.requests) == (2 if conditional else 3)


def test_a_weak_etag_is_no_condition(fetch, server):
    fetch(File(CONTENT, etag='W/"weak"', drops=[1000]))
    assert [request.headers.get("If-Range") for request in server.requests] == [None, None]


def test_a_compressed_file_stays_compressed(server, fetch, tmp_path):
    content = gzip.compress(CONTENT[:1000])
    fetch(File(content, headers={"Content_Encoding": "gzip"}), content)
    assert files(tmp_path) == {"file": content}
    assert server.requests[0].headers["Accept-Encoding"] == "identity"


def test_nothing_has_the_final_name_before_it_is_verified(fetch, tmp_path):
    seen = []
    served = File(CONTENT, drops=[100_000])
    fetch(lambda request: (seen.append(set(files(tmp_path))), served(request)))
    assert seen == [{"file.part"}, {"file.part"}] and set(files(tmp_path)) == {"file"}


def test_a_file_that_is_there_is_not_asked_for(fetch, server, tmp_path):
    (tmp_path / "got").mkdir()
    (tmp_path / "got" / "file").write_bytes(CONTENT)
    fetch(File(CONTENT))
    assert server.requests == []
    (tmp_path / "got" / "file").write_bytes(CONTENT[:-1] + b"?")
    fetch(File(CONTENT))
    assert files(tmp_path) == {"file": CONTENT}


def test_a_small_disk_is_noticed_before(server, refused, tmp_path, monkeypatch):
    free = len(CONTENT) + download_module.SPARE - 1
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    served = File(CONTENT)
    assert "GB to download" in refused(served)
    assert files(tmp_path) == {}
    # What is there already needs no place.
    (tmp_path / "got" / "file.part").write_bytes(CONTENT[:1])
    download(Remote(f"{server.url}/file", len(CONTENT), sha256(CONTENT)), tmp_path / "got" / "file", Web())
    assert files(tmp_path) == {"file": CONTENT}


def test_a_file_that_another_process_is_downloading_is_left_to_it(server, refused, tmp_path):
    (tmp_path / "got").mkdir()
    with (tmp_path / "got" / "file.part").open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert "another process is downloading this file" in refused(File(CONTENT))
    assert server.requests == [] and files(tmp_path) == {"file.part": b""}


def test_git_blobs_are_known_by_gits_own_hash(server, web, tmp_path):
    server.answers["/hello"] = File(b"hello\n")
    # `echo hello | git hash-object --stdin`
    good = Remote(f"{server.url}/hello", 6, git_blob="ce013625030ba8dba906f756967f9e9ca394464a")
    download(good, tmp_path / "hello", web)
    assert files(tmp_path) == {"hello": b"hello\n"}
    with pytest.raises(UserError, match="git blob 0000"):
        download(Remote(good.url, 6, git_blob="0" * 40), tmp_path / "other", web)
    assert set(files(tmp_path)) == {"hello"}
