"""Datasets of the Hugging Face Hub: files selected by patterns, at one commit, verified by the hashes of the Hub.

`huggingface_hub` finds the user's token, resolves the revision and lists the files with their hashes. The files are
downloaded by `fetch.download`, since `hf_hub_download` (2.4.0) does not verify sha256, deletes the incomplete file on
failure, does not resume that of a killed process, resumes without `If-Range`, stops when a connection is reset, and
retries without limit as long as each attempt receives some bytes.
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

# Set before the functions below import huggingface_hub, which reads it on import.
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

ENDPOINT = "https://huggingface.co"
SHOWN = 10
REPEATS = 20
"""Requests of one address after which a listing counts as a loop; huggingface_hub retries fewer times."""


def hub_web() -> Web:
    """A client of the hub at HF_ENDPOINT, with the user's token (HF_TOKEN, HF_TOKEN_PATH, HF_HOME)."""
    from huggingface_hub import get_token

    endpoint = (os.environ.get("HF_ENDPOINT") or ENDPOINT).rstrip("/")
    checked_address(endpoint)
    token = get_token() or ""
    # The HTTP client would reject such a token by a message that contains it.
    if not re.fullmatch(r"[!-~]*", token):
        raise UserError("HF_TOKEN: not a token, it holds spaces or unprintable characters; it is not shown here")
    return Web(home=endpoint, token=token or None)


@dataclass(frozen=True)
class HubFile:
    """A file of a repository: its path, and the address, size and hash of its content."""

    path: str
    remote: Remote


@dataclass(frozen=True)
class Snapshot:
    """A dataset's repository at one commit.

    licence: as stated on the repository's page
    files: sorted by path
    """

    commit: str
    licence: str
    files: list[HubFile]


def fetch_dataset(
    repo: str, revision: str, patterns: Mapping[str, str], folder: Path | str, web: Web
) -> dict[str, Any]:
    """Downloads the files of a dataset that match a pattern to `folder`, keeping their paths in the repository.

    `patterns`: split -> pattern of paths, in which * does not match a slash. Returns repo, commit, url, licence, and
    files (path, bytes, sha256 and split of each, sorted by split and path). Replaces the HTTP client of huggingface_hub
    in this process. Raises UserError if a pattern matches nothing, a path leads out of `folder`, or a download fails.
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
    """Resolves a revision (branch, tag or commit) to a commit, and lists its files in the patterns' folders.

    `url` is the repository's address, for messages. Raises Interrupted if a retry may succeed, otherwise UserError.
    """
    from huggingface_hub import HfApi, set_client_factory
    from huggingface_hub.errors import HfHubHTTPError

    # The default client would send the token to any host on which a listing continues.
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
    # Raised by huggingface_hub for malformed answers.
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        detail = f"{type(error).__name__}: {error}"
        raise UserError(f"{url}: the server does not answer as a hub does ({detail}); check HF_ENDPOINT") from error
    licence = ", ".join(map(str, licence)) if isinstance(licence, list) else str(licence or "")
    gated = ", gated" if info.gated else ""
    # Folders may contain each other.
    unique = sorted({file.path: file for file in files}.items())
    return Snapshot(commit, (licence or "not stated: see the dataset's page") + gated, [file for _, file in unique])


def _list_files(api: "HfApi", repo: str, commit: str, folder: str) -> Iterator[HubFile]:
    from huggingface_hub import RepoFile, hf_hub_url

    for entry in api.list_repo_tree(repo, folder, recursive=True, revision=commit, repo_type="dataset"):
        if isinstance(entry, RepoFile):
            url = hf_hub_url(repo, entry.path, repo_type="dataset", revision=commit, endpoint=api.endpoint)
            # For files that are not in LFS, only git's blob hash is known.
            lfs = entry.lfs
            size, sha256, blob = (lfs.size, lfs.sha256, None) if lfs else (entry.size, None, entry.blob_id)
            # huggingface_hub does not validate these; a file without a hash would not be verified.
            if type(size) is not int or not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", str(sha256 or blob)):
                raise ValueError(f"{entry.path}: no size and hash of a file")
            yield HubFile(entry.path, Remote(url, size, sha256, blob))


def _listing_client(web: Web) -> httpx2.Client:
    """A client that raises UserError if a listing refers to itself."""
    seen = Counter[str]()

    def count(request: httpx2.Request) -> None:
        seen[str(request.url)] += 1
        if seen[str(request.url)] > REPEATS:
            raise UserError(f"{request.url}: the hub's list of files comes back to its beginning; try again later")

    def identify(request: httpx2.Request) -> None:
        # huggingface_hub would name the packages installed here, if it was imported before telemetry was disabled.
        request.headers["User-Agent"] = "steadyflow"

    client = web.new_client()
    client.event_hooks["request"] += [count, identify]
    return client


def _folder(pattern: str) -> str:
    """The folder that contains all paths of a pattern."""
    parts = pattern.split("/")[:-1]
    fixed = next((place for place, part in enumerate(parts) if set(part) & set("*?[")), len(parts))
    return "/".join(parts[:fixed])


def select(files: Iterable[HubFile], patterns: Mapping[str, str], repo: str) -> list[tuple[HubFile, str]]:
    """The files that match a pattern, and their split. Raises UserError if a pattern matches none, or two match one."""
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
    """Whether a path matches by pathlib's rules, since Path.glob later finds the files."""
    # Both are absolute, since a relative pattern would match the end of a path.
    return PurePosixPath("/", path).match(f"/{pattern}")


def target_of(folder: Path, path: str) -> Path:
    """The local path of a repository's file. Raises UserError for a path that leads out of `folder`."""
    parts = PurePosixPath(path).parts
    if not parts or parts[0] == "/" or ".." in parts or "\0" in path:
        raise UserError(f"{path!r}: this path in the hub's list leads out of {folder}; nothing was downloaded")
    target = folder.joinpath(*parts)
    if not target.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"{target}: a link leads out of {folder}; remove it")
    return target


def _missing(remote: Remote, path: Path) -> int:
    """Bytes of a file that are still to be downloaded, by sizes only."""
    there = next((place.stat().st_size for place in (path, part_of(path)) if place.exists()), 0)
    return max((remote.bytes or 0) - there, 0)
