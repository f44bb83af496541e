"""What an answer of the API means: pure functions of its status and its content."""

import re
from dataclasses import dataclass
from typing import Any

import requests
from dlt.common import json

from ..errors import AuthenticationFailed, ConfigurationError, UnexpectedAnswer

_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
"""Its escape in JSON, unless the backslash is itself escaped."""


@dataclass(frozen=True)
class Answer:
    """An answer as far as it matters.

    Attributes:
        status: Of HTTP.
        content: What its JSON says.
        is_json: Whether it was any.
    """

    status: int
    content: Any
    is_json: bool

    @classmethod
    def of(cls, response: requests.Response) -> "Answer":
        """The answer that requests got."""
        try:
            return cls(response.status_code, json.loadb(_without_nul(response.content)), True)
        except ValueError:
            return cls(response.status_code, None, False)

    @property
    def is_transient(self) -> bool:
        """Whether asking again may bring another: a limit or an outage, which pass."""
        return self.status >= 500 or self.status == 429

    @property
    def is_broken(self) -> bool:
        """Whether it should have been JSON."""
        return self.status == 200 and not self.is_json


def content_of(answer: Answer, path: str, host: str) -> Any:
    """What the JSON of an answer says.

    Raises:
        ConfigurationError: It sends the client elsewhere.
        AuthenticationFailed: The credentials may not read it.
        UnexpectedAnswer: It is any other error, or no JSON.
    """
    if 300 <= answer.status < 400:
        raise ConfigurationError(
            f"{host} redirects elsewhere, which is not followed; set base_url to the API's own address."
        )
    if answer.status == 403:
        raise AuthenticationFailed(f"Wootric does not let these credentials read {path}.")
    if answer.status >= 400:
        raise UnexpectedAnswer(f"Wootric answered {path} with status {answer.status}.")
    if not answer.is_json:
        raise UnexpectedAnswer(f"Wootric answered {path} with something that is not JSON.")
    return answer.content


def list_of(answer: Answer, path: str, host: str) -> list[Any]:
    """The elements of a list; raises as `content_of` does, and UnexpectedAnswer for anything that is no list."""
    content = content_of(answer, path, host)
    if not isinstance(content, list):
        raise UnexpectedAnswer(f"Wootric answered {path} with {_kind(content)} where a list belongs.")
    return content


def _kind(content: Any) -> str:
    return {dict: "an object", str: "a text", type(None): "null"}.get(type(content), "a single value")


def _without_nul(content: bytes) -> bytes:
    """JSON with U+FFFD in place of U+0000, which PostgreSQL and others refuse in any text."""
    return _NUL.sub(rb"\1\\ufffd", content) if rb"\u0000" in content else content
