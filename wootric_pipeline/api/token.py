"""What a client signs in with, and the token it gets for that.

Facts (vendor's documentation): OAuth 2 by `POST /oauth/token`, credentials in the form and never in the address but for
the account's token; a bearer token lasts two hours. A wrong account's token gets status 404 (seen by others).
"""

import hashlib
import logging
import re
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ..accounts import account
from ..dlt_internals import settings_folder
from ..errors import AuthenticationFailed, ConfigurationError
from .answers import content_of
from .transport import Transport

TOKEN_PATH = "/oauth/token"  # noqa: S105
TOKEN_SECONDS = 7200.0
TOKEN_SECONDS_MAX = 366 * 86_400.0
"""Longer lifetimes are not believed."""
TOKEN_MARGIN_SECONDS = 60.0

_PORTS = (80, 443)
"""Of http and https."""
_TOKEN = re.compile("[!-~]+")
"""Whatever a header can hold."""


@dataclass(frozen=True)
class Credentials:
    """What a token is asked for with: an application's id and secret, or a person's e-mail address and password."""

    client_id: str | None = None
    client_secret: str | None = None
    username: str | None = None
    password: str | None = None
    account_token: str | None = None

    def account(self, base_url: str) -> str:
        """Tells accounts apart: a digest of the address and of who signs in, the same with a new secret or password."""
        return self._digest(_place(base_url))

    def former_account(self, base_url: str) -> str:
        """The digest as former versions made it, of the host alone."""
        return self._digest(str(urlsplit(base_url).hostname))

    def _digest(self, place: str) -> str:
        who = self.client_id if self.client_id and self.client_secret else f"{self.username} {self.account_token}"
        return hashlib.sha256(f"{place} {who}".encode()).hexdigest()

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
        section = account().section
        variable = "__".join((*section.split("."), "client_id")).upper()
        raise ConfigurationError(
            f"Set client_id and client_secret, or username and password, under [{section}] in secrets.toml, which "
            f"was looked for in {settings_folder()}, or as {variable} and so on in the environment."
        )


def _place(base_url: str) -> str:
    """Host, port and path of an address; a port or a path that says nothing is left out."""
    parts = urlsplit(base_url)
    port = "" if parts.port in (None, *_PORTS) else f":{parts.port}"
    return f"{parts.hostname}{port}{parts.path.rstrip('/')}"


class Tokens:
    """The token that all threads use, renewed before it ends.

    Args:
        credentials: What it is asked for with.
        transport: Asks.

    Raises:
        ConfigurationError: The credentials are incomplete.
    """

    def __init__(self, credentials: Credentials, transport: Transport) -> None:
        self._grant = credentials.grant()
        self._params = {"account_token": credentials.account_token} if credentials.account_token else {}
        if secret := credentials.account_token:
            # The vendor wants it in the address, and urllib3 logs addresses: of all requests, and of odd answers.
            for name in ("urllib3.connectionpool", "urllib3.connection"):
                logging.getLogger(name).addFilter(lambda record: secret not in record.getMessage())
        self._transport = transport
        self._lock = threading.Lock()
        self._token: str | None = None
        self._ends = 0.0
        self._refused = False

    def current(self, started: float, refused: str | None = None) -> str:
        """A token that is valid as far as is known.

        Args:
            started: Since when the caller waits, by the monotonic clock.
            refused: One that the server refuses, although it should be valid.
        """
        with self._lock:
            expired = self._transport.clock.monotonic() >= self._ends
            if self._token is None or expired or self._token == refused:
                self._token = self._new(started)
            return self._token

    def _new(self, started: float) -> str:
        content = self._signed_in(started)
        token = content.get("access_token") if isinstance(content, dict) else None
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise AuthenticationFailed(
                f"Wootric answered the sign-in without an access_token; {self._transport.advice}."
            )
        lifetime_seconds = _lifetime_seconds(content.get("expires_in"))
        margin_seconds = min(TOKEN_MARGIN_SECONDS, lifetime_seconds / 2)
        self._ends = self._transport.clock.monotonic() + lifetime_seconds - margin_seconds
        return token

    def _signed_in(self, started: float) -> Any:
        host = self._transport.host
        # Asked for by every table, wrong credentials might lock the account.
        if not self._refused:
            answer = self._transport.send("POST", TOKEN_PATH, self._params, started, form=self._grant)
            self._refused = answer.status in (400, 401, 403) and not answer.is_web_page and not answer.is_by_another
        if self._refused:
            raise AuthenticationFailed(
                "Wootric refuses the credentials: check client_id and client_secret, or username and password, "
                f"under [{self._transport.section}]."
            )
        if self._params and answer.status == 404 and isinstance(answer.content, dict):
            raise AuthenticationFailed(
                "Wootric finds no account for the account_token; check account_token, and region or base_url, under "
                f"[{self._transport.section}]."
            )
        if not answer.is_by_another and (answer.status == 404 or not answer.is_json):
            raise ConfigurationError(f"{host} does not answer as the Wootric API does; {self._transport.advice}.")
        return content_of(answer, TOKEN_PATH, host)


def _lifetime_seconds(stated: Any) -> float:
    is_usable = isinstance(stated, (int, float)) and 0 < stated < TOKEN_SECONDS_MAX
    return float(stated) if is_usable else TOKEN_SECONDS
