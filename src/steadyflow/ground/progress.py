"""The progress bar of every loop: updated twice a second on a terminal, every ten seconds in a log file."""

import os
import sys
from collections.abc import Iterable
from typing import NoReturn, TypeVar

from tqdm import tqdm

T = TypeVar("T")


def progress(
    items: Iterable[T], name: str, *, total: int | None = None, done: int = 0, unit: str = "it"
) -> Iterable[T]:
    """`items` with a progress bar on stderr, which starts at `done` of `total`. Only rank 0 shows one."""
    quiet = os.environ.get("RANK", "0") != "0"
    seconds = _seconds()
    return tqdm(items, name, total, initial=done, unit=unit, mininterval=seconds, maxinterval=seconds, disable=quiet)


def byte_progress(name: str, *, total: int | None, done: int = 0) -> "tqdm[NoReturn]":
    """A progress bar of bytes, advanced by `update(bytes)`."""
    seconds = _seconds()
    return tqdm(
        desc=name, total=total, initial=done, unit="B", unit_scale=True, mininterval=seconds, maxinterval=seconds
    )


def _seconds() -> float:
    """Between two updates of a bar."""
    return 0.5 if sys.stderr.isatty() else 10.0
