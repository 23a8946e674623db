"""What every source of images gives: records, one per image, in a fixed order."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Record:
    """One image of a source.

    key: unique and stable, such as its path; UTF-8
    load: gives the image, uint8 [H, W, C], C 1 or 3; raises UserError when it cannot be decoded. Called once, by any
        thread, so that decoding runs side by side while records come in order
    label: index into the source's classes, -1 where there is none
    attributes: name -> value, '' where unknown
    split: 'train' or 'val' when the source has its own split
    """

    key: str
    load: Callable[[], Picture]
    label: int = -1
    attributes: Mapping[str, str] = field(default_factory=dict)
    split: str | None = None


@dataclass(frozen=True)
class Records:
    """Records made afresh at each iteration, one at a time."""

    make: Callable[[], Iterator[Record]]

    def __iter__(self) -> Iterator[Record]:
        return self.make()


@dataclass(frozen=True)
class Source:
    """A named, ordered collection of `count` records.

    classes: names of the labels, None when the images have none
    attributes: name -> its values in the order of their codes, empty when there are none
    """

    name: str
    records: Iterable[Record]
    count: int
    classes: list[str] | None = None
    attributes: Mapping[str, list[str]] = field(default_factory=dict)
