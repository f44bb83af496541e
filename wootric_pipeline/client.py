"""One authorised, rate-limited, retried GET: the only room with sockets; it shares clock and sleep with `rate_limit`.

Facts about the service are from the vendor's API documentation: OAuth 2 by `POST /oauth/token`, bearer tokens that
last two hours, `X-Rate-Limit-*` headers on limited endpoints, 429 until the minute is over, no `Retry-After`.
"""

import itertools
import logging
import platform
import random
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import requests
from dlt.common.json import json
from dlt.version import __version__ as dlt_version
from requests.adapters import HTTPAdapter

from .errors import (
    ApiUnavailable,
    AuthenticationFailed,
    ConfigurationError,
    RateLimitExceeded,
    UnexpectedAnswer,
)
from .rate_limit import Clock, RateLimit, Turns

VERSION = "0.1.0"
USER_AGENT = f"wootric-pipeline/{VERSION} (dlt/{dlt_version}; Python/{platform.python_version()})"

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
"""How often an answer that is no JSON is asked for again."""
TOKEN_SECONDS = 7200.0
TOKEN_MARGIN_SECONDS = 60.0
Params = Mapping[str, str | int]
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
"""Its escape in JSON, unless the backslash is itself escaped."""


@dataclass(frozen=True)
class Credentials:
    """What a token is asked for with: an application's id and secret, or a person's e-mail address and password."""

    client_id: str | None = None
    client_secret: str | None = None
    username: str | None = None
    password: str | None = None
    account_token: str | None = None

    def grant(self) -> dict[str, str]:
        """The form fields of the token request.

        Raises:
            ConfigurationError: Neither pair is complete.
        """
        if self.client_id and self.client_secret:
            return {
                "grant_type": "client_credentials",
                "client_id": self.client_id,
                "client_secret": self.client_secret,
            }
        if self.username and self.password:
            return {"grant_type": "password", "username": self.username, "password": self.password}
        raise ConfigurationError(
            "Set client_id and client_secret, or username and password, under [sources.wootric] in .dlt/secrets.toml "
            "or as SOURCES__WOOTRIC__CLIENT_ID and so on in the environment."
        )


class _BearerToken(requests.auth.AuthBase):
    """Sets the header as an `auth` object does: without one, requests would put a .netrc entry in its place."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _Anonymous(requests.auth.AuthBase):
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


@dataclass(frozen=True)
class _Answer:
    """An answer as far as it matters: `content` is what its JSON says, `is_json` whether it was any."""

    status: int
    content: Any
    is_json: bool

    @classmethod
    def of(cls, response: requests.Response) -> "_Answer":
        try:
            return cls(response.status_code, json.loadb(_without_nul(response.content)), True)
        except ValueError:
            return cls(response.status_code, None, False)


class Client:
    """Reads lists of one account.

    >>> client = Client("https://api.wootric.com", Credentials(client_id="...", client_secret="..."))
    >>> client.get("/v1/responses", {"per_page": 1})
    [{'id': 654, 'score': 9, 'updated_at': '2018-01-02 23:03:41 -0800', ...}]

    Args:
        base_url: Where the API is: https, or http for loopback only.
        credentials: See `Credentials`.
        connections: How many requests may be under way at once.
        clock: Time; only tests pass one.

    Raises:
        ConfigurationError: The address is none, or the credentials are incomplete.
    """

    def __init__(
        self, base_url: str, credentials: Credentials, *, connections: int = 4, clock: Clock | None = None
    ) -> None:
        self._base_url = _checked_base_url(base_url)
        self._host = urlsplit(self._base_url).netloc
        self._grant = credentials.grant()
        self._token_params = {"account_token": credentials.account_token} if credentials.account_token else {}
        self._clock = clock or Clock()
        if token := credentials.account_token:
            # The vendor wants it in the address, and urllib3 logs addresses when it is told to log all.
            logging.getLogger("urllib3.connectionpool").addFilter(lambda record: token not in record.getMessage())
        self._session = requests.Session()
        self._session.headers.update({"User-Agent": USER_AGENT, "Accept": "application/json"})
        self._session.mount(self._base_url, HTTPAdapter(pool_connections=1, pool_maxsize=connections))
        self.connections = connections
        self._turns = Turns(connections)
        self._token_lock = threading.Lock()
        self._token: str | None = None
        self._refused = False
        self._token_ends = 0.0
        self._pause = threading.Condition()
        self._count_lock = threading.Lock()
        self._answered = False
        self._server_ahead_seconds = 0.0
        self._retry_wait_seconds = 0.0
        self.requests = 0
        self.rate_limit = RateLimit(self._clock)

    def get(self, path: str, params: Params) -> list[Any]:
        """One page of a list.

        Args:
            path: Below the base URL, for example `/v1/responses`.
            params: The query.

        Returns:
            The elements of the JSON list, as they came.

        Raises:
            AuthenticationFailed: A fresh token is refused, too.
            ApiUnavailable: No usable answer within `RETRY_SECONDS_MAX`; `RateLimitExceeded`, where a limit is why.
            UnexpectedAnswer: Anything but a JSON list.
        """
        started = self._clock.monotonic()
        token = self._bearer_token(started)
        answer = self._send("GET", path, params, started, auth=_BearerToken(token))
        if answer.status == 401:
            fresh = self._bearer_token(started, refused=token)
            answer = self._send("GET", path, params, started, auth=_BearerToken(fresh))
        if answer.status == 401:
            raise AuthenticationFailed("Wootric refuses a token it has just issued; check the account's API access.")
        content = self._content(answer, path)
        if not isinstance(content, list):
            raise UnexpectedAnswer(f"Wootric answered {path} with {_kind(content)} where a list belongs.")
        return content

    def sign_in(self) -> None:
        """Asks for a token, unless a valid one is at hand; see `get` for what it raises."""
        self._bearer_token(self._clock.monotonic())

    def server_now(self) -> float:
        """The server's clock, by the `Date` header of its answers; UNIX seconds.

        Until something has been answered it is the local clock.
        """
        return self._clock.now() + self._server_ahead_seconds

    @property
    def waited_seconds(self) -> float:
        """How long, in all, requests were or are being held back: for the rate limit, or before they are retried."""
        return self.rate_limit.waited_seconds + self._retry_wait_seconds

    def close(self) -> None:
        """Closes the connections."""
        self._session.close()

    def _bearer_token(self, started: float, refused: str | None = None) -> str:
        with self._token_lock:
            expired = self._clock.monotonic() >= self._token_ends
            if self._token is None or expired or self._token == refused:
                self._token = self._new_token(started)
            return self._token

    def _new_token(self, started: float) -> str:
        # Asked for by every table, wrong credentials might lock the account.
        if not self._refused:
            path, form = "/oauth/token", self._grant
            answer = self._send("POST", path, self._token_params, started, auth=_Anonymous(), form=form)
            self._refused = answer.status in (400, 401, 403)
        if self._refused:
            raise AuthenticationFailed(
                "Wootric refuses the credentials: check client_id and client_secret, or username and password, "
                "under [sources.wootric]."
            )
        if answer.status == 404 or not answer.is_json:
            raise ConfigurationError(
                f"{self._host} does not answer as the Wootric API does; check base_url under [sources.wootric]."
            )
        content = self._content(answer, "/oauth/token")
        token = content.get("access_token") if isinstance(content, dict) else None
        if not isinstance(token, str) or not token:
            raise AuthenticationFailed("Wootric answered the sign-in without an access_token; check base_url.")
        lifetime = content.get("expires_in")
        lifetime_seconds = float(lifetime) if isinstance(lifetime, (int, float)) else TOKEN_SECONDS
        margin_seconds = min(TOKEN_MARGIN_SECONDS, lifetime_seconds / 2)
        self._token_ends = self._clock.monotonic() + lifetime_seconds - margin_seconds
        return token

    def _content(self, answer: _Answer, path: str) -> Any:
        if 300 <= answer.status < 400:
            raise ConfigurationError(
                f"{self._host} redirects elsewhere, which is not followed; set base_url to the API's own address."
            )
        if answer.status == 403:
            raise AuthenticationFailed(f"Wootric does not let these credentials read {path}.")
        if answer.status >= 400:
            raise UnexpectedAnswer(f"Wootric answered {path} with status {answer.status}.")
        if not answer.is_json:
            raise UnexpectedAnswer(f"Wootric answered {path} with something that is not JSON.")
        return answer.content

    def _send(
        self,
        method: str,
        path: str,
        params: Params,
        started: float,
        *,
        auth: requests.auth.AuthBase,
        form: Mapping[str, str] | None = None,
    ) -> _Answer:
        """The first answer worth looking at: retried through errors, 5xx, 429 and answers that break off."""
        broken = 0
        for attempt in itertools.count(1):
            asked = self._clock.monotonic()
            with self._turns:
                # Waiting for other threads is not waiting for the service.
                started += self._clock.monotonic() - asked
                with self.rate_limit.slot(until=started + RETRY_SECONDS_MAX):
                    outcome = self._attempt(method, path, params, auth, form)
            if isinstance(outcome, _Answer) and outcome.status < 500 and outcome.status != 429:
                broken += outcome.status == 200 and not outcome.is_json
                if outcome.status != 200 or outcome.is_json or broken == BROKEN_ANSWERS_MAX:
                    return outcome
            waited_seconds = self._clock.monotonic() - started
            seconds_max = RETRY_SECONDS_MAX if self._answered else SIGN_IN_RETRY_SECONDS_MAX
            if waited_seconds >= seconds_max:
                raise self._given_up(path, outcome, waited_seconds)
            self._sleep(min(_backoff_seconds(attempt), seconds_max - waited_seconds))
        raise AssertionError("unreachable")

    def _attempt(
        self, method: str, path: str, params: Params, auth: requests.auth.AuthBase, form: Mapping[str, str] | None
    ) -> _Answer | requests.RequestException:
        with self._count_lock:
            self.requests += 1
        try:
            request = requests.Request(method, self._base_url + path, params=params, data=form, auth=auth)
            response = self._session.send(
                self._session.prepare_request(request),
                timeout=(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS),
                # Credentials and tokens go to the configured host only.
                allow_redirects=False,
                **self._environment,
            )
        except requests.RequestException as error:
            return error
        self._answered = True
        self._note_server_time(response.headers)
        self.rate_limit.learn(response.headers, self.server_now(), refused=response.status_code == 429)
        return _Answer.of(response)

    @cached_property
    def _environment(self) -> Any:
        """Proxies and certificates of the environment, which requests would look up for each request."""
        return self._session.merge_environment_settings(self._base_url, {}, None, None, None)

    def _note_server_time(self, headers: Mapping[str, str]) -> None:
        try:
            server_now = parsedate_to_datetime(headers["Date"]).timestamp()
        except (KeyError, ValueError, TypeError):
            return
        self._server_ahead_seconds = server_now - self._clock.now()

    def _given_up(self, path: str, last: _Answer | requests.RequestException, waited_seconds: float) -> Exception:
        if isinstance(last, requests.RequestException) and not self._answered:
            return ConfigurationError(
                f"{self._host} cannot be reached ({_reason(last)}); check base_url under [sources.wootric] "
                "and the network."
            )
        duration = f"{waited_seconds:.0f} seconds"
        if isinstance(last, _Answer) and last.status == 429:
            return RateLimitExceeded(f"Wootric answered {path} with 429, too many requests, for {duration}.")
        what = f"status {last.status}" if isinstance(last, _Answer) else _reason(last)
        return ApiUnavailable(f"Wootric gave no usable answer to {path} for {duration} (last: {what}).")

    def _sleep(self, seconds: float) -> None:
        with self._pause:
            self._retry_wait_seconds += seconds
            self._clock.wait(self._pause, seconds)


def _without_nul(content: bytes) -> bytes:
    """JSON with U+FFFD in place of U+0000, which PostgreSQL and others refuse in any text."""
    return _NUL.sub(rb"\1\\ufffd", content) if rb"\u0000" in content else content


def _checked_base_url(base_url: str) -> str:
    try:
        parts = urlsplit(base_url)
    except ValueError:
        raise ConfigurationError("base_url must be an address such as https://api.wootric.com.") from None
    loopback = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.username or parts.password or parts.query:
        raise ConfigurationError("base_url must be an address only, without credentials or a query.")
    if not parts.hostname or parts.scheme not in ("https", "http"):
        raise ConfigurationError("base_url must be an address such as https://api.wootric.com.")
    if parts.scheme == "http" and not loopback:
        raise ConfigurationError(
            f"base_url must begin with https: {parts.hostname} would get the credentials in the clear."
        )
    return base_url.rstrip("/")


def _backoff_seconds(attempt: int) -> float:
    ceiling = min(2.0 ** (attempt - 1), BACKOFF_SECONDS_MAX)
    # Half of it random, so that clients thrown off together do not come back together.
    return ceiling / 2 + random.uniform(0, ceiling / 2)


def _kind(content: Any) -> str:
    return {dict: "an object", str: "a text", type(None): "null"}.get(type(content), "a single value")


def _reason(error: Exception) -> str:
    """What went wrong, without the address and the query that requests puts into its messages."""
    if isinstance(error, requests.exceptions.SSLError):
        return "its TLS certificate is not accepted"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy does not answer"
    if isinstance(error, requests.exceptions.Timeout):
        return "no answer in time"
    if "resolve" in str(error) or "getaddrinfo" in str(error):
        return "its name cannot be resolved"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the answer broke off"
    return "the connection failed"
