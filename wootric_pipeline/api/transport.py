"""Sends one request until there is an answer worth looking at: the only sockets.

Facts (vendor's documentation): `X-Rate-Limit-*` headers on limited endpoints, 429 until the minute is over, no
`Retry-After`, which whatever stands before the service may send all the same.
"""

import itertools
import logging
import platform
import random
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Any
from urllib.parse import quote_plus, urlsplit

import requests
from dlt import __version__ as dlt_version
from requests.exceptions import ContentDecodingError
from urllib3.exceptions import HTTPError, ReadTimeoutError

from ..accounts import account
from ..errors import ApiUnavailable, ConfigurationError, HostUnreachable, RateLimitExceeded, UnexpectedAnswer
from ..version import VERSION
from .address import checked, sign_in_base
from .answers import Answer, what
from .certificates import check_certificates
from .clock import Clock
from .headers import retry_after_seconds, unix_seconds
from .rate_limit import RATE_WAIT_SECONDS_MAX, RateLimit
from .turns import Turns
from .wire import ANSWER_BYTES_MAX, ENCODINGS, AnswerTooLarge, BoundedAdapter, body

USER_AGENT = f"wootric-pipeline/{VERSION} (dlt/{dlt_version}; Python/{platform.python_version()})"
HEADERS = {
    "User-Agent": USER_AGENT,
    "Accept": "application/json",
    "Accept-Encoding": ", ".join(ENCODINGS),
    "Connection": "keep-alive",
}

CONNECT_TIMEOUT_SECONDS = 10.0
READ_TIMEOUT_SECONDS = 60.0
RETRY_SECONDS_MAX = 900.0
"""How long one request is waited for, through errors, outages, rate limits and the renewal of its token in all.

Only the answer that is then under way is awaited beyond it, as long as the timeouts allow.
"""
SIGN_IN_RETRY_SECONDS_MAX = 5.0
"""How long the first connection is retried when there is no answer at all: a wrong host shall not take minutes."""
BACKOFF_SECONDS_MAX = 60.0
BROKEN_ANSWERS_MAX = 5
"""How often an answer that is no JSON, or odd otherwise, is asked for in all."""

Params = Mapping[str, str | int]
Outcome = Answer | requests.RequestException
Oddity = Callable[[Answer], str]
"""What is odd about an answer, in words; empty if nothing is."""

_NOT_ACCEPTED, _NO_SUCH_NAME = "its TLS certificate is not accepted", "its name cannot be resolved"
_HARMLESS = re.compile(r"page|per_page|sort_key|sort_order|(?:created|updated|date|date_range)\[\w+\]")
"""Names of parameters whose values are no secrets and no personal data."""

log = logging.getLogger("wootric_pipeline.api")


class Transport:
    """Connections to one host, and what its answers tell of its clock and its rate limit; threads share it.

    Args:
        base_url: Where the API is: https, or http for loopback only.
        connections: How many requests may be under way at once.
        clock: Time; only tests pass one.
        setting: Which one the address comes from; None where none says anything.

    Attributes:
        host: Of the address, for messages.
        section: Where the settings stand, for messages.
        advice: What to check where it does not answer as it should.
        requests: How many were sent, repeated ones included.
        rate_limit: What the server said of it.
        server_ahead_seconds: How far its clock is ahead of the local one, by the `Date` header of its answers.
    """

    def __init__(
        self, base_url: str, connections: int, clock: Clock | None = None, *, setting: str | None = "base_url"
    ) -> None:
        self._base_url, self._setting = checked(base_url), setting
        self.section = account().section
        self.advice = f"check {setting} under [{self.section}]" if setting else "check the network"
        self.host = urlsplit(self._base_url).netloc
        self.clock = clock or Clock()
        # A session would keep cookies, look where redirects lead, and put each request together from its beginning.
        self._adapter = BoundedAdapter(pool_connections=1, pool_maxsize=connections)
        self._turns = Turns(connections)
        self._pause = threading.Condition()
        self._count_lock = threading.Lock()
        self._answered = self._served = False
        self.server_ahead_seconds = 0.0
        self._retry_wait_seconds = 0.0
        self.requests = 0
        self.rate_limit = RateLimit(self.clock)

    def send(
        self,
        method: str,
        path: str,
        params: Params,
        started: float,
        *,
        token: str | None = None,
        form: Mapping[str, str] | None = None,
        retry_seconds_max: float | None = None,
        oddity: Oddity = lambda _answer: "",
    ) -> Answer:
        """The first answer worth looking at: retried through errors, 5xx, 408, 425, 429 and answers that break off.

        So are redirects, once the API has answered anything but a sign-in: before, the address may be wrong.

        Args:
            method: Of HTTP.
            path: Below the base URL.
            params: The query.
            started: Since when the caller waits, by the monotonic clock.
            token: What it may do is proven with; None to sign in.
            form: What is posted to sign in.
            retry_seconds_max: How long to go on with that, by default `RETRY_SECONDS_MAX`.
            oddity: Tells whether an answer is to be asked for again, for some times.

        Raises:
            ConfigurationError: The host was never reached, and the setting is why.
            ApiUnavailable: There was no such answer in time; `RateLimitExceeded`, where a limit is why, and
                `HostUnreachable`, where there never was any.
            UnexpectedAnswer: One was too large to be read.
        """
        broken, seconds_max = 0, RETRY_SECONDS_MAX if retry_seconds_max is None else retry_seconds_max
        for attempt in itertools.count(1):
            asked = self.clock.monotonic()
            with self._turns:
                # Waiting for other threads is not waiting for the service.
                started += self.clock.monotonic() - asked
                with self.rate_limit.slot(until=started + seconds_max):
                    outcome = self._attempt(method, path, params, token, form)
            if isinstance(outcome, Answer) and not self._is_passing(outcome):
                if odd := oddity(outcome):
                    outcome = replace(outcome, oddity=odd)
                self._served |= outcome.is_good and form is None
                broken += outcome.is_broken
                if not outcome.is_broken or broken == BROKEN_ANSWERS_MAX:
                    return outcome
            self._back_off(path, outcome, attempt, started, seconds_max)
        raise AssertionError("unreachable")

    def _is_passing(self, answer: Answer) -> bool:
        """Whether asking again may bring another; so may a redirect where the API has answered, as for maintenance."""
        return answer.is_transient or (answer.is_redirect and self._served)

    def _back_off(self, path: str, outcome: Outcome, attempt: int, started: float, retry_seconds_max: float) -> None:
        """Waits before a request is repeated; see `send` for what is raised where there is no time left for that."""
        waited_seconds = self.clock.monotonic() - started
        seconds_max = retry_seconds_max if self._answered else SIGN_IN_RETRY_SECONDS_MAX
        if waited_seconds >= seconds_max:
            raise self._given_up(path, outcome, waited_seconds)
        seconds = _backoff_seconds(attempt)
        if isinstance(outcome, Answer):
            seconds = max(seconds, min(outcome.retry_after_seconds, RATE_WAIT_SECONDS_MAX))
        seconds = min(seconds, seconds_max - waited_seconds)
        log.warning("%s: %s; asks again in %.1f s.", path, _what(outcome), seconds)
        self._sleep(seconds)

    def _attempt(
        self, method: str, path: str, params: Params, token: str | None, form: Mapping[str, str] | None
    ) -> Outcome:
        with self._count_lock:
            self.requests += 1
        sent = self.clock.monotonic()
        base_url = self._base_url if form is None else sign_in_base(self._base_url)
        try:
            outcome = self._answer(_request(method, base_url + path, params, token, form))
        except AnswerTooLarge:
            raise UnexpectedAnswer(
                f"Wootric answered {path} with more than {ANSWER_BYTES_MAX / 1e6:.0f} MB, where 50 rows belong."
            ) from None
        except requests.RequestException as error:
            outcome = error
        except (HTTPError, ValueError):
            # Nonsense in an answer that requests does not expect, such as a chunk of a negative length.
            outcome = requests.exceptions.ChunkedEncodingError()
        _log(f"{method} {path}", params, outcome, self.clock.monotonic() - sent)
        return outcome

    def _answer(self, request: requests.PreparedRequest) -> Outcome:
        timeouts_seconds = CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS
        # An adapter follows no redirects: credentials and tokens go to the configured host only.
        with self._adapter.send(request, timeout=timeouts_seconds, **self._environment) as response:
            try:
                content = body(response)
            except ContentDecodingError:
                content = b""
        self._answered = True
        status, headers = response.status_code, response.headers
        self._note_server_time(headers)
        server_now = self.server_now()
        self.rate_limit.learn(headers, server_now, refused=status == 429)
        wait_seconds = retry_after_seconds(headers, server_now) if status in (429, 503) else 0.0
        return Answer.of(status, headers, content, wait_seconds)

    def server_now(self) -> float:
        """The server's clock, by the `Date` header of its answers; UNIX seconds.

        Until something has been answered it is the local clock.
        """
        return self.clock.now() + self.server_ahead_seconds

    @property
    def waited_seconds(self) -> float:
        """How long, in all, requests were or are being held back: for the rate limit, or before they are retried."""
        return self.rate_limit.waited_seconds + self._retry_wait_seconds

    def close(self) -> None:
        """Closes the connections."""
        self._adapter.close()

    @cached_property
    def _environment(self) -> Any:
        """Proxies and certificates of the environment, which requests would look up for each request; and streaming.

        Raises:
            ConfigurationError: There are no such certificates.
        """
        environment = requests.Session().merge_environment_settings(self._base_url, {}, True, None, None)
        if isinstance(environment["verify"], str) and urlsplit(self._base_url).scheme == "https":
            check_certificates(environment["verify"])
        return environment

    def _note_server_time(self, headers: Mapping[str, str]) -> None:
        if (server_now := unix_seconds(headers.get("Date"))) is not None:
            self.server_ahead_seconds = server_now - self.clock.now()

    def _given_up(self, path: str, last: Outcome, waited_seconds: float) -> Exception:
        if isinstance(last, requests.RequestException) and not self._answered:
            return self._unreachable(_reason(last))
        duration = f"{waited_seconds:.0f} seconds"
        if isinstance(last, Answer) and last.status == 429:
            return RateLimitExceeded(f"Wootric answered {path} with 429, too many requests, for {duration}.")
        return ApiUnavailable(f"Wootric gave no usable answer to {path} for {duration} (last: {_what(last)}).")

    def _unreachable(self, reason: str) -> Exception:
        """A certificate is somebody's to put right, and so is a name that was made up; all else may be an outage."""
        advice = f"{self.advice} and the network" if self._setting else self.advice
        sentence = f"{self.host} cannot be reached ({reason}); {advice}."
        if reason == _NOT_ACCEPTED or (reason == _NO_SUCH_NAME and self._setting == "base_url"):
            return ConfigurationError(sentence)
        return HostUnreachable(sentence)

    def _sleep(self, seconds: float) -> None:
        with self._pause:
            self._retry_wait_seconds += seconds
            self.clock.wait(self._pause, seconds)


def _request(
    method: str, url: str, params: Params, token: str | None, form: Mapping[str, str] | None
) -> requests.PreparedRequest:
    request = _prepared(method, url).copy()
    if params:
        query = "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in params.items())
        request.url = f"{request.url}?{query}"
    if token is not None:
        request.headers["Authorization"] = f"Bearer {token}"
    if form is not None:
        request.prepare_body(form, files=None)
    return request


@lru_cache(maxsize=16)
def _prepared(method: str, url: str) -> requests.PreparedRequest:
    """What all requests to one address have in common: requests would put it together, and check it, for each."""
    return requests.Request(method, url, headers=HEADERS).prepare()


@lru_cache(maxsize=256)
def _quoted(text: str | int) -> str:
    """A name or a value of a query: few of them differ from one to the next."""
    return quote_plus(str(text))


def _backoff_seconds(attempt: int) -> float:
    ceiling = min(2.0 ** min(attempt - 1, 10), BACKOFF_SECONDS_MAX)
    # Half of it random, so that clients thrown off together do not come back together.
    return ceiling / 2 + random.uniform(0, ceiling / 2)


def _log(request: str, params: Params, outcome: Outcome, seconds: float) -> None:
    """Logs a request with its query, and what came of it."""
    if not log.isEnabledFor(logging.DEBUG):
        return
    query = "&".join(f"{name}={value if _HARMLESS.fullmatch(name) else '...'}" for name, value in params.items())
    content = outcome.content if isinstance(outcome, Answer) else None
    rows = f", {len(content)} rows" if isinstance(content, list) else ""
    log.debug("%s%s: %s%s, %.0f ms.", request, f"?{query}" if query else "", _what(outcome), rows, 1000 * seconds)


def _what(outcome: Outcome) -> str:
    """What came of a request that has to be repeated."""
    if isinstance(outcome, Answer):
        return what(outcome)
    return _reason(outcome)


def _reason(error: Exception) -> str:
    """What went wrong, without the address and the query that requests puts into its messages."""
    if isinstance(error, requests.exceptions.SSLError) and "certificate" in str(error).lower():
        return _NOT_ACCEPTED
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy does not answer"
    if isinstance(error, requests.exceptions.Timeout) or any(isinstance(arg, ReadTimeoutError) for arg in error.args):
        return "no answer in time"
    if "resolve" in str(error) or "getaddrinfo" in str(error):
        return _NO_SUCH_NAME
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the answer broke off"
    return "the connection failed"
