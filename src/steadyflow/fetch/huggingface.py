"""Datasets of the Hugging Face Hub: files chosen by patterns, at one commit, verified by the hashes the Hub states.

`huggingface_hub` finds the user's token, resolves the revision and lists the files with their hashes. The contents come
by `fetch.download`, since `hf_hub_download` (of 2.4.0) compares no content with its sha256, deletes the incomplete file
of a process that fails, never uses that of one that was killed, resumes without `If-Range`, gives up when a connection
is reset, and retries without end while every attempt brings some bytes.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import httpx2

from steadyflow.fetch.download import check_disk, download, part_of
from steadyflow.fetch.remote import Remote, sha256_of
from steadyflow.fetch.web import Web, checked_address, status_fault, web_faults
from steadyflow.ground.artifacts import UserError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

# Read when huggingface_hub is imported, which the functions below do.
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

ENDPOINT = "https://huggingface.co"
SHOWN = 10
REPEATS = 20
"""Requests of one address after which a listing counts as a loop; huggingface_hub's own retries are fewer."""


def hub_web() -> Web:
    """The hub of HF_ENDPOINT, and the user's token as huggingface_hub finds it (HF_TOKEN, HF_TOKEN_PATH, HF_HOME)."""
    from huggingface_hub import get_token

    endpoint = (os.environ.get("HF_ENDPOINT") or ENDPOINT).rstrip("/")
    checked_address(endpoint)
    token = get_token() or ""
    # A header with such a token is refused by a message that shows it.
    if not re.fullmatch(r"[!-~]*", token):
        raise UserError("HF_TOKEN: not a token, it holds spaces or unprintable characters; it is not shown here")
    return Web(home=endpoint, token=token or None)


@dataclass(frozen=True)
class HubFile:
    """A file of a repository: its path in there, and the address, size and hash of its content."""

    path: str
    remote: Remote


@dataclass(frozen=True)
class Snapshot:
    """A dataset's repository at one commit.

    licence: as the repository's page states it
    files: sorted by path
    """

    commit: str
    licence: str
    files: list[HubFile]


def fetch_dataset(
    repo: str, revision: str, patterns: Mapping[str, str], folder: Path | str, web: Web
) -> dict[str, Any]:
    """Downloads every file of a dataset that a pattern names into `folder`, under its path in the repository.

    patterns: split -> a pattern of paths; as in a shell, * stands for no slash
    Returns repo, commit, url, licence, and files: path, bytes, sha256 and split of each, by split and path.
    Replaces the HTTP client of this process's huggingface_hub.
    Raises UserError when a pattern names nothing, a file would lie outside `folder`, or a download fails.
    """
    url, folder = f"{web.home}/datasets/{repo}", Path(folder)
    snapshot = web.retrying(url, lambda: find_snapshot(repo, revision, patterns.values(), web, url))
    chosen = select(snapshot.files, patterns, repo)
    targets = {file.path: target_of(folder, file.path) for file, _ in chosen}
    folder.mkdir(parents=True, exist_ok=True)
    check_disk(folder, sum(_missing(file.remote, targets[file.path]) for file, _ in chosen))
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
    return {"repo": repo, "commit": snapshot.commit, "url": url, "licence": snapshot.licence, "files": files}


def find_snapshot(repo: str, revision: str, patterns: Iterable[str], web: Web, url: str) -> Snapshot:
    """The commit that a branch, a tag or a commit's own hash stands for, and its files in the patterns' folders.

    url: the repository's address, named in errors
    Raises Interrupted where another attempt may succeed, else UserError.
    """
    from huggingface_hub import HfApi, set_client_factory
    from huggingface_hub.errors import HfHubHTTPError

    # Its own client would send the token to any host at which a listing continues.
    set_client_factory(lambda: _listing_client(web))
    api = HfApi(endpoint=web.home, token=False, library_name="steadyflow")
    try:
        with web_faults(url):
            info = api.dataset_info(repo, revision=revision)
            licence = info.card_data.get("license") if info.card_data else None
            if not re.fullmatch(r"[0-9a-f]{40}", commit := str(info.sha)):
                raise UserError(f"{url}: the hub's answer names no commit; check HF_ENDPOINT")
            folders = sorted({_folder(pattern) for pattern in patterns})
            files = [file for folder in folders for file in _list_files(api, repo, commit, folder)]
    except HfHubHTTPError as error:
        raise status_fault(url, error.response) from None
    # What huggingface_hub raises for an answer that is not of its format.
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        detail = f"{type(error).__name__}: {error}"
        raise UserError(f"{url}: the server does not answer as a hub does ({detail}); check HF_ENDPOINT") from error
    licence = ", ".join(map(str, licence)) if isinstance(licence, list) else str(licence or "")
    gated = ", gated" if info.gated else ""
    # Folders may lie in each other.
    unique = sorted({file.path: file for file in files}.items())
    return Snapshot(commit, (licence or "not stated: see the dataset's page") + gated, [file for _, file in unique])


def _list_files(api: "HfApi", repo: str, commit: str, folder: str) -> Iterator[HubFile]:
    from huggingface_hub import RepoFile, hf_hub_url

    for entry in api.list_repo_tree(repo, folder, recursive=True, revision=commit, repo_type="dataset"):
        if isinstance(entry, RepoFile):
            url = hf_hub_url(repo, entry.path, repo_type="dataset", revision=commit, endpoint=api.endpoint)
            # Of a file that is not in LFS, git's own hash alone is known.
            lfs = entry.lfs
            size, sha256, blob = (lfs.size, lfs.sha256, None) if lfs else (entry.size, None, entry.blob_id)
            # huggingface_hub accepts any value here, and a file without a hash would go unverified.
            if type(size) is not int or not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", str(sha256 or blob)):
                raise ValueError(f"{entry.path}: no size and hash of a file")
            yield HubFile(entry.path, Remote(url, size, sha256, blob))


def _listing_client(web: Web) -> httpx2.Client:
    """A client that refuses to follow a listing round and round."""
    seen = Counter[str]()

    def count(request: httpx2.Request) -> None:
        seen[str(request.url)] += 1
        if seen[str(request.url)] > REPEATS:
            raise UserError(f"{request.url}: the hub's list of files comes back to its beginning; try again later")

    client = web.new_client()
    client.event_hooks["request"].append(count)
    return client


def _folder(pattern: str) -> str:
    """The folder that all paths of a pattern lie in."""
    parts = pattern.split("/")[:-1]
    fixed = next((place for place, part in enumerate(parts) if set(part) & set("*?[")), len(parts))
    return "/".join(parts[:fixed])


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
