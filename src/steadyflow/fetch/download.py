"""Downloads one file over HTTP: resumable, verified by its hash, and renamed to its final name when complete.

Existing libraries do not do this: pooch (1.9) verifies hashes, but never sends `Range`, and deletes its randomly named
temporary file on failure; for huggingface_hub see `fetch.huggingface`.
"""

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import httpx2

from steadyflow.fetch.remote import Remote
from steadyflow.fetch.web import Interrupted, Web
from steadyflow.ground.artifacts import UserError
from steadyflow.ground.progress import byte_progress

SPARE = 2**28
"""Bytes on the disk that a download leaves free."""


def part_of(path: Path) -> Path:
    """The path of the incomplete file."""
    return path.with_name(f"{path.name}.part")


def download(remote: Remote, path: Path | str, web: Web) -> None:
    """Downloads `remote` to `path`, unless the file exists with the right content.

    Incomplete content is kept in `path`.part, from which the next call resumes. Raises UserError if the server does not
    send the file, if its size or hash is wrong, and if the disk is too full.
    """
    path = Path(path)
    if path.exists() and remote.problem_of(path) is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with _exclusive(part_of(path)) as file:
        part = _Part(remote, file, path)
        kept = part.size()
        web.retrying(remote.url, lambda: part.fetch_rest(web))
        problem = part.problem()
        if problem and kept:
            # The resumed bytes may be those of another version of the file.
            part.restart()
            web.retrying(remote.url, lambda: part.fetch_rest(web))
            problem = part.problem()
        if problem:
            part.restart()
            raise UserError(
                f"{remote.url}: {path.name}: {problem}; it was deleted. Run again; if it stays so, the file was "
                f"changed at its source, or something between changes it (a proxy, a login page)"
            )
        os.fsync(file.fileno())
        part_of(path).replace(path)


def check_disk(folder: Path, needed: int) -> None:
    """Raises UserError if the disk of `folder` has less than `needed` + SPARE bytes free."""
    free = shutil.disk_usage(folder).free
    if needed and needed + SPARE > free:
        raise UserError(
            f"{folder}: {needed / 1e9:.2f} GB to download (and {SPARE / 1e9:.2f} GB to spare), but {free / 1e9:.2f} GB "
            f"are free; make room, or let the study's folder of downloads be a link to a larger disk"
        )


@dataclass
class _Part:
    """The incomplete file, open for appending; `version` is the strong ETag of its content, None if unknown."""

    remote: Remote
    file: BinaryIO
    path: Path
    version: str | None = None

    def size(self) -> int:
        self.file.flush()
        return os.fstat(self.file.fileno()).st_size

    def problem(self) -> str | None:
        self.file.flush()
        return self.remote.problem_of(part_of(self.path))

    def restart(self) -> None:
        self.file.truncate(0)
        self.version = None

    def fetch_rest(self, web: Web) -> None:
        """Requests the missing bytes once. Raises Interrupted if the response ends too early."""
        start = self.size()
        if start == self.remote.bytes:
            return
        # Without compression, since a range of compressed bytes cannot be used.
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
            if self.version:
                headers["If-Range"] = self.version
        try:
            with web.get(self.remote.url, headers) as response:
                if response.status_code != 416:
                    self._append(response)
                # 416 means that the file is complete if its size is not known beforehand.
                elif self.remote.bytes is not None or _complete_size(response) != start:
                    self.restart()
                    raise Interrupted("the server has no more bytes of it")
        except Interrupted as fault:
            fault.kept = self.size()
            raise

    def _append(self, response: httpx2.Response) -> None:
        self._accept(response)
        start, total = self.size(), self._total(response)
        if total is not None:
            check_disk(self.path.parent, total - start)
        with byte_progress(self.path.name, total=total, done=start) as bar:
            for block in response.iter_raw():
                start += len(block)
                if total is not None and start > total:
                    raise UserError(f"{self.remote.url}: sends more than the {total} bytes expected")
                self.file.write(block)
                bar.update(len(block))
        if total is not None and start < total:
            raise Interrupted("the connection ended early")

    def _accept(self, response: httpx2.Response) -> None:
        """Checks that the response continues the incomplete file; otherwise the download is restarted."""
        etag = response.headers.get("ETag", "")
        version = etag if etag.startswith('"') else None
        if response.status_code != 206:
            # Checked before anything is deleted: the response may be a login page and not a new version of the file.
            self._total(response)
            self.restart()
        elif _range_start(response) != self.size() or (self.version and version != self.version):
            self.restart()
            raise Interrupted("the server sends other bytes than those requested")
        self.version = version

    def _total(self, response: httpx2.Response) -> int | None:
        """Bytes of the whole file, None if unknown. Raises UserError if the server states another size."""
        length = response.headers.get("Content-Length", "")
        offered = int(length) if response.status_code != 206 and length.isdecimal() else _complete_size(response)
        if None not in (offered, self.remote.bytes) and offered != self.remote.bytes:
            raise UserError(
                f"{self.remote.url}: {self.remote.bytes} bytes expected, the server offers {offered}; the file was "
                f"changed or cut short at its source, or something between answers for it (a proxy, a login page)"
            )
        return self.remote.bytes if offered is None else offered


def _range_start(response: httpx2.Response) -> int | None:
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(found[1]) if found else None


def _complete_size(response: httpx2.Response) -> int | None:
    found = re.search(r"/(\d+)$", response.headers.get("Content-Range", ""))
    return int(found[1]) if found else None


@contextlib.contextmanager
def _exclusive(part: Path) -> Iterator[BinaryIO]:
    """The incomplete file, locked, since studies may share a folder of downloads. Deleted at the end if it is empty.

    The file itself is locked, since a separate lock file would remain and could match a dataset's pattern. Raises
    UserError if another process holds the lock.
    """
    with part.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Another process may have finished and renamed the file since it was opened.
            locked = part.exists() and os.path.samestat(os.fstat(file.fileno()), part.stat())
        except BlockingIOError:
            locked = False
        # Some cluster file systems do not support locks.
        except OSError:
            locked = True
        if not locked:
            raise UserError(f"{part}: another process is downloading this file; wait for it, then run again")
        try:
            yield file
        finally:
            if part.exists() and part.stat().st_size == 0:
                part.unlink()
