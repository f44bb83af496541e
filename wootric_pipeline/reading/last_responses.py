"""Responses that people gave last, as `end_users` tells: their own list may show for long what they were before.

Where `responses` cannot be asked for what has changed, `end_users` most likely can: a row of it tells the id, the score
and the text of the person's last response (vendor's documentation). One that was not seen with these is asked for by
its id.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from ..records import usable
from ..tables import END_USERS, PERSON, PRIMARY_KEY, RESPONSES
from .listing import Page
from .row_filter import RowFilter

NOTED_MAX = 20_000
"""Of people and of responses each: of what is beyond, nothing is known, and at worst a request is made in vain."""
KEPT_MAX = 500
"""Digests in the state, of some 20 bytes each: who is updated otherwise has no other last response."""
VALUES = ("score", "text")

GetOne = Callable[[str], dict[str, Any] | None]
"""Asks the API for what is at a path of its own; None if there is nothing."""


class LastResponse(NamedTuple):
    """What a row of `end_users` tells, as far as it is not left out.

    Attributes:
        id: Of the response.
        end_user_id: Whose it is.
        values: Its score and its text.
    """

    id: int
    end_user_id: int
    values: dict[str, Any]

    @property
    def path(self) -> str:
        """Where the API has the response."""
        return f"{END_USERS.path}/{self.end_user_id}/responses/{self.id}"

    def digest(self, key: bytes) -> str:
        """Tells values from others; with a key, nobody without it can compare guesses."""
        content = repr([_plain(self.values.get(name)) for name in VALUES])
        return hashlib.blake2b(content.encode(errors="replace"), digest_size=6, key=key).hexdigest()

    def is_in(self, found: Mapping[str, Any] | None) -> bool:
        """Whether an answer is this response, as it was told."""
        keys = (self.id, self.end_user_id)
        return self.is_like(found) and found is not None and (found.get(PRIMARY_KEY), found.get(PERSON)) == keys

    def is_like(self, row: Mapping[str, Any] | None) -> bool:
        """Whether a response has these values; a score may be 0, and an empty text is none."""
        return row is not None and all(
            name in row and _plain(row[name]) == _plain(value) for name, value in self.values.items()
        )


def _plain(value: Any) -> Any:
    return None if value == "" else value


class LastResponses:
    """Those of one run that have not been seen as they are.

    Args:
        requests_max: How many may be asked for.
        get_one: Asks for one.
        digest_key: Of digests in the state; may be empty.
    """

    def __init__(self, requests_max: int, get_one: GetOne, digest_key: bytes = b"") -> None:
        self._digest_key = digest_key
        self._requests_max = requests_max
        self._get_one = get_one
        self._reported: dict[int, LastResponse] = {}
        self._seen: dict[int, dict[str, Any]] = {}

    def note(self, table: str, rows: Page) -> None:
        """Looks at rows of an answer; of `responses` those that are seen need not be asked for."""
        if not self._requests_max:
            return
        if table == RESPONSES.name and len(self._seen) < NOTED_MAX:
            self._seen.update((row[PRIMARY_KEY], {name: row[name] for name in VALUES if name in row}) for row in rows)
        elif table == END_USERS.name and len(self._reported) < NOTED_MAX:
            self._reported.update((each.id, each) for each in map(_last_response, rows) if each is not None)

    def pages(self, kept: dict[str, str], wanted: RowFilter) -> Iterator[Page]:
        """A page for each request, the newest responses first; what is beyond the most waits for its part of the list.

        An answer that is another response, or has other values than were told, may come from some cache: it could be
        older than what is loaded, and is left to the list.

        Args:
            kept: What former runs have asked for; what this one asks for is added.
            wanted: What of the rows is loaded.
        """
        unseen = [
            each
            for each in self._reported.values()
            if not each.is_like(self._seen.get(each.id)) and kept.get(str(each.id)) != each.digest(self._digest_key)
        ]
        for each in sorted(unseen, key=lambda each: each.id, reverse=True)[: self._requests_max]:
            found = self._get_one(each.path)
            kept[str(each.id)] = each.digest(self._digest_key)
            yield usable(RESPONSES, [wanted.left(found)])[0] if each.is_in(found) else Page()


def newest(kept: Mapping[str, str]) -> dict[str, str]:
    """What to keep in the state."""
    return dict(sorted(kept.items(), key=lambda each: int(each[0]))[-KEPT_MAX:])


def _last_response(row: Mapping[str, Any]) -> LastResponse | None:
    reported = row.get("last_response")
    if not isinstance(reported, dict) or type(reported.get(PRIMARY_KEY)) is not int:
        return None
    return LastResponse(
        reported[PRIMARY_KEY], row[PRIMARY_KEY], {name: reported[name] for name in VALUES if name in reported}
    )
