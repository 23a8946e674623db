"""On the path of the Pythons that tests start: each enters itself, and every internet socket it opens, in a file."""

import os
import sys
from pathlib import Path
from typing import Any


def _enter(line: str) -> None:
    with Path(os.environ["SOCKET_LOG"]).open("a", encoding="utf-8") as file:
        file.write(f"{line} {' '.join(sys.orig_argv)}\n")


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    # AF_INET and AF_INET6 by number: importing socket here would hide nothing, but cost every process its time.
    if (event == "socket.__new__" and arguments[1] in (2, 10)) or event in ("socket.connect", "socket.getaddrinfo"):
        _enter(event)


if "SOCKET_LOG" in os.environ:
    _enter("started")
    sys.addaudithook(_watch)
