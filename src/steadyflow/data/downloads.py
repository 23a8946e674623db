"""The list that a download leaves beside its files."""

from pathlib import Path
from typing import Any

from steadyflow.artifacts import UserError, read_json


def check_downloads(listing: Path | str) -> dict[str, Any]:
    """What files.json says, once every file it lists is found to be there with all its bytes.

    Raises UserError when one is not, or when the list itself cannot be read.
    """
    listing = Path(listing)
    again = "run `snakemake fetch` again, where there is a network"
    try:
        content = read_json(listing)
        expected = {file["path"]: int(file["bytes"]) for file in content["files"]}
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{listing}: no list of downloaded files ({error!r}); delete it and {again}") from error
    for name, size in expected.items():
        file = listing.parent / name
        found = file.stat().st_size if file.is_file() else None
        if found != size:
            problem = "is missing" if found is None else f"has {found} bytes instead of {size}"
            raise UserError(f"{file}: {problem}; {again}")
    return content
