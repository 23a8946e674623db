import io
import struct
import tarfile
import zipfile

import pytest

from steadyflow.data.archives import as_folder, extract
from steadyflow.ground.artifacts import UserError

FILES = {"cat/a.txt": b"a" * 5000, "cat/deep/b.txt": b"b", "dog/c.txt": b""}


def zip_of(path, files):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name) if content is None else name, content or b"")
    return path


def tar_of(path, files, *, members=()):
    """`members`: TarInfo objects that follow the files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = {"gz": ":gz", "tgz": ":gz", "xz": ":xz", "bz2": ":bz2"}.get(path.suffix[1:], "")
    with tarfile.open(path, f"w{kind}") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in members:
            archive.addfile(info, io.BytesIO(b"x" * info.size))
    return path


def member(name, kind=tarfile.REGTYPE, target="", size=0):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, target, size
    return info


def tree(folder):
    """Every path under it, links as links, and the content of files."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() and not path.is_symlink() else None
        for path in folder.rglob("*")
    }


def content(folder):
    return {name: data for name, data in tree(folder).items() if data is not None}


ARCHIVES = ["a.zip", "a.ZIP", "a.tar", "a.tar.gz", "a.tgz", "a.tar.xz", "a.tar.bz2"]


@pytest.mark.parametrize("name", ARCHIVES)
def test_all_files_are_extracted(tmp_path, name):
    make = zip_of if name.lower().endswith("zip") else tar_of
    extract(make(tmp_path / name, FILES), tmp_path / "out")
    assert content(tmp_path / "out") == FILES
    assert {path.name for path in tmp_path.iterdir()} == {name, "out"}


def test_members_that_only_look_odd_are_extracted(tmp_path):
    folders = [member("./", tarfile.DIRTYPE), member("./empty", tarfile.DIRTYPE)]
    extract(tar_of(tmp_path / "a.tar", {"./x/..y": b"1", "z..": b"2"}, members=folders), tmp_path / "out")
    assert tree(tmp_path / "out") == {"x": None, "x/..y": b"1", "z..": b"2", "empty": None}


def test_links_to_files_of_the_archive_become_files(tmp_path):
    links = [
        member("dog/hard.txt", tarfile.LNKTYPE, "cat/a.txt"),
        member("dog/soft.txt", tarfile.SYMTYPE, "../cat/a.txt"),
        member("first.txt", tarfile.SYMTYPE, "./dog/c.txt"),
    ]
    extract(tar_of(tmp_path / "a.tar.gz", FILES, members=links), tmp_path / "out")
    more = {"dog/hard.txt": FILES["cat/a.txt"], "dog/soft.txt": FILES["cat/a.txt"], "first.txt": b""}
    assert content(tmp_path / "out") == {**FILES, **more}
    assert not any(path.is_symlink() for path in (tmp_path / "out").rglob("*"))


def zip_link(path):
    info = zipfile.ZipInfo("link")
    info.external_attr = 0o120777 << 16
    return zip_of(path, {"a": b"1", info: b"../../secret"})


def encrypted(path):
    data = bytearray(zip_of(path, {"a": b"1"}).read_bytes())
    # The flag of the entry in the file's directory.
    data[data.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)
    return path


def zipped(*names):
    return lambda path: zip_of(path.with_suffix(".zip"), {"good": b"1", **dict.fromkeys(names, b"evil")})


def tarred(*members, files=None):
    return lambda path: tar_of(path.with_suffix(".tar"), {"good": b"1", **(files or {})}, members=members)


OUTSIDE = "leads outside the folder"
HOSTILE = {
    "zip: ..": (zipped("../evil"), OUTSIDE),
    "zip: inner ..": (zipped("a/../../evil"), OUTSIDE),
    "zip: absolute": (zipped("/tmp/steadyflow-evil"), OUTSIDE),
    "zip: backslash": (zipped("..\\evil"), OUTSIDE),
    "zip: link": (lambda path: zip_link(path.with_suffix(".zip")), "neither a file nor a folder"),
    "zip: encrypted": (lambda path: encrypted(path.with_suffix(".zip")), "is encrypted"),
    "zip: file and folder": (zipped("a", "a/b"), "duplicate member"),
    "tar: ..": (tarred(files={"../evil": b"1"}), OUTSIDE),
    "tar: absolute": (tarred(files={"/tmp/steadyflow-evil": b"1"}), OUTSIDE),
    "tar: folder": (tarred(member("../evil", tarfile.DIRTYPE)), OUTSIDE),
    "tar: link out": (tarred(member("link", tarfile.SYMTYPE, "../secret")), OUTSIDE),
    "tar: absolute link": (tarred(member("link", tarfile.SYMTYPE, "/etc/passwd")), OUTSIDE),
    "tar: hard link out": (tarred(member("link", tarfile.LNKTYPE, "../secret")), OUTSIDE),
    "tar: link to a folder": (tarred(member("d", tarfile.DIRTYPE), member("l", tarfile.SYMTYPE, "d")), "no file of"),
    "tar: link to nothing": (tarred(member("link", tarfile.SYMTYPE, "nothing")), "no file of the archive"),
    "tar: through a link": (
        tarred(member("d", tarfile.SYMTYPE, "."), member("e", tarfile.SYMTYPE, "d/../../secret")),
        OUTSIDE,
    ),
    "tar: file behind a link": (tarred(member("l", tarfile.SYMTYPE, ".."), member("l/evil", size=3)), OUTSIDE),
    "tar: twice": (tarred(member("good", size=3)), "duplicate member"),
    "tar: link over a file": (tarred(member("x", size=1), member("good", tarfile.LNKTYPE, "x")), "duplicate member"),
    "tar: device": (tarred(member("null", tarfile.CHRTYPE)), "neither a file, a folder nor a link"),
    "tar: pipe": (tarred(member("pipe", tarfile.FIFOTYPE)), "neither a file, a folder nor a link"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_archives_write_nothing(tmp_path, case):
    make, message = HOSTILE[case]
    (tmp_path / "secret").write_text("outside")
    (tmp_path / "inner" / "target").mkdir(parents=True)
    archive = make(tmp_path / "archives" / "a")
    before = tree(tmp_path)
    with pytest.raises(UserError, match=message) as caught:
        extract(archive, tmp_path / "inner" / "target" / "out")
    assert str(caught.value).startswith(f"{archive}: ") and "\n" not in str(caught.value)
    assert tree(tmp_path) == before
    assert not (tmp_path.parent / "evil").exists() and not tmp_path.joinpath("/tmp/steadyflow-evil").exists()


def long_links(target):
    """The published archive of CVE-2025-4517: a chain of links that realpath gives up on, then a file behind it."""
    folder, steps = "d" * 247, "abcdefghijklmnop"
    members, path = [], ""
    for step in steps:
        members += [member(f"{path}{folder}", tarfile.DIRTYPE), member(f"{path}{step}", tarfile.SYMTYPE, folder)]
        path += f"{folder}/"
    far = "/".join([*steps, "l" * 254])
    members += [member(far, tarfile.SYMTYPE, "../" * len(steps)), member("out", tarfile.SYMTYPE, f"{far}/..")]
    return [*members, member("file", tarfile.LNKTYPE, f"out/{target}"), member("file", size=3)]


def test_a_chain_of_long_links_leads_nowhere(tmp_path):
    (tmp_path / "secret").write_text("outside")
    archive = tar_of(tmp_path / "a.tar", {"good": b"1"}, members=long_links("secret"))
    with pytest.raises(UserError, match=r"no file of the archive; nothing was extracted"):
        extract(archive, tmp_path / "out")
    assert (tmp_path / "secret").read_text() == "outside" and not (tmp_path / "out").exists()


@pytest.mark.parametrize(("name", "make"), [("a.zip", zip_of), ("a.tar.gz", tar_of)])
def test_a_bomb_is_refused_before_a_byte_is_written(tmp_path, name, make):
    bomb = make(tmp_path / name, {"zeros": bytes(2**24)})
    assert bomb.stat().st_size < 2**16
    asked = []

    def free(path):
        asked.append(path)
        return 2**23

    with pytest.raises(UserError, match=r"needs 0\.02 GiB when extracted, but .* has 0\.01 GiB left"):
        extract(bomb, tmp_path / "out", free)
    assert asked == [tmp_path] and [path.name for path in tmp_path.iterdir()] == [name]
    extract(bomb, tmp_path / "out", lambda path: 2**24 + 2**13)
    assert (tmp_path / "out" / "zeros").stat().st_size == 2**24


def test_a_million_empty_files_need_room_too(tmp_path):
    archive = zip_of(tmp_path / "a.zip", {f"{i}": b"" for i in range(1000)})
    with pytest.raises(UserError, match=r"needs 0\.00 GiB"):
        extract(archive, tmp_path / "out", free=lambda path: 2**20)


def test_a_zip_that_understates_a_size_is_refused(tmp_path):
    archive = zip_of(tmp_path / "a.zip", {"zeros": bytes(2**20)})
    data = bytearray(archive.read_bytes())
    for signature, offset in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        struct.pack_into("<I", data, data.index(signature) + offset, 10)
    archive.write_bytes(data)
    with pytest.raises(UserError, match=r"a\.zip: cannot be read to its end"):
        extract(archive, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def tar_in_latin1(path):
    tar_of(path, {"pictures/caf\udce9.png": b"x"})


def zip_in_latin1_that_says_utf8(path):
    # zipfile sets the flag for a name that is not ASCII.
    zip_of(path, {"pictures/café.png": b"x"})
    path.write_bytes(path.read_bytes().replace("fé.".encode(), b"f\xe9.."))


@pytest.mark.parametrize(("name", "make"), [("a.tar", tar_in_latin1), ("a.zip", zip_in_latin1_that_says_utf8)])
def test_names_that_are_not_utf8_are_named(tmp_path, name, make):
    make(tmp_path / name)
    with pytest.raises(UserError) as error:
        extract(tmp_path / name, tmp_path / "out")
    odd = ".." if name == "a.zip" else "."
    message = f"{tmp_path / name}: the name b'pictures/caf\\xe9{odd}png' in it is not UTF-8; rename it"
    assert str(error.value) == message and not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tar.xz", "a.tar.bz2"])
def test_archives_cut_short_leave_nothing(tmp_path, name):
    noise = bytes(hash((i, 7)) % 251 for i in range(40_000))
    archive = (zip_of if name.endswith("zip") else tar_of)(tmp_path / name, {"a": noise, "b": noise[::-1]})
    whole = archive.read_bytes()
    for length in (0, 1000, len(whole) // 2):
        archive.write_bytes(whole[:length])
        with pytest.raises(UserError, match=rf"{name}: .*(cannot be read to its end|cut short).*get the archive again"):
            extract(archive, tmp_path / "out")
        assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_folder_stays_as_it_is(tmp_path):
    with as_folder(tmp_path, tmp_path / "scratch") as folder:
        assert folder == tmp_path
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("extra", [{}, {"__MACOSX/top/._a": b"mac", ".hidden": b"."}])
def test_single_top_folders_are_descended_into(tmp_path, extra):
    archive = zip_of(tmp_path / "pictures.zip", {f"top/inner/{name}": data for name, data in FILES.items()} | extra)
    with as_folder(archive, tmp_path / "scratch") as folder:
        assert folder.name == "inner" and content(folder) == FILES
    assert [path.name for path in tmp_path.iterdir()] == ["pictures.zip"]


def test_the_scratch_goes_in_the_end_whatever_happens(tmp_path):
    archive, scratch = tar_of(tmp_path / "pictures.tar.gz", FILES), tmp_path / "scratch"
    # As a killed job left it.
    (scratch / "old").mkdir(parents=True)
    (scratch / "old" / "x").write_text("x")
    with pytest.raises(RuntimeError, match="no image"), as_folder(archive, scratch) as folder:
        assert folder.name == "pictures" and content(folder) == FILES and not (scratch / "old").exists()
        raise RuntimeError("no image")
    assert not scratch.exists()


def test_a_file_that_is_no_archive_is_named(tmp_path):
    (tmp_path / "a.rar").write_text("x")
    with (
        pytest.raises(UserError, match=r"a\.rar: neither a folder nor an archive"),
        as_folder(tmp_path / "a.rar", tmp_path / "s"),
    ):
        pass
