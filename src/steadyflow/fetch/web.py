"""HTTP requests with bounded redirects and retries, and a token that is sent to one host only.

Based on `httpx2`, which huggingface_hub uses too, so that both share one client and its rules. No client resumes an
interrupted body: `retrying` repeats whole attempts, and `download` resumes between them.
"""

import contextlib
import http.client
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

import httpx2

from steadyflow.ground.artifacts import UserError

T = TypeVar("T")

ATTEMPTS = 6
REDIRECTS = 10
SILENCE = 60.0
"""Timeout in seconds without a byte received."""
LONGEST_WAIT = 300.0
PROGRESS = 2**20
"""Bytes by which a file has to exceed its largest size so far for the count of failures to be reset. On a bad
connection a large file may need many attempts, but bytes that are discarded and sent again are no progress."""

ADVICE = {
    401: "it is gated, private or not there: accept its terms on its page, and set HF_TOKEN to a token of your account",
    403: "access is refused: accept its terms on its page, and set HF_TOKEN to a token of an account that may read it",
    404: "there is no such file or repository; check its name and revision",
}


class Interrupted(Exception):
    """A transient failure.

    wait: seconds until the next attempt, as stated by the server, None if not
    kept: bytes of the incomplete file after the failure
    """

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait
        self.kept = 0


@dataclass(frozen=True)
class Web:
    """An HTTP client.

    home: an address; `token` is sent only to its scheme, host and port, also after redirects
    sleep: waits for a number of seconds
    """

    home: str = ""
    token: str | None = field(default=None, repr=False)
    sleep: Callable[[float], None] = time.sleep

    @cached_property
    def client(self) -> httpx2.Client:
        return self.new_client()

    def new_client(self) -> httpx2.Client:
        """A client that adds the token to requests to `home`, and rejects redirects from https to http."""
        home = httpx2.URL(self.home).origin if self.home and self.token else None

        def sign(request: httpx2.Request) -> None:
            request.headers.pop("Authorization", None)
            if request.url.origin == home:
                request.headers["Authorization"] = f"Bearer {self.token}"

        def check_redirect(response: httpx2.Response) -> None:
            if response.has_redirect_location:
                checked_redirect(str(response.url), urljoin(str(response.url), response.headers["Location"]))

        return httpx2.Client(
            event_hooks={"request": [sign], "response": [check_redirect]},
            follow_redirects=True,
            max_redirects=REDIRECTS,
            timeout=httpx2.Timeout(SILENCE, connect=10),
        )

    @contextlib.contextmanager
    def get(self, url: str, headers: Mapping[str, str]) -> Iterator[httpx2.Response]:
        """A response with status 2xx or 416, whose body is not read yet.

        Raises Interrupted for transient failures, also while the body is read, and UserError for all others.
        """
        checked_address(url)
        with web_faults(url), self.client.stream("GET", url, headers=headers) as response:
            if not (response.is_success or response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE):
                raise status_fault(url, response)
            yield response

    def retrying(self, url: str, attempt: Callable[[], T]) -> T:
        """The result of `attempt`, retried with increasing waits while it raises Interrupted, at most ATTEMPTS times.

        Raises UserError after that.
        """
        failures = most = 0
        while True:
            try:
                return attempt()
            except Interrupted as fault:
                if fault.kept >= most + PROGRESS:
                    failures, most = 0, fault.kept
                failures += 1
                if failures == ATTEMPTS:
                    message = f"{url}: {fault}, {ATTEMPTS} times in a row; run again later to resume"
                    raise UserError(message) from None
                wait = 2.0 ** (failures - 1) if fault.wait is None else fault.wait
                print(f"{url}: {fault}; trying again in {wait:.0f} s", file=sys.stderr, flush=True)
            self.sleep(wait)


def checked_address(url: str) -> None:
    """Raises UserError unless `url` is an http or https address without user and password."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise UserError(f"{url}: not an address of the form https://host/path")
    if parts.username is not None or parts.password is not None:
        raise UserError(f"https://...@{parts.hostname}: an address with a user or password in it; use HF_TOKEN instead")


def checked_redirect(source: str, target: str) -> None:
    """Raises UserError for a redirect to another scheme than http or https, and from https to http."""
    checked_address(target)
    if urlsplit(source).scheme == "https" and urlsplit(target).scheme != "https":
        raise UserError(f"{source}: redirected from https to an unprotected address; refused")


@contextlib.contextmanager
def web_faults(url: str) -> Iterator[None]:
    """Turns the client's errors into Interrupted if a retry may succeed, otherwise into UserError.

    The client's messages are not shown, since they contain the last address, which may include a signature.
    """
    try:
        yield
    except httpx2.TooManyRedirects:
        message = f"{url}: redirected more than {REDIRECTS} times, a loop at the server; try again later"
        raise UserError(message) from None
    except (UnicodeError, httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
        raise UserError(f"{url}: not an address that can be requested ({type(error).__name__})") from None
    except httpx2.TimeoutException:
        raise Interrupted("no answer in time") from None
    except httpx2.TransportError as error:
        raise Interrupted(_reason(error)) from None


def _reason(error: BaseException | None) -> str:
    """The operating system's message in the innermost cause that has one."""
    reason = "the connection ended early"
    while error is not None:
        if isinstance(error, OSError) and error.strerror:
            reason = error.strerror
        error = error.__cause__ or error.__context__
    return reason


def status_fault(url: str, response: httpx2.Response) -> Interrupted | UserError:
    """The error to raise for an HTTP status: Interrupted if a retry may succeed."""
    status = response.status_code
    name = f"HTTP {status} {http.client.responses.get(status, '')}".rstrip()
    if status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS) or status >= 500:
        return Interrupted(name, _retry_after(response.headers.get("Retry-After", "")))
    return UserError(f"{url}: {name}; {ADVICE.get(status, 'check the address')}")


def _retry_after(value: str) -> float | None:
    """Seconds, from a number or a date, at most LONGEST_WAIT; None if malformed."""
    try:
        wait = float(value) if value.isdecimal() else (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    # A date without a zone cannot be subtracted.
    except (ValueError, TypeError):
        return None
    return min(max(wait, 0.0), LONGEST_WAIT)
