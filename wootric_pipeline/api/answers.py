"""What an answer of the API means: pure functions of its status and its content."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigurationError, ListRefused, NotThere, RequestRefused, UnexpectedAnswer
from .tolerant_json import parsed

NO_RECORD = "record_not_found"
"""Of an error in the body of a 404 (seen by others: `{"type": "error_list", "errors": [{"status": ...}]}`)."""

REDIRECTS = (300, 301, 302, 303, 305, 307, 308)


@dataclass(frozen=True)
class Answer:
    """An answer as far as it matters.

    Attributes:
        status: Of HTTP.
        content: What its JSON says.
        is_json: Whether it was any.
        is_web_page: Whether it was HTML instead.
        retry_after_seconds: How long to wait at least before asking again.
        oddity: What was found to be odd about it, in words, so that it is asked for again.
    """

    status: int
    content: Any = None
    is_json: bool = False
    is_web_page: bool = False
    retry_after_seconds: float = 0.0
    oddity: str = ""

    @classmethod
    def of(cls, status: int, headers: Mapping[str, str], body: bytes, retry_after_seconds: float) -> "Answer":
        """The answer with some content, unpacked."""
        try:
            return cls(status, parsed(body), True, False, retry_after_seconds)
        except ValueError:
            is_web_page = "html" in headers.get("Content-Type", "").lower() or body.lstrip()[:1] == b"<"
            return cls(status, None, False, is_web_page, retry_after_seconds)

    @property
    def is_transient(self) -> bool:
        """Whether asking again may bring another: a limit or an outage, which pass."""
        return self.status >= 500 or self.status in (408, 425, 429)

    @property
    def is_redirect(self) -> bool:
        """Whether it sends the client elsewhere."""
        return self.status in REDIRECTS

    @property
    def is_good(self) -> bool:
        """Whether it is one that the API gives to what it takes."""
        return self.status == 200 and self.is_json and not self.oddity

    @property
    def is_odd_error(self) -> bool:
        """Whether it is an error that is about neither credentials nor parameters, and that no limit or outage is."""
        return self.status >= 400 and not self.is_transient and self.status not in (400, 401, 403, 422)

    @property
    def is_broken(self) -> bool:
        """Whether it is none that the API gives, so that it may have been cut on its way, or come from elsewhere."""
        if self.oddity:
            return True
        if self.status >= 400 or self.is_redirect:
            return self.is_by_another
        return not self.is_json or self.status == 206

    @property
    def is_absence(self) -> bool:
        """Whether it says that there is no such row, as Wootric does; a gateway may answer 404 to anything."""
        errors = self.content.get("errors") if self.status == 404 and isinstance(self.content, dict) else None
        found = errors if isinstance(errors, list) else []
        # Beside another error, it may be for that one that there is none.
        return bool(found) and all(isinstance(each, dict) and each.get("status") == NO_RECORD for each in found)

    @property
    def is_by_another(self) -> bool:
        """Whether it refuses a request without being the API's."""
        # OAuth's own 401 says why in a header, so it may be empty.
        return self.status in (401, 403) and (
            self.is_web_page or (self.status == 403 and not isinstance(self.content, dict))
        )


def content_of(answer: Answer, path: str, host: str) -> Any:
    """What the JSON of an answer says.

    Raises:
        ConfigurationError: It sends the client elsewhere.
        ListRefused: The credentials may not read it.
        RequestRefused: It does not take a parameter.
        NotThere: There is nothing.
        UnexpectedAnswer: It is any other error, or no JSON.
    """
    if answer.is_redirect:
        raise ConfigurationError(
            f"{host} redirects elsewhere, which is not followed; set base_url to the API's own address."
        )
    if answer.is_by_another:
        raise UnexpectedAnswer(
            f"Something between here and Wootric, such as a firewall, answered {path} with status {answer.status} and "
            f"{'a web page' if answer.is_web_page else 'no JSON'}, as Wootric never does."
        )
    if answer.status == 403:
        raise ListRefused(f"Wootric does not let these credentials read {path}.")
    if answer.status in (400, 422):
        raise RequestRefused(f"Wootric answered {path} with status {answer.status}.")
    if answer.status >= 400:
        kind = NotThere if answer.status == 404 else UnexpectedAnswer
        raise kind(f"Wootric answered {path} with status {answer.status}.")
    if answer.is_broken:
        raise UnexpectedAnswer(f"Wootric answered {path} with {what(answer)}.")
    return answer.content


def list_of(answer: Answer, path: str, host: str) -> list[Any]:
    """The elements of a list; raises as `content_of` does, and UnexpectedAnswer for anything that is no list."""
    content = content_of(answer, path, host)
    if not isinstance(content, list):
        raise UnexpectedAnswer(f"Wootric answered {path} with {no_list(content)}.")
    return content


def no_list(content: Any) -> str:
    """What is in the place of a list, in words; empty where it is one."""
    return "" if isinstance(content, list) else f"{_kind(content)} where a list belongs"


def object_of(answer: Answer, path: str, host: str) -> dict[str, Any] | None:
    """What is at a path of its own, None where nothing is; raises as `content_of` does, and for what is no object."""
    if answer.is_absence:
        return None
    if answer.status == 404:
        raise UnexpectedAnswer(
            f"{path} was answered with status 404, and not as Wootric does for what it does not have, so that may come "
            "from something in between."
        )
    content = content_of(answer, path, host)
    if not isinstance(content, dict):
        raise UnexpectedAnswer(f"Wootric answered {path} with {_kind(content)} where an object belongs.")
    return content


def what(answer: Answer) -> str:
    """An answer in the words of a message."""
    if answer.oddity:
        return answer.oddity
    return "something that is not JSON" if answer.status == 200 and not answer.is_json else f"status {answer.status}"


def _kind(content: Any) -> str:
    return {dict: "an object", list: "a list", str: "a text", type(None): "null"}.get(type(content), "a single value")
