"""Lock files: TOML with address, sha256 and licence of each file to download.

Read while Snakemake plans, so no heavy library is imported.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field, PositiveInt, TypeAdapter, ValidationError

from steadyflow.fetch.remote import Remote
from steadyflow.ground.artifacts import UserError


@dataclass(frozen=True)
class Locked:
    """One file of a lock.

    licence: an SPDX identifier or a description
    bytes: its size, None if unknown
    inside, member: the name in the lock of the zip archive that contains it, and its path therein; otherwise empty
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")]
    url: Annotated[str, Field(pattern=r"^https?://[^/@]+/.+$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    licence: Annotated[str, Field(min_length=1)]
    bytes: PositiveInt | None = None
    inside: str = ""
    member: str = ""

    @property
    def remote(self) -> Remote:
        return Remote(self.url, self.bytes, self.sha256)


def read_lock(path: Path | str) -> dict[str, Locked]:
    """Name -> entry, in the order of the file. Raises UserError naming the file and the key of every error."""
    try:
        tables = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot read the lock file ({error.strerror})") from error
    except ValueError as error:
        raise UserError(f"{path}: not valid TOML in UTF-8: {error}") from error
    problems: list[str] = []
    entries = {name: entry for name, table in tables.items() if (entry := _entry(name, table, problems)) is not None}
    problems += _misplaced(entries)
    if problems:
        raise UserError("\n".join(f"{path}: {problem}" for problem in problems))
    return entries


def _entry(name: str, table: Any, problems: list[str]) -> Locked | None:
    if not isinstance(table, dict):
        problems.append(f"{name}: a table is expected, such as [{name!r}] with url, sha256 and licence")
        return None
    try:
        return TypeAdapter(Locked).validate_python({**table, "name": name})
    except ValidationError as error:
        problems += [f"{'.'.join([name, *map(str, found['loc'])])}: {found['msg']}" for found in error.errors()]
        return None


def _misplaced(entries: Mapping[str, Locked]) -> Iterator[str]:
    for entry in entries.values():
        if bool(entry.inside) != bool(entry.member):
            yield f"{entry.name}: `inside` (the archive) and `member` (the path in it) go together"
        elif entry.inside and (entry.inside not in entries or entries[entry.inside].inside):
            yield f"{entry.name}.inside: '{entry.inside}' is no archive of this lock (known: {', '.join(entries)})"


def entry_of(lock: Mapping[str, Locked], name: str) -> Locked:
    """The entry of that name. Raises UserError if there is none."""
    if name not in lock:
        raise UserError(f"'{name}': not in the lock (known: {', '.join(lock)})")
    return lock[name]


def described(entry: Locked, path: Path | str) -> str:
    """The file's path, size, hash and address, for messages."""
    where = f", as {entry.member} in this archive" if entry.member else ""
    size = f"{entry.bytes} bytes, " if entry.bytes else ""
    return f"{path} ({size}sha256 {entry.sha256}) from {entry.url}{where}"


def manual_download(entry: Locked, path: Path | str) -> str:
    """Instructions for a machine without a network."""
    return f"without a network, fetch it elsewhere and put it there: {described(entry, path)}"


def verified(path: Path | str, entry: Locked) -> Path:
    """`path`, if its content is that of the lock. Otherwise raises UserError with instructions for getting the file."""
    path = Path(path)
    if not path.is_file():
        raise UserError(
            f"{path}: not there; run `snakemake fetch` where there is a network, or {manual_download(entry, path)}"
        )
    if problem := entry.remote.problem_of(path):
        raise UserError(
            f"{path}: {problem}; delete it and run `snakemake fetch` again, or {manual_download(entry, path)}"
        )
    return path
