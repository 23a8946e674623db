"""Lists of kept images from elsewhere: a text of lines, a JSON list, a Parquet file."""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from steadyflow.ground.artifacts import UserError


def read_listing(path: Path | str, keys: pd.Series, entries: Literal["keys", "ids"]) -> np.ndarray:
    """The ids that a list names, int64, each as often as its multiplicity, in the list's order.

    `keys` of the images that may be kept, indexed by id. A Parquet file has a column key or id (`entries` says which),
    and may have a column multiplicity. Raises UserError for a file of another kind, an entry that names none of these
    images, and one that comes twice.
    """
    path = Path(path)
    found, times = _read(path, entries)
    if not len(found):
        raise UserError(f"{path}: names no image; it should hold the {entries} of those to keep")
    known = pd.Index(keys if entries == "keys" else keys.index)
    place = known.get_indexer(pd.Index(found))
    if (place < 0).any():
        other = "keys" if entries == "ids" else "ids"
        raise UserError(
            f"{path}: {int((place < 0).sum())} of {len(found)} {entries} name no training image of the dataset, the "
            f"first '{found[int(np.argmax(place < 0))]}'; correct the list, or say `entries: {other}` if it holds those"
        )
    repeated = pd.Series(place).duplicated().to_numpy()
    if repeated.any():
        twice = found[int(np.argmax(repeated))]
        raise UserError(
            f"{path}: '{twice}' comes twice; name each image once. One that is to be drawn more often has its number "
            "in the column multiplicity of a Parquet file"
        )
    return np.repeat(keys.index.to_numpy(np.int64)[place], times)


def _read(path: Path, entries: Literal["keys", "ids"]) -> tuple[list[Any], np.ndarray]:
    """What stands in the file, and how often each is drawn, int64."""
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
            column = entries.removesuffix("s")
            if column not in table:
                raise UserError(
                    f"{path}: has no column {column} (but {', '.join(map(str, table))}); see `entries` of the subset"
                )
            found = table[column].tolist()
            times = table["multiplicity"].to_numpy() if "multiplicity" in table else np.ones(len(table), np.int64)
            if not np.issubdtype(times.dtype, np.integer) or (times < 1).any():
                raise UserError(f"{path}: a multiplicity is no whole number above 0")
            return found, times.astype(np.int64)
        text = path.read_text(encoding="utf-8-sig")
        found = json.loads(text) if path.suffix == ".json" else [line for line in text.split("\n") if line.strip()]
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as {path.suffix.lstrip('.') or 'text'} ({error})") from error
    kind = str if entries == "keys" else int
    try:
        if not isinstance(found, list) or not all(type(entry) in (str, int) for entry in found):
            raise ValueError
        return [kind(entry) for entry in found], np.ones(len(found), np.int64)
    except ValueError:
        raise UserError(f"{path}: is no list of {entries}; give one of {kind.__name__} entries") from None
