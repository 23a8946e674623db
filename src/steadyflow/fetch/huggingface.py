"""Datasets of the Hugging Face hub: files chosen by patterns, at one commit, verified by the hashes the hub states."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import Field, NonNegativeInt, TypeAdapter, ValidationError

from steadyflow.artifacts import UserError
from steadyflow.fetch.download import check_disk, download, part_of
from steadyflow.fetch.remote import Remote, sha256_of
from steadyflow.fetch.web import Web, checked_address

ENDPOINT = "https://huggingface.co"
SHOWN = 10


def hub_web() -> Web:
    """The hub and the user's token, as HF_ENDPOINT, HF_TOKEN, HF_TOKEN_PATH and HF_HOME say."""
    endpoint = (os.environ.get("HF_ENDPOINT") or ENDPOINT).rstrip("/")
    checked_address(endpoint)
    return Web(home=endpoint, token=_token())


def _token() -> str | None:
    home = os.environ.get("HF_HOME") or "~/.cache/huggingface"
    file = Path(os.environ.get("HF_TOKEN_PATH") or f"{home}/token").expanduser()
    token = os.environ.get("HF_TOKEN") or (file.read_text(encoding="utf-8") if file.is_file() else "")
    token = token.strip()
    # A header with such a token is refused by a message that shows it.
    if not re.fullmatch(r"[!-~]*", token):
        raise UserError("HF_TOKEN: not a token, it holds spaces or unprintable characters; it is not shown here")
    return token or None


@dataclass(frozen=True)
class Revision:
    """A commit of a repository.

    licence: as the repository's page states it
    """

    repo: str
    commit: str
    licence: str


@dataclass(frozen=True)
class HubFile:
    """A file of a repository: its path in there, and what it has to become here."""

    path: str
    remote: Remote


@dataclass(frozen=True)
class _Lfs:
    oid: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size: NonNegativeInt


@dataclass(frozen=True)
class _Entry:
    """A file or folder as the hub lists it; `lfs` holds sha256 and size of what is not in git itself."""

    type: str
    path: str
    oid: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    size: NonNegativeInt = 0
    lfs: _Lfs | None = None


def fetch_dataset(
    repo: str, revision: str, patterns: Mapping[str, str], folder: Path | str, web: Web
) -> dict[str, Any]:
    """Downloads every file of a dataset that a pattern names into `folder`, under its path in the repository.

    patterns: split -> a pattern of paths; as in a shell, * stands for no slash
    Returns repo, commit, url, licence, and files: path, bytes, sha256 and split of each, by split and path.
    Raises UserError when a pattern names nothing, a file would lie outside `folder`, or a download fails.
    """
    found = resolve(repo, revision, web)
    chosen = select(list_files(found, patterns.values(), web), patterns, repo)
    targets = {file.path: target_of(Path(folder), file.path) for file, _ in chosen}
    Path(folder).mkdir(parents=True, exist_ok=True)
    check_disk(Path(folder), sum(_missing(file.remote, targets[file.path]) for file, _ in chosen))
    for file, _ in chosen:
        download(file.remote, targets[file.path], web)
    files = [
        {
            "path": file.path,
            "bytes": file.remote.bytes,
            "sha256": file.remote.sha256 or sha256_of(targets[file.path]),
            "split": split,
        }
        for file, split in chosen
    ]
    url = f"{web.home}/datasets/{repo}"
    return {"repo": repo, "commit": found.commit, "url": url, "licence": found.licence, "files": files}


def resolve(repo: str, revision: str, web: Web) -> Revision:
    """The commit that a branch, a tag or a commit's own hash stands for."""
    url = f"{web.home}/api/datasets/{repo}/revision/{quote(revision, safe='')}"
    answer, _ = web.json(url)
    answer = answer if isinstance(answer, dict) else {}
    commit, card = answer.get("sha"), answer.get("cardData") or {}
    if not re.fullmatch(r"[0-9a-f]{40}", str(commit)):
        raise UserError(f"{url}: the hub's answer names no commit; check HF_ENDPOINT")
    licence = card.get("license", "") if isinstance(card, dict) else ""
    licence = ", ".join(map(str, licence)) if isinstance(licence, list) else str(licence)
    gated = ", gated" if answer.get("gated") else ""
    return Revision(repo, str(commit), (licence or "not stated: see the dataset's page") + gated)


def list_files(revision: Revision, patterns: Iterable[str], web: Web) -> list[HubFile]:
    """Every file in the folders that the patterns begin with, sorted by path."""
    files: dict[str, HubFile] = {}
    for folder in sorted({_folder(pattern) for pattern in patterns}):
        start = f"{web.home}/api/datasets/{revision.repo}/tree/{revision.commit}/{quote(folder)}".rstrip("/")
        url: str | None = f"{start}?recursive=true"
        asked: set[str] = set()
        while url is not None:
            if url in asked:
                raise UserError(f"{start}: the hub's list of files comes back to its beginning; try again later")
            asked.add(url)
            answer, url = web.json(url)
            for file in _files(answer, revision, web, start):
                files[file.path] = file
    return [files[path] for path in sorted(files)]


def _folder(pattern: str) -> str:
    """The folder that all paths of a pattern lie in."""
    parts = pattern.split("/")[:-1]
    fixed = next((place for place, part in enumerate(parts) if set(part) & set("*?[")), len(parts))
    return "/".join(parts[:fixed])


def _files(answer: Any, revision: Revision, web: Web, url: str) -> Iterator[HubFile]:
    try:
        entries = TypeAdapter(list[_Entry]).validate_python(answer)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{url}: not a list of files ({first['loc']}: {first['msg']}); check HF_ENDPOINT") from error
    for entry in entries:
        if entry.type != "file":
            continue
        address = f"{web.home}/datasets/{revision.repo}/resolve/{revision.commit}/{quote(entry.path)}"
        known = (entry.lfs.size, entry.lfs.oid, None) if entry.lfs else (entry.size, None, entry.oid)
        yield HubFile(entry.path, Remote(address, *known))


def select(files: Iterable[HubFile], patterns: Mapping[str, str], repo: str) -> list[tuple[HubFile, str]]:
    """Files with the split whose pattern names them. Raises UserError when a pattern names none, or two the same."""
    files, chosen = list(files), []
    split_of: dict[str, str] = {}
    for split, pattern in patterns.items():
        matching = [file for file in files if _matches(file.path, pattern)]
        if not matching:
            there = ", ".join(file.path for file in files[:SHOWN]) or "no files"
            more = f" and {len(files) - SHOWN} more" if len(files) > SHOWN else ""
            raise UserError(f"{repo}: no file matches '{pattern}' ({split}); found there: {there}{more}")
        for file in matching:
            if file.path in split_of:
                raise UserError(f"{repo}: {file.path} matches the patterns of {split_of[file.path]} and of {split}")
            split_of[file.path] = split
            chosen.append((file, split))
    return chosen


def _matches(path: str, pattern: str) -> bool:
    """By pathlib's rule, since Path.glob finds the files again."""
    # Both from the root: a relative pattern may begin anywhere in the path.
    return PurePosixPath("/", path).match(f"/{pattern}")


def target_of(folder: Path, path: str) -> Path:
    """Where a file of the repository lies in `folder`. Raises UserError for a path that would lead out of it."""
    parts = PurePosixPath(path).parts
    if not parts or parts[0] == "/" or ".." in parts or "\0" in path:
        raise UserError(f"{path!r}: this path in the hub's list leads out of {folder}; nothing was downloaded")
    target = folder.joinpath(*parts)
    if not target.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"{target}: a link leads out of {folder}; remove it")
    return target


def _missing(remote: Remote, path: Path) -> int:
    """Bytes still to come for a file, a look at sizes alone."""
    there = next((place.stat().st_size for place in (path, part_of(path)) if place.exists()), 0)
    return max((remote.bytes or 0) - there, 0)
