"""One progress bar for every loop: lively on a terminal, a line now and then in a log file."""

import os
import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def progress(
    items: Iterable[T], name: str, *, total: int | None = None, done: int = 0, unit: str = "it"
) -> Iterable[T]:
    """`items`, with a bar on stderr; `done` of `total` were done before. Of several processes, rank 0 shows its own."""
    quiet = os.environ.get("RANK", "0") != "0"
    seconds = 0.5 if sys.stderr.isatty() else 10.0
    return tqdm(items, name, total, initial=done, unit=unit, mininterval=seconds, maxinterval=seconds, disable=quiet)
