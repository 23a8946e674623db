"""A remote file with its expected size and hash."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

BLOCK = 2**18


@dataclass(frozen=True)
class Remote:
    """Address, size and hashes (hex digits) of a file; None if unknown.

    git_blob: git's blob hash (sha1) of the content, for files of a git server that are not in LFS
    """

    url: str
    bytes: int | None = None
    sha256: str | None = None
    git_blob: str | None = None

    def problem_of(self, path: Path | str) -> str | None:
        """A description of how the file at `path` differs from this one; None if it does not."""
        size = Path(path).stat().st_size
        if self.bytes is not None and size != self.bytes:
            return f"{self.bytes} bytes expected, found {size}"
        if self.sha256 is not None and (found := sha256_of(path)) != self.sha256:
            return f"sha256 {self.sha256} expected, found {found}"
        if self.git_blob is not None and (found := _git_blob_of(path)) != self.git_blob:
            return f"git blob {self.git_blob} expected, found {found}"
        return None


def sha256_of(path: Path | str) -> str:
    """sha256 of a file's bytes, all 64 hex digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _git_blob_of(path: Path | str) -> str:
    with Path(path).open("rb") as file:
        digest = hashlib.sha1(b"blob %d\0" % os.fstat(file.fileno()).st_size, usedforsecurity=False)
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
