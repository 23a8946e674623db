"""The downloaded files and their licences."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from steadyflow.fetch.lock import Locked, entry_of, verified
from steadyflow.ground.artifacts import read_json


@dataclass(frozen=True)
class Downloaded:
    """A downloaded file of weights or dataset.

    what: the file's name, or the dataset's address
    where: the file, or the dataset's folder
    """

    what: str
    bytes: int
    licence: str
    where: Path


def downloaded(lock: Mapping[str, Locked], weights: Iterable[Path], listings: Iterable[Path]) -> Iterator[Downloaded]:
    """The files of `weights`, verified by the lock, then the datasets with the files.json in `listings`.

    Raises UserError for a file that is not in the lock, is missing, or has another hash.
    """
    for path in weights:
        entry = entry_of(lock, path.name)
        yield Downloaded(path.name, verified(path, entry).stat().st_size, entry.licence, path)
    for path in listings:
        content = read_json(path)
        size = sum(file["bytes"] for file in content["files"])
        yield Downloaded(content["url"], size, content["licence"], path.parent)
