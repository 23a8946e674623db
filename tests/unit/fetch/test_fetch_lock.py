import hashlib
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from support.loopback import File, loopback, status

from steadyflow.fetch.licences import Downloaded, downloaded
from steadyflow.fetch.lock import Locked, entry_of, read_lock, verified
from steadyflow.fetch.locked import fetch_dataset_file, fetch_locked
from steadyflow.fetch.web import Web
from steadyflow.ground.artifacts import UserError, write_json
from steadyflow.ground.constants import VGG16_WEIGHTS

RESOURCES = Path(__file__).parents[3] / "resources"
WEIGHTS, DATASETS = RESOURCES / "weights.lock", RESOURCES / "datasets.lock"

GOOD = {"url": "https://a.org/x", "sha256": "0" * 64, "licence": "MIT"}


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def test_the_locks_of_this_repository_can_be_read():
    weights, datasets = read_lock(WEIGHTS), read_lock(DATASETS)
    assert VGG16_WEIGHTS in weights and len(weights) == 9 and list(datasets) == ["cifar-10-binary.tar.gz"]
    # torch.hub's convention: a name may end with the first digits of the file's sha256.
    ends = {name: match[1] for name in weights if (match := re.search(r"-([0-9a-f]{8})\.pth$", name))}
    assert len(ends) == 2 and all(weights[name].sha256.startswith(end) for name, end in ends.items())
    # OpenAI's addresses hold the sha256.
    assert weights["ViT-B-32.pt"].sha256 in weights["ViT-B-32.pt"].url
    assert all(entry.bytes for entry in (*weights.values(), *datasets.values()))
    assert all("non-commercial" in weights[name].licence for name in ("antelopev2.zip", "glintr100.onnx"))


def toml(**entries):
    return "\n".join(
        f'["{name}"]\n' + "".join(f"{key} = {value!r}\n" for key, value in entry.items())
        for name, entry in entries.items()
    )


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"x": {**GOOD, "sha256": "0" * 63}}, "x.sha256: String should match pattern"),
        ({"x": {**GOOD, "sha256": "A" * 64}}, "x.sha256: "),
        ({"x": {**GOOD, "url": "ftp://a.org/x"}}, "x.url: "),
        ({"x": {**GOOD, "url": "https://me:mine@a.org/x"}}, "x.url: "),
        ({"x": {**GOOD, "bytes": 0}}, "x.bytes: "),
        ({"x": {**GOOD, "licence": ""}}, "x.licence: "),
        ({"x": {**GOOD, "license": "MIT"}}, "x.license: Unexpected keyword argument"),
        ({"x": {"url": GOOD["url"], "sha256": GOOD["sha256"]}}, "x.licence: Field required"),
        ({"../x": GOOD}, "../x.name: "),
        ({"x": {**GOOD, "inside": "y.zip"}}, "x: `inside` .* and `member` .* go together"),
        (
            {"x": {**GOOD, "inside": "y.zip", "member": "x"}},
            r"x.inside: 'y.zip' is no archive of this lock \(known: fine, x\)",
        ),
        ({"x": {**GOOD, "inside": "x", "member": "x"}}, "x.inside: 'x' is no archive"),
    ],
)
def test_mistakes_name_file_and_key(tmp_path, entries, message):
    path = tmp_path / "my.lock"
    path.write_text(toml(fine=GOOD, **entries))
    with pytest.raises(UserError, match=f"^{re.escape(str(path))}: {message}") as caught:
        read_lock(path)
    assert len(str(caught.value).splitlines()) == 1


def test_a_lock_that_is_none(tmp_path):
    path = tmp_path / "my.lock"
    for content, message in (
        (b"x = ", "not valid TOML"),
        (b"\xff", "not valid TOML in UTF-8"),
        (b"x = 1", "a table is"),
    ):
        path.write_bytes(content)
        with pytest.raises(UserError, match=message):
            read_lock(path)
    with pytest.raises(UserError, match="cannot read the lock file"):
        read_lock(tmp_path / "none")
    with pytest.raises(UserError, match=r"'z': not in the lock \(known: x\)"):
        entry_of({"x": Locked("x", "", "", "")}, "z")


def test_what_is_read_is_verified_where_it_is_read(tmp_path):
    entry = Locked("vgg.pth", "https://a.org/vgg.pth", sha256(b"good"), "MIT", 4)
    path = tmp_path / "vgg.pth"
    with pytest.raises(UserError, match="not there; run `snakemake fetch`") as missing:
        verified(path, entry)
    for said in (str(path), "4 bytes", entry.sha256, entry.url):
        assert said in str(missing.value)
    path.write_bytes(b"goof")
    with pytest.raises(UserError, match=f"sha256 {entry.sha256} expected, found {sha256(b'goof')}; delete it"):
        verified(path, entry)
    path.write_bytes(b"good")
    assert verified(path, entry) == path


CONTENT = b"weights" * 1000


@pytest.fixture
def packed(tmp_path):
    """A lock of a served archive and a file inside it, the archive's bytes, and a folder for both."""
    with loopback() as server:

        def make(members, **expected):
            with zipfile.ZipFile(tmp_path / "made.zip", "w", zipfile.ZIP_DEFLATED) as archive:
                for name, content in members.items():
                    archive.writestr(name, content)
            content = (tmp_path / "made.zip").read_bytes()
            (tmp_path / "made.zip").unlink()
            server.answers["/pack.zip"] = File(content)
            pack = Locked("pack.zip", f"{server.url}/pack.zip", sha256(content), "MIT", len(content))
            inner = replace(pack, name="inner.onnx", sha256=sha256(CONTENT), bytes=len(CONTENT), inside="pack.zip")
            inner = replace(inner, member="pack/inner.onnx", **expected)
            return {"pack.zip": pack, "inner.onnx": inner}

        yield make


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_a_file_inside_an_archive(packed, tmp_path):
    lock = packed({"pack/inner.onnx": CONTENT, "pack/other.onnx": b"x", "../evil": b"x", "/tmp/evil": b"x"})
    assert fetch_locked(lock, "inner.onnx", tmp_path / "a" / "b", Web()).read_bytes() == CONTENT
    assert files(tmp_path) == {"a", "a/b", "a/b/pack.zip", "a/b/inner.onnx"}


@pytest.mark.parametrize(
    ("members", "expected", "message"),
    [
        ({"inner.onnx": CONTENT}, {}, "holds no pack/inner.onnx"),
        ({"pack/inner.onnx": CONTENT[::-1]}, {}, "pack/inner.onnx: sha256 "),
        ({"pack/inner.onnx": CONTENT * 2}, {}, "pack/inner.onnx: 7000 bytes expected, found 14000"),
        ({"pack/inner.onnx": CONTENT * 2}, {"bytes": None}, "pack/inner.onnx: sha256 "),
    ],
)
def test_what_an_archive_does_not_hold(packed, tmp_path, members, expected, message):
    with pytest.raises(UserError, match=message):
        fetch_locked(packed(members, **expected), "inner.onnx", tmp_path / "got", Web())
    assert files(tmp_path) == {"got", "got/pack.zip"}


def test_an_archive_that_is_none(tmp_path):
    with loopback() as server:
        server.answers["/pack.zip"] = File(b"no archive")
        pack = Locked("pack.zip", f"{server.url}/pack.zip", sha256(b"no archive"), "MIT")
        inner = replace(pack, name="inner", inside="pack.zip", member="inner")
        with pytest.raises(UserError, match=r"pack.zip: cannot be read \(File is not a zip file\)"):
            fetch_locked({"pack.zip": pack, "inner": inner}, "inner", tmp_path / "got", Web())
    assert files(tmp_path) == {"got", "got/pack.zip"}


def test_what_cannot_be_fetched_may_be_put_by_hand(packed, tmp_path):
    lock = packed({"pack/inner.onnx": CONTENT})
    with loopback() as server:
        gone = replace(lock["pack.zip"], url=f"{server.url}/gone")
        server.answers["/gone"] = status(404)
        with pytest.raises(UserError, match="HTTP 404") as caught:
            fetch_locked({"pack.zip": gone}, "pack.zip", tmp_path, Web())
    assert (
        f"fetch it elsewhere and put it there: {tmp_path}/pack.zip ({gone.bytes} bytes, sha256 {gone.sha256})"
        in str(caught.value)
    )
    # The file alone does; the archive it comes from is not asked for.
    (tmp_path / "inner.onnx").write_bytes(CONTENT)
    assert fetch_locked({**lock, "pack.zip": gone}, "inner.onnx", tmp_path, Web()) == tmp_path / "inner.onnx"


def test_a_dataset_of_one_file_is_listed_like_any_other(packed, tmp_path):
    lock = packed({"pack/inner.onnx": CONTENT})
    entry = lock["pack.zip"]
    listing = fetch_dataset_file(lock, "pack.zip", tmp_path, Web())
    files = [{"path": "pack.zip", "bytes": entry.bytes, "sha256": entry.sha256}]
    assert listing == {"url": entry.url, "licence": "MIT", "files": files}


def test_downloads_are_listed_with_their_licences(packed, tmp_path):
    lock = packed({"pack/inner.onnx": CONTENT})
    weights, folder = fetch_locked(lock, "inner.onnx", tmp_path / "weights", Web()), tmp_path / "faces"
    listing = {"url": "https://hub/faces", "licence": "cc0", "files": [{"bytes": 3}, {"bytes": 4}]}
    write_json(folder / "files.json", listing)
    assert list(downloaded(lock, [weights], [folder / "files.json"])) == [
        Downloaded("inner.onnx", 7000, "MIT", weights),
        Downloaded("https://hub/faces", 7, "cc0", folder),
    ]
    weights.write_bytes(CONTENT[::-1])
    with pytest.raises(UserError, match=r"sha256 .* expected"):
        list(downloaded(lock, [weights], []))
    with pytest.raises(UserError, match="'other': not in the lock"):
        list(downloaded(lock, [tmp_path / "other"], []))
