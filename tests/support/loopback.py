"""An HTTP server on this machine whose answers a test programs, and which keeps every request."""

import contextlib
import http.server
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import Message

Answer = Callable[["Handler"], None]


@dataclass(frozen=True)
class Request:
    path: str
    headers: Message


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Loopback"

    def do_GET(self) -> None:
        self.server.requests.append(Request(self.path, self.headers))
        answer = self.server.answers.get(self.path) or self.server.answers.get(self.path.partition("?")[0])
        with contextlib.suppress(ConnectionError):
            (answer or status(404))(self)

    def head(self, code: int, **headers: object) -> None:
        """Status and headers, named with _ for -; every answer has a connection of its own."""
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def hang_up(self, rudely: bool) -> None:
        """Ends the connection here and now; rudely, with a reset."""
        if rudely:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


class Loopback(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, Answer] = {}
        self.requests: list[Request] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def other_url(self) -> str:
        """The same server by another name, which to a client is another host."""
        return f"http://localhost:{self.server_port}"

    def handle_error(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def loopback() -> Iterator[Loopback]:
    with Loopback() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


@dataclass
class File:
    """Serves a file. `drops` are the numbers of bytes after which the connection breaks, request by request.

    length: the Content-Length to state, instead of the true one
    """

    content: bytes
    etag: str = '"first"'
    ranges: bool = True
    conditional: bool = True
    drops: list[int] = field(default_factory=list)
    rudely: bool = False
    length: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    sent: int = 0

    def __call__(self, request: Handler) -> None:
        asked = request.headers.get("Range", "") if self.ranges else ""
        if self.conditional and request.headers.get("If-Range", self.etag) != self.etag:
            asked = ""
        start = int(asked.removeprefix("bytes=").rstrip("-") or 0)
        size, body = len(self.content), self.content[start:]
        if asked and not body:
            request.head(416, Content_Range=f"bytes */{size}", Content_Length=0)
            return
        stated = {"Content_Length": len(body) if self.length is None else self.length, "ETag": self.etag}
        if asked:
            stated["Content_Range"] = f"bytes {start}-{size - 1}/{size}"
        request.head(206 if asked else 200, **stated, **self.headers)
        if self.drops:
            body = body[: self.drops.pop(0)]
        request.wfile.write(body)
        request.wfile.flush()
        self.sent += len(body)
        if self.drops or len(body) < size - start:
            request.hang_up(self.rudely)


def status(code: int, **headers: object) -> Answer:
    return lambda request: request.head(code, **{"Content_Length": 0, **headers})


def in_turn(*answers: Answer) -> Answer:
    """One answer after the other; the last one stays."""
    left = list(answers)
    return lambda request: (left.pop(0) if len(left) > 1 else left[0])(request)


def redirect(to: str) -> Answer:
    return status(302, Location=to)
