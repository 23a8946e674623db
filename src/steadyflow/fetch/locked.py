"""Files of a lock: downloaded, or extracted from a downloaded archive."""

import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from steadyflow.fetch.download import download
from steadyflow.fetch.lock import Locked, entry_of, manual_download
from steadyflow.fetch.remote import sha256_of
from steadyflow.fetch.web import Web
from steadyflow.ground.artifacts import UserError, atomic_path


def fetch_locked(lock: Mapping[str, Locked], name: str, folder: Path | str, web: Web) -> Path:
    """Downloads the file `name` to `folder`, with the archive that contains it if there is one, and verifies both.

    Raises UserError, with instructions for a manual download.
    """
    entry, path = entry_of(lock, name), Path(folder, name)
    if path.is_file() and entry.remote.problem_of(path) is None:
        return path
    if entry.inside:
        extract(fetch_locked(lock, entry.inside, folder, web), entry, path)
        return path
    try:
        download(entry.remote, path, web)
    except UserError as error:
        raise UserError(f"{error}. Or, {manual_download(entry, path)}") from error
    return path


def fetch_dataset_file(lock: Mapping[str, Locked], name: str, folder: Path | str, web: Web) -> dict[str, Any]:
    """Downloads a dataset that is one file of the lock. Returns url, licence, and files (path, bytes and sha256)."""
    entry, path = entry_of(lock, name), fetch_locked(lock, name, folder, web)
    listed = {"path": path.name, "bytes": path.stat().st_size, "sha256": sha256_of(path)}
    return {"url": entry.url, "licence": entry.licence, "files": [listed]}


def extract(archive: Path, entry: Locked, path: Path) -> None:
    """Extracts the member `entry.member` of a zip archive to `path`, and verifies it."""
    try:
        with zipfile.ZipFile(archive) as members, atomic_path(path) as temporary:
            with members.open(entry.member) as source, temporary.open("wb") as target:
                shutil.copyfileobj(source, target)
            if problem := entry.remote.problem_of(temporary):
                raise UserError(f"{archive}: {entry.member}: {problem}; delete the archive and fetch it again")
    except KeyError as error:
        raise UserError(f"{archive}: holds no {entry.member}; delete the archive and fetch it again") from error
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise UserError(f"{archive}: cannot be read ({error}); delete it and fetch it again") from error
