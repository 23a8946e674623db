"""A file elsewhere, and what is known of its content beforehand."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

BLOCK = 2**18


@dataclass(frozen=True)
class Remote:
    """What a download has to become. Hashes are hex digits; None where nothing is known.

    git_blob: git's own hash (sha1) of the content, for files that a git server holds without LFS
    """

    url: str
    bytes: int | None = None
    sha256: str | None = None
    git_blob: str | None = None

    def problem_of(self, path: Path | str) -> str | None:
        """How the file at `path` differs from this one, in words; None when it does not."""
        size = Path(path).stat().st_size
        if self.bytes is not None and size != self.bytes:
            return f"{self.bytes} bytes expected, found {size}"
        if self.sha256 is not None and (found := sha256_of(path)) != self.sha256:
            return f"sha256 {self.sha256} expected, found {found}"
        if self.git_blob is not None and (found := _git_blob_of(path)) != self.git_blob:
            return f"git blob {self.git_blob} expected, found {found}"
        return None


def sha256_of(path: Path | str) -> str:
    """All 64 hex digits, read block by block."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _git_blob_of(path: Path | str) -> str:
    with Path(path).open("rb") as file:
        digest = hashlib.sha1(b"blob %d\0" % os.fstat(file.fileno()).st_size, usedforsecurity=False)
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
