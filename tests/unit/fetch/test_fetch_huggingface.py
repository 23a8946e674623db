import hashlib
import random
import shutil
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
from support.hub import COMMIT, listed, serve_dataset, serve_json
from support.loopback import File, in_turn, loopback, redirect, status

from steadyflow.data.files import matching_shards
from steadyflow.fetch import huggingface
from steadyflow.fetch.huggingface import fetch_dataset, hub_web
from steadyflow.fetch.remote import Remote
from steadyflow.fetch.web import Web
from steadyflow.ground.artifacts import UserError

SECRET = "hf_secretsecretsecret"
REPO = "someone/faces"
NAMES = [f"data/train-0000{i}-of-00003.parquet" for i in range(3)] + ["data/val-00000-of-00001.parquet", "data/a.txt"]
CONTENTS = {name: random.Random(name).randbytes(5000 + 10 * i) for i, name in enumerate(NAMES)}
PATTERNS = {"train": "data/train-*.parquet", "val": "data/val-*.parquet"}


@pytest.fixture
def server():
    with loopback() as running:
        yield running


@pytest.fixture
def web(server):
    return Web(home=server.url, token=SECRET, sleep=lambda seconds: None)


@pytest.fixture
def fetch(web, tmp_path):
    def run(patterns=PATTERNS, revision="main", web=web):
        return fetch_dataset(REPO, revision, patterns, tmp_path / "got", web)

    return run


@pytest.fixture
def refused(fetch, capfd):
    def run(*arguments, **more):
        with pytest.raises(UserError) as caught:
            fetch(*arguments, **more)
        captured = capfd.readouterr()
        assert SECRET not in str(caught.value) + captured.out + captured.err
        return str(caught.value)

    return run


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_files_of_the_patterns_come_at_one_commit(server, fetch, tmp_path):
    serve_dataset(server, REPO, CONTENTS, cardData={"license": "cc-by-4.0"}, gated=False)
    found = fetch()
    wanted = NAMES[:4]
    assert files(tmp_path / "got") == {name: CONTENTS[name] for name in wanted}
    assert found == {
        "repo": REPO,
        "commit": COMMIT,
        "url": f"{server.url}/datasets/{REPO}",
        "licence": "cc-by-4.0",
        "files": [
            {
                "path": name,
                "bytes": len(CONTENTS[name]),
                "sha256": hashlib.sha256(CONTENTS[name]).hexdigest(),
                "split": name[5:].split("-")[0],
            }
            for name in wanted
        ],
    }
    # The branch is asked for once, and the token goes to the hub alone.
    asked = [request.path for request in server.requests]
    assert sum("main" in path for path in asked) == 1
    for request in server.requests:
        at_hub = not request.path.startswith("/stored")
        assert request.headers.get("Authorization") == (f"Bearer {SECRET}" if at_hub else None)


def test_files_that_are_there_are_not_fetched_again(server, fetch, tmp_path):
    served = serve_dataset(server, REPO, CONTENTS)
    fetch({"train": PATTERNS["train"]})
    fetch()
    assert [file.sent for file in served.values()] == [len(CONTENTS[name]) for name in NAMES[:4]] + [0]


def test_an_interrupted_shard_is_resumed(server, fetch, tmp_path):
    served = serve_dataset(server, REPO, CONTENTS)
    served[NAMES[1]].drops = [1000, 3000]
    fetch()
    assert files(tmp_path / "got") == {name: CONTENTS[name] for name in NAMES[:4]}
    assert served[NAMES[1]].sent == len(CONTENTS[NAMES[1]])


def test_a_truncated_shard_is_one_error(server, refused, tmp_path):
    served = serve_dataset(server, REPO, CONTENTS)
    served[NAMES[1]].content = CONTENTS[NAMES[1]][:4000]
    assert f"{NAMES[1]}: 5010 bytes expected, the server offers 4000" in refused()
    assert files(tmp_path / "got") == {NAMES[0]: CONTENTS[NAMES[0]]}


def test_a_changed_shard_is_one_error(server, refused, tmp_path):
    served = serve_dataset(server, REPO, CONTENTS)
    served[NAMES[1]].content = bytes(5010)
    assert f"sha256 {hashlib.sha256(CONTENTS[NAMES[1]]).hexdigest()} expected" in refused()
    assert files(tmp_path / "got") == {NAMES[0]: CONTENTS[NAMES[0]]}


def test_files_in_git_itself_are_verified_by_gits_hash(server, fetch, refused, tmp_path):
    serve_dataset(server, REPO, {"data/x.txt": b"hello\n"})
    tree = f"/api/datasets/{REPO}/tree/{COMMIT}/data"
    # `echo hello | git hash-object --stdin`
    entry = {"type": "file", "path": "data/x.txt", "size": 6, "oid": "ce013625030ba8dba906f756967f9e9ca394464a"}
    server.answers[tree] = serve_json([entry])
    assert fetch({"train": "data/*.txt"})["files"][0]["sha256"] == hashlib.sha256(b"hello\n").hexdigest()
    (tmp_path / "got" / "data" / "x.txt").unlink()
    server.answers["/stored/data/x.txt"] = File(b"hallo\n")
    assert "git blob ce013625030ba8dba906f756967f9e9ca394464a expected" in refused({"train": "data/*.txt"})
    assert files(tmp_path) == {}


@pytest.mark.parametrize(
    ("evil", "pattern"),
    [
        ("data/../../evil.parquet", "data/*/*/*.parquet"),
        ("data/../evil.parquet", "data/*/*.parquet"),
        ("../evil.parquet", "*/evil.parquet"),
        ("/tmp/evil.parquet", "*/evil.parquet"),
        ("data/\0.parquet", "data/*.parquet"),
    ],
)
def test_nothing_is_written_outside_the_folder(server, refused, tmp_path, evil, pattern):
    serve_dataset(server, REPO, {evil: b"evil"}, folder="data" if "data/" in pattern else "")
    (tmp_path / "got").mkdir()
    before = sorted(tmp_path.rglob("*"))
    assert "leads out of" in refused({"train": pattern})
    assert sorted(tmp_path.rglob("*")) == before


def test_a_link_in_the_folder_leads_nowhere_else(server, refused, tmp_path):
    serve_dataset(server, REPO, CONTENTS)
    (tmp_path / "got").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "got" / "data").symlink_to(tmp_path / "elsewhere")
    assert "a link leads out of" in refused()
    assert files(tmp_path / "elsewhere") == {}


def test_a_list_that_never_ends(server, refused):
    serve_dataset(server, REPO, CONTENTS)
    tree = f"/api/datasets/{REPO}/tree/{COMMIT}/data"
    server.answers[tree] = serve_json([], Link=f'<{server.url}{tree}>; rel="next"')
    assert "comes back to its beginning" in refused()


def test_another_hosts_next_page_gets_no_token(server, fetch):
    serve_dataset(server, REPO, CONTENTS)
    tree = f"/api/datasets/{REPO}/tree/{COMMIT}/data"
    server.answers["/page"] = serve_json([listed(name, CONTENTS[name]) for name in NAMES])
    server.answers[tree] = serve_json([], Link=f'<{server.other_url}/page>; rel="next"')
    fetch()
    assert {r.headers.get("Authorization") for r in server.requests if r.path == "/page"} == {None}


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        ({"train": "data/test-*.parquet"}, r"no file matches 'data/test-*.parquet' (train); found there: data/a.txt, "),
        ({"train": "data/*.parquet", "val": "data/val-*"}, "data/val-00000-of-00001.parquet matches the patterns of"),
    ],
)
def test_patterns_that_do_not_fit(server, refused, tmp_path, patterns, message):
    serve_dataset(server, REPO, CONTENTS)
    assert message in refused(patterns)
    assert files(tmp_path) == {}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (status(401), "HTTP 401 Unauthorized; it is gated, private or not there: accept its terms"),
        (status(403), "HTTP 403 Forbidden; access is refused: accept its terms"),
        (status(404), "HTTP 404 Not Found; there is no such file or repository"),
        (File(b"<html>"), "does not answer as a hub does (JSONDecodeError: "),
        (serve_json([1]), "does not answer as a hub does (TypeError: "),
        (serve_json({"sha": COMMIT}), "does not answer as a hub does (KeyError: 'id')"),
        (serve_json({"id": REPO}), "names no commit"),
        (serve_json({"id": REPO, "sha": "../../x"}), "names no commit"),
    ],
)
def test_what_the_hub_says_instead_of_a_commit(server, refused, tmp_path, answer, message):
    server.answers[f"/api/datasets/{REPO}/revision/main"] = answer
    assert message in refused()
    assert len(server.requests) == 1 and files(tmp_path) == {}


@pytest.mark.parametrize(
    "entry",
    [
        {},
        1,
        {"type": "file", "path": "x"},
        listed("x", b"") | {"lfs": 1},
        listed("x", b"") | {"lfs": {"oid": None, "size": 0, "pointerSize": 134}},
        listed("x", b"") | {"lfs": {"oid": "0" * 64, "size": "0", "pointerSize": 134}},
        listed("x", b"", lfs=False) | {"oid": "main"},
    ],
)
def test_a_listing_in_another_format(server, refused, tmp_path, entry):
    serve_dataset(server, REPO, CONTENTS)
    server.answers[f"/api/datasets/{REPO}/tree/{COMMIT}/data"] = serve_json([entry])
    assert f"{server.url}/datasets/{REPO}: the server does not answer as a hub does (" in refused()
    assert files(tmp_path) == {}


def test_a_busy_hub_is_asked_again(server, fetch, tmp_path):
    serve_dataset(server, REPO, CONTENTS)
    info = f"/api/datasets/{REPO}/revision/main"
    server.answers[info] = in_turn(status(503), status(429, Retry_After=7), server.answers[info])
    waits = []
    fetch(web=Web(home=server.url, sleep=waits.append))
    assert waits == [1, 7] and len(files(tmp_path / "got")) == 4


def test_a_hub_that_stays_busy_or_away_is_one_error(server, refused, web):
    server.answers[f"/api/datasets/{REPO}/revision/main"] = status(502)
    assert "HTTP 502 Bad Gateway, 6 times in a row" in refused()
    with loopback() as gone:
        away = replace(web, home=gone.url)
    gone.server_close()
    assert "Connection refused, 6 times in a row" in refused(web=away)


def test_a_redirected_hub_gets_the_token_only_at_home(server, fetch, refused):
    serve_dataset(server, REPO, CONTENTS)
    info = f"/api/datasets/{REPO}/revision/main"
    server.answers["/elsewhere"] = server.answers[info]
    server.answers[info] = redirect(f"{server.other_url}/elsewhere")
    fetch()
    sent = {request.path: request.headers.get("Authorization") for request in server.requests}
    assert (sent[info], sent["/elsewhere"]) == (f"Bearer {SECRET}", None)
    server.answers["/elsewhere"] = redirect(f"{server.url}{info}")
    assert "redirected more than 10 times, a loop at the server" in refused()


def test_no_request_says_what_is_installed_here(server, fetch):
    serve_dataset(server, REPO, CONTENTS)
    fetch()
    agents = {request.headers["User-Agent"].split("/")[0] for request in server.requests}
    assert agents == {"steadyflow", "python-httpx2"}
    assert not any("torch" in request.headers["User-Agent"] for request in server.requests)


def test_gated_data_says_so(server, fetch):
    serve_dataset(server, REPO, CONTENTS, gated="auto", cardData={"license": ["other", "mit"]})
    assert fetch()["licence"] == "other, mit, gated"


def test_a_branch_with_a_slash(server, fetch):
    serve_dataset(server, REPO, CONTENTS)
    revisions = f"/api/datasets/{REPO}/revision"
    server.answers[f"{revisions}/refs%2Fconvert%2Fparquet"] = server.answers[f"{revisions}/main"]
    assert fetch(revision="refs/convert/parquet")["commit"] == COMMIT


def test_the_disk_has_to_hold_all_files(server, refused, fetch, tmp_path, monkeypatch):
    served = serve_dataset(server, REPO, CONTENTS)
    needed = sum(len(CONTENTS[name]) for name in NAMES[:4]) + 2**28
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=needed - 1))
    assert "make room" in refused()
    assert sum(file.sent for file in served.values()) == 0
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=needed))
    fetch()


@pytest.mark.parametrize("pattern", ["*", "*/*", "data/*.parquet", "*/train-[!1]*", "d?ta/*/a.*", "data", "train-0*"])
def test_patterns_name_the_files_that_the_dataset_stage_will_find(tmp_path, pattern):
    paths = ["a", "data/.b.parquet", "data/train-0.parquet", "data/train-1.PARQUET", "data/deep/a.b", "train-0/a"]
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    files = [huggingface.HubFile(path, Remote("")) for path in paths]

    def chosen(choose):
        try:
            return choose()
        except UserError:
            return []

    fetched = chosen(lambda: [file.path for file, _ in huggingface.select(files, {"train": pattern}, REPO)])
    found = chosen(lambda: matching_shards(tmp_path, pattern))
    assert sorted(fetched) == [path.relative_to(tmp_path).as_posix() for path in found]
    assert bool(found) == (pattern not in ("data", "train-0*"))


def test_folders_are_listed_no_wider_than_the_patterns():
    patterns = ["data/train-*.parquet", "*.parquet", "a/b/c.parquet", "a/*/c.parquet", "a[b]/c/d"]
    assert [huggingface._folder(pattern) for pattern in patterns] == ["data", "", "a/b", "a", ""]


@pytest.fixture
def no_token(monkeypatch, tmp_path):
    for name in ("HF_TOKEN", "HF_TOKEN_PATH", "HF_ENDPOINT", "HF_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def token_elsewhere():
    """What a new process finds: huggingface_hub reads HF_HOME and HF_TOKEN_PATH when it is imported."""
    code = "from steadyflow.fetch.huggingface import hub_web; print(hub_web().token)"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_the_token_comes_from_the_environment_or_a_file(no_token, monkeypatch, tmp_path):
    assert token_elsewhere() == "None"
    (tmp_path / ".cache" / "huggingface").mkdir(parents=True)
    (tmp_path / ".cache" / "huggingface" / "token").write_text("from_cache\n")
    assert token_elsewhere() == "from_cache"
    (tmp_path / "token").write_text("from_home")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    assert token_elsewhere() == "from_home"
    (tmp_path / "mine").write_text("from_path")
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "mine"))
    assert token_elsewhere() == "from_path"
    monkeypatch.setenv("HF_TOKEN", f"{SECRET} ")
    assert token_elsewhere() == SECRET and SECRET not in repr(hub_web())


def test_the_hub_is_that_of_the_environment(no_token, monkeypatch):
    assert hub_web().home == "https://huggingface.co"
    monkeypatch.setenv("HF_ENDPOINT", "http://mirror.org/hub/")
    assert hub_web().home == "http://mirror.org/hub"


@pytest.mark.parametrize("token", [f"{SECRET}\nX-Evil: 1", f"{SECRET} {SECRET}", f"{SECRET}é"])
def test_what_is_no_token_is_refused_unseen(no_token, monkeypatch, token):
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(UserError, match="HF_TOKEN: not a token") as caught:
        hub_web()
    assert SECRET not in str(caught.value)
