"""Safe extraction of tar and zip archives of images: nothing is written outside the folder.

The extraction of tarfile and zipfile is not used. tarfile's `data` filter creates symbolic links, a chain of which can
lead out of the folder before Python 3.11.13, 3.12.11 and 3.13.4 (CVE-2025-4517; the tests have such an archive); it
silently strips leading slashes and overwrites duplicate members. zipfile renames members with `..`. Neither limits the
bytes written. Here only plain files and folders are created, after the names of all members were checked.
"""

import contextlib
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from steadyflow.data.files import check_name
from steadyflow.ground.artifacts import UserError, atomic_directory

TAR = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")
ZIP = (".zip",)
_BLOCK = 4096
"""Assumed overhead of a file or folder on the disk, in bytes."""


@dataclass(frozen=True)
class _Entry:
    """One member of an archive.

    read: opens a file's content, valid until the next member; None for a folder
    link: the member that a link leads to
    problem: why it cannot be extracted
    """

    name: str
    size: int = 0
    read: Callable[[], IO[bytes]] | None = None
    link: str | None = None
    problem: str = ""


def is_archive(path: Path | str) -> bool:
    """Whether the name has the suffix of a supported archive."""
    return str(path).lower().endswith(TAR + ZIP)


@contextlib.contextmanager
def as_folder(path: Path | str, scratch: Path | str) -> Iterator[Path]:
    """`path` itself if it is a folder; if it is an archive, a folder with its files while the context lasts.

    An archive is extracted to the folder `scratch`, which is deleted at the end, and at the beginning if a killed job
    left it. If the archive contains a single folder, that folder is yielded, recursively. Raises UserError as `extract`
    does, and for a file that is not an archive.
    """
    path, scratch = Path(path), Path(scratch)
    if not path.is_file():
        yield path
        return
    if not is_archive(path):
        raise UserError(f"{path}: neither a folder nor an archive ({', '.join(TAR + ZIP)})")
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        folder = scratch / path.name.split(".")[0]
        extract(path, folder)
        yield _single_top(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def extract(
    archive: Path | str, folder: Path | str, free: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free
) -> None:
    """Extracts a tar (plain, gz, xz, bz2) or zip archive to a new folder `folder`, atomically.

    A link to a file of the archive becomes a hard link. `free` returns the free bytes on a path's disk. The archive is
    read twice, since nothing is written before every member was checked.

    Raises UserError for a member with an absolute path, a `..` or a backslash in its name, a name that is not UTF-8, a
    duplicate name, a link to anything but a file of the archive, a device and an encrypted file; if the disk has less
    free space than the archive's declared size; and if the archive cannot be read to its end.
    """
    archive, folder = Path(archive), Path(folder)
    needed = 0
    with _readable(archive) as entries:
        for entry in entries:
            _check(archive, entry)
            needed += entry.size + _BLOCK
    folder.parent.mkdir(parents=True, exist_ok=True)
    available = free(folder.parent)
    if needed > available:
        raise UserError(
            f"{archive}: needs {_gib(needed)} when extracted, but {folder.parent} has {_gib(available)} left; "
            "make room, or extract it elsewhere and name that folder"
        )
    with atomic_directory(folder) as temporary:
        links = []
        with _readable(archive) as entries:
            for entry in entries:
                # Checked again, since the archive may have changed since the first pass.
                _check(archive, entry)
                if entry.link is not None:
                    links.append(entry)
                else:
                    _write(archive, entry, temporary)
        for entry in links:
            _link(archive, entry, temporary)


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"


def _check(archive: Path, entry: _Entry) -> None:
    names = [entry.name] if entry.link is None else [entry.name, entry.link]
    problem = entry.problem
    if any(name.startswith("/") or ".." in name.split("/") or "\\" in name or "\0" in name for name in names):
        problem = "leads outside the folder"
    for name in names:
        check_name(archive, name)
    if problem:
        raise UserError(f"{archive}: the member {' -> '.join(names)!r} {problem}; nothing was extracted")


def _write(archive: Path, entry: _Entry, folder: Path) -> None:
    target = folder / PurePosixPath(entry.name)
    try:
        if entry.read is None:
            target.mkdir(parents=True, exist_ok=True)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            with entry.read() as content:
                shutil.copyfileobj(content, file)
            complete = file.tell() == entry.size
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise UserError(f"{archive}: duplicate member {entry.name!r}; nothing was extracted") from error
    if not complete:
        raise UserError(f"{archive}: the member {entry.name!r} is cut short; get the archive again")


def _link(archive: Path, entry: _Entry, folder: Path) -> None:
    source, target = folder / PurePosixPath(str(entry.link)), folder / PurePosixPath(entry.name)
    if not source.is_file():
        raise UserError(
            f"{archive}: the member {entry.name!r} is a link to {entry.link!r}, no file of the archive; "
            "nothing was extracted"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except FileExistsError as error:
        raise UserError(f"{archive}: duplicate member {entry.name!r}; nothing was extracted") from error


@contextlib.contextmanager
def _readable(archive: Path) -> Iterator[Iterator[_Entry]]:
    """The archive's members. Errors of the libraries that read it are turned into UserError."""
    entries = _zip_entries if str(archive).lower().endswith(ZIP) else _tar_entries
    try:
        yield entries(archive)
    except UnicodeDecodeError as error:
        # From a zip file whose flag declares its names to be UTF-8.
        raise UserError(f"{archive}: the name {error.object!r} in it is not UTF-8; rename it") from error
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError) as error:
        # Broken gzip and bzip2 streams raise OSError without errno, unlike a full disk.
        if getattr(error, "errno", None) is not None:
            raise
        raise UserError(f"{archive}: cannot be read to its end ({error}); get the archive again") from error


def _tar_entries(archive: Path) -> Iterator[_Entry]:
    with tarfile.open(archive, "r|*") as tar:
        while (member := tar.next()) is not None:
            # tarfile keeps all members in memory, about 1 GB for a million files.
            tar.members.clear()  # type: ignore[attr-defined]  # typeshed leaves it out
            yield _tar_entry(tar, member)


def _tar_entry(tar: tarfile.TarFile, member: tarfile.TarInfo) -> _Entry:
    if member.isfile():
        return _Entry(member.name, member.size, lambda: _content(tar, member))
    if member.isdir():
        return _Entry(member.name)
    if member.islnk():
        return _Entry(member.name, link=member.linkname)
    if member.issym():
        # Relative to the link's own folder; there are no other links on the way, since none is created.
        return _Entry(member.name, link=_joined(member.name, member.linkname))
    return _Entry(member.name, problem="is neither a file, a folder nor a link")


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(member)
    assert content is not None, "a file has content"
    return content


def _joined(name: str, target: str) -> str:
    """The target of the symbolic link `name`, relative to the archive's top; unchanged if it is outside."""
    joined = os.path.normpath(PurePosixPath(name).parent / target)
    return target if joined.startswith(("/", "..")) else joined


def _zip_entries(archive: Path) -> Iterator[_Entry]:
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            yield _zip_entry(opened, info)


def _zip_entry(opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Entry:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if info.is_dir():
        return _Entry(info.filename)
    if kind not in (0, stat.S_IFREG):
        return _Entry(info.filename, problem="is neither a file nor a folder")
    if info.flag_bits & 1:
        return _Entry(info.filename, problem="is encrypted")
    return _Entry(info.filename, info.file_size, lambda: opened.open(info))


def _single_top(folder: Path) -> Path:
    while True:
        # macOS adds a folder __MACOSX.
        inside = [entry for entry in folder.iterdir() if entry.name != "__MACOSX" and not entry.name.startswith(".")]
        if len(inside) != 1 or not inside[0].is_dir():
            return folder
        folder = inside[0]
