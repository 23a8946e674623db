"""Requests that bear with the network: bounded redirects and retries, and a token that stays with its host."""

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import SplitResult, urljoin, urlsplit

import requests
import urllib3

from steadyflow.artifacts import UserError

T = TypeVar("T")

ATTEMPTS = 6
REDIRECTS = 10
SILENCE = 60.0
"""Seconds without a byte after which a connection counts as lost."""
LONGEST_WAIT = 300.0
PROGRESS = 2**20
"""A failure with so many bytes kept beyond what was ever kept before is counted as a first one: a bad line may drop a
large file a hundred times, but what is thrown away and comes again is no progress."""

ADVICE = {
    401: "it is gated, private or not there: accept its terms on its page, and set HF_TOKEN to a token of your account",
    403: "access is refused: accept its terms on its page, and set HF_TOKEN to a token of an account that may read it",
    404: "there is no such file or repository; check its name and revision",
}


class Interrupted(Exception):
    """A fault that may pass.

    wait: seconds that the server asks for, None when it does not
    kept: bytes of a file that are there after it
    """

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait
        self.kept = 0


@dataclass(frozen=True)
class Web:
    """Where requests go out.

    home: an address; `token` is sent to its scheme, host and port, and to no other, redirected or not
    sleep: waits for so many seconds
    """

    home: str = ""
    token: str | None = field(default=None, repr=False)
    sleep: Callable[[float], None] = time.sleep
    session: requests.Session = field(default_factory=requests.Session, repr=False)

    @contextlib.contextmanager
    def get(self, url: str, headers: Mapping[str, str]) -> Iterator[requests.Response]:
        """One answer, its body not yet read, status 2xx or 416.

        Raises Interrupted for what may pass, also from within the block, and UserError for what will not.
        """
        target = url
        for _ in range(REDIRECTS + 1):
            with _faults(url), self._ask(target, headers) as response:
                following = self.session.get_redirect_target(response)
                if following is None:
                    _refuse(response, url)
                    yield response
                    return
                target = _redirected(url, target, following)
        raise UserError(f"{url}: redirected more than {REDIRECTS} times, a loop at the server; try again later")

    def json(self, url: str) -> tuple[Any, str | None]:
        """What an API answers, and the address of its next page when there is one."""

        def attempt() -> tuple[bytes, str | None]:
            with self.get(url, {"Accept": "application/json"}) as response:
                following = response.links.get("next", {}).get("url")
                return response.content, urljoin(url, following) if following else None

        content, following = self.patiently(url, attempt)
        try:
            return json.loads(content), following
        except ValueError as error:
            raise UserError(f"{url}: answers with something else than JSON; check HF_ENDPOINT") from error

    def patiently(self, url: str, attempt: Callable[[], T]) -> T:
        """What `attempt` gives, tried again with growing waits while it is interrupted, but not for ever."""
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

    def _ask(self, url: str, headers: Mapping[str, str]) -> requests.Response:
        parts = checked_address(url)
        token = self.token if self.home and _origin(parts) == _origin(urlsplit(self.home)) else None

        # Given without a token too: requests would look into ~/.netrc for want of it.
        def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
            if token is not None:
                request.headers["Authorization"] = f"Bearer {token}"
            return request

        return self.session.get(
            url, headers=dict(headers), auth=sign, stream=True, allow_redirects=False, timeout=(10, SILENCE)
        )


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


def _redirected(url: str, target: str, following: str) -> str:
    following = urljoin(target, following)
    if urlsplit(target).scheme == "https" and urlsplit(following).scheme != "https":
        raise UserError(f"{url}: redirected from https to an unprotected address; refused")
    return following


@contextlib.contextmanager
def _faults(url: str) -> Iterator[None]:
    # Neither library's own message is shown: it holds the whole address asked for last, which may be a signed one.
    try:
        yield
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader) as error:
        raise UserError(f"{url}: not an address that can be asked ({type(error).__name__})") from None
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise Interrupted(_reason(error)) from None


def _reason(error: BaseException) -> str:
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


def _refuse(response: requests.Response, url: str) -> None:
    """Raises for every status but 2xx and 416, which a download answers itself."""
    status = response.status_code
    if 200 <= status < 300 or status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return
    try:
        said = f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        said = f"HTTP {status}"
    if status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS) or status >= 500:
        raise Interrupted(said, _retry_after(response.headers.get("Retry-After", "")))
    raise UserError(f"{url}: {said}; {ADVICE.get(status, 'check the address')}")


def _retry_after(said: str) -> float | None:
    """Seconds from a number or a date; nobody is waited for longer than LONGEST_WAIT."""
    if said.isdecimal():
        return min(float(said), LONGEST_WAIT)
    try:
        wait = (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds()
    # A date without a zone cannot be subtracted.
    except (ValueError, TypeError):
        return None
    return min(max(wait, 0.0), LONGEST_WAIT)
