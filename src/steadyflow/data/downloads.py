"""files.json, the list of files that a download writes beside them."""

import re
from pathlib import Path
from typing import Any

from steadyflow.ground.artifacts import UserError, read_json


def check_downloads(listing: Path | str, repo: str | None = None, revision: str = "") -> dict[str, Any]:
    """The content of files.json, after a check that every file it lists exists with its size.

    repo: the dataset on the hub that the files have to belong to, None if they are not from the hub
    revision: if it is a commit's hash, the commit they have to be of; for a branch or tag any commit is accepted

    Raises UserError if a file is missing or incomplete, the files are of another dataset or commit, or the list cannot
    be read.
    """
    listing = Path(listing)
    again = "run `snakemake fetch` again, where there is a network"
    try:
        content = read_json(listing)
        expected = {file["path"]: int(file["bytes"]) for file in content["files"]}
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{listing}: no list of downloaded files ({error!r}); delete it and {again}") from error
    _check_origin(listing, content, repo, revision)
    for name, size in expected.items():
        file = listing.parent / name
        found = file.stat().st_size if file.is_file() else None
        if found != size:
            problem = "is missing" if found is None else f"has {found} bytes instead of {size}"
            raise UserError(f"{file}: {problem}; {again}")
    return content


def _check_origin(listing: Path, content: dict[str, Any], repo: str | None, revision: str) -> None:
    """The folder is named after the dataset in a study, and another study may use the name for other images."""
    pairs = [(content.get("repo") or "no dataset of the hub", repo or "no dataset of the hub")]
    if re.fullmatch(r"[0-9a-f]{40}", revision):
        pairs.append((f"commit {content.get('commit')}", f"commit {revision}"))
    for found, expected in pairs:
        if found != expected:
            raise UserError(
                f"{listing}: lists files of {found}, but the study asks for {expected}; rename the dataset in the "
                f"study, set another folder as `downloads`, or delete {listing.parent} and run `snakemake fetch` again"
            )
