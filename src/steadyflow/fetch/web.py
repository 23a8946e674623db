"""HTTP requests with bounded redirects and retries, and a token that is sent to one host alone.

On `requests`, which follows redirects, and `urllib3`, which reads `Retry-After`. Neither resumes a body that breaks off
(urllib3's `Retry` ends where the headers do), so `patiently` repeats whole attempts, and `download` resumes in between.
"""

import contextlib
import http.client
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

import requests
import urllib3
from urllib3.util import Retry

from steadyflow.artifacts import UserError

T = TypeVar("T")

ATTEMPTS = 6
REDIRECTS = 10
SILENCE = 60.0
"""Seconds without a byte after which a connection counts as lost."""
LONGEST_WAIT = 300.0
PROGRESS = 2**20
"""Bytes by which a file must have grown beyond its largest size so far for the count of failures to start again: a bad
line may drop a large file a hundred times, but bytes that are discarded and sent again are no progress."""

ADVICE = {
    401: "it is gated, private or not there: accept its terms on its page, and set HF_TOKEN to a token of your account",
    403: "access is refused: accept its terms on its page, and set HF_TOKEN to a token of an account that may read it",
    404: "there is no such file or repository; check its name and revision",
}


class Interrupted(Exception):
    """A transient failure.

    wait: seconds until the next attempt as the server states them, None where it does not
    kept: bytes of the incomplete file after the failure
    """

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait
        self.kept = 0


@dataclass(frozen=True)
class Web:
    """An HTTP client.

    home: an address; `token` is sent to its scheme, host and port, and to no other, redirected or not
    sleep: waits for so many seconds
    """

    home: str = ""
    token: str | None = field(default=None, repr=False)
    sleep: Callable[[float], None] = time.sleep

    @cached_property
    def _session(self) -> "_Session":
        return _Session(self)

    @contextlib.contextmanager
    def get(self, url: str, headers: Mapping[str, str]) -> Iterator[requests.Response]:
        """A response of status 2xx or 416, its body not yet read.

        Raises Interrupted for transient failures, also from within the block, and UserError for all others.
        """
        checked_address(url)
        session, timeout = self._session, (10, SILENCE)
        with (
            _faults(url),
            session.get(url, headers=headers, auth=session.sign, stream=True, timeout=timeout) as response,
        ):
            status = response.status_code
            if not (200 <= status < 300 or status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE):
                raise status_fault(url, status, response.headers)
            yield response

    def patiently(self, url: str, attempt: Callable[[], T]) -> T:
        """The result of `attempt`, repeated with growing waits while it raises Interrupted, ATTEMPTS times at most."""
        failures = most = 0
        while True:
            try:
                return attempt()
            except Interrupted as fault:
                if fault.kept >= most + PROGRESS:
                    failures, most = 0, fault.kept
                failures += 1
                if failures == ATTEMPTS:
                    message = f"{url}: {fault}, {ATTEMPTS} times in a row; run again later, it goes on where it stopped"
                    raise UserError(message) from None
                wait = 2.0 ** (failures - 1) if fault.wait is None else fault.wait
                print(f"{url}: {fault}; trying again in {wait:.0f} s", file=sys.stderr, flush=True)
            self.sleep(wait)

    def sends_token_to(self, url: str) -> bool:
        """Whether an address has home's scheme, host and port."""
        return bool(self.token and self.home) and _origin(checked_address(url)) == _origin(urlsplit(self.home))


class _Session(requests.Session):
    """Follows redirects as requests does, but decides for every address anew whether it gets the token.

    Signs without a token too: requests would otherwise read ~/.netrc.
    """

    def __init__(self, web: Web) -> None:
        super().__init__()
        self.max_redirects = REDIRECTS
        self.web = web

    def sign(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.pop("Authorization", None)
        if self.web.sends_token_to(str(request.url)):
            request.headers["Authorization"] = f"Bearer {self.web.token}"
        return request

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        checked_redirect(str(response.url), str(prepared_request.url))
        self.sign(prepared_request)


def checked_address(url: str) -> SplitResult:
    """Raises UserError unless it is an http or https address without a password in it."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise UserError(f"{url}: not an address of the form https://host/path")
    if parts.username is not None or parts.password is not None:
        raise UserError(f"https://...@{parts.hostname}: an address with a user or password in it; use HF_TOKEN instead")
    return parts


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def checked_redirect(source: str, target: str) -> None:
    """Raises UserError for a redirect to something else than the web, and from https to http."""
    checked_address(target)
    if urlsplit(source).scheme == "https" and urlsplit(target).scheme != "https":
        raise UserError(f"{source}: redirected from https to an unprotected address; refused")


@contextlib.contextmanager
def _faults(url: str) -> Iterator[None]:
    # The libraries' own messages are not shown: they hold the address requested last, which may carry a signature.
    try:
        yield
    except requests.TooManyRedirects:
        message = f"{url}: redirected more than {REDIRECTS} times, a loop at the server; try again later"
        raise UserError(message) from None
    except (UnicodeError, requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader) as error:
        raise UserError(f"{url}: not an address that can be requested ({type(error).__name__})") from None
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise Interrupted(reason(error)) from None


def reason(error: BaseException) -> str:
    """The innermost cause that the operating system names."""
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return "no answer in time"
    reason, chain = "the connection ended early", [error]
    while chain:
        error = chain.pop()
        if isinstance(error, OSError) and error.strerror:
            reason = error.strerror
        inner = (*error.args, getattr(error, "reason", None), error.__cause__)
        chain = [cause for cause in inner if isinstance(cause, BaseException)][:1]
    return reason


def status_fault(url: str, status: int, headers: Mapping[str, str]) -> Interrupted | UserError:
    """What to raise for an error's status: Interrupted where another attempt may succeed."""
    name = f"HTTP {status} {http.client.responses.get(status, '')}".rstrip()
    if status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS) or status >= 500:
        return Interrupted(name, _retry_after(headers.get("Retry-After", "")))
    return UserError(f"{url}: {name}; {ADVICE.get(status, 'check the address')}")


def _retry_after(value: str) -> float | None:
    """Seconds from a number or a date, LONGEST_WAIT at most."""
    try:
        return min(Retry().parse_retry_after(value), LONGEST_WAIT)
    except urllib3.exceptions.InvalidHeader:
        return None
