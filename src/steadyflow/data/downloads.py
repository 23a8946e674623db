"""files.json, the list that a download leaves beside its files."""

import re
from pathlib import Path
from typing import Any

from steadyflow.ground.artifacts import UserError, read_json


def check_downloads(listing: Path | str, repo: str | None = None, revision: str = "") -> dict[str, Any]:
    """The content of files.json, after a check that every file it lists exists with its size.

    repo: the hub's dataset that the files must belong to, None when they belong to none
    revision: must be their commit when it is a commit's hash; for a branch or tag any commit is accepted

    Raises UserError when a file is missing or incomplete, when the files are of another dataset or commit, or when the
    list cannot be read.
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
    """The folder has the dataset's name in a study, and another study may use that name for other images."""
    pairs = [(content.get("repo") or "no dataset of the hub", repo or "no dataset of the hub")]
    if re.fullmatch(r"[0-9a-f]{40}", revision):
        pairs.append((f"commit {content.get('commit')}", f"commit {revision}"))
    for found, asked in pairs:
        if found != asked:
            raise UserError(
                f"{listing}: lists files of {found}, but the study asks for {asked}; call the dataset otherwise in the "
                f"study, name another folder as its `downloads`, or delete {listing.parent} and run `snakemake fetch` "
                "again"
            )
