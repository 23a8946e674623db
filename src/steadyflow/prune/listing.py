"""Reads lists of kept images: a text file with one per line, a JSON list, or a Parquet file."""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from steadyflow.ground.artifacts import UserError


def read_listing(path: Path | str, keys: pd.Series, entries: Literal["keys", "ids"]) -> np.ndarray:
    """The ids in a list, int64, in its order, each repeated by its multiplicity.

    `keys` are those of the training images, indexed by id. A Parquet file has a column key or id, according to
    `entries`, and optionally a column multiplicity. Raises UserError for other files, an entry that is not among
    `keys`, and a duplicate entry.
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
            f"first '{found[int(np.argmax(place < 0))]}'; correct the list, or set `entries: {other}` if it has those"
        )
    repeated = pd.Series(place).duplicated().to_numpy()
    if repeated.any():
        twice = found[int(np.argmax(repeated))]
        raise UserError(
            f"{path}: duplicate entry '{twice}'; list each image once. To repeat images, use a Parquet file with a "
            "column multiplicity"
        )
    return np.repeat(keys.index.to_numpy(np.int64)[place], times)


def _read(path: Path, entries: Literal["keys", "ids"]) -> tuple[list[Any], np.ndarray]:
    """The entries of the file, and their multiplicity int64."""
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
