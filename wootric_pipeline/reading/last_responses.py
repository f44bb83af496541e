"""Responses that people gave last, as `end_users` tells: their own list may show for long what they were before.

Where `responses` cannot be asked for what has changed, `end_users` most likely can: a row of it tells the id, the score
and the text of the person's last response (vendor's documentation). One that was not seen with these is asked for by
its id.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ..tables import END_USERS, PRIMARY_KEY, RESPONSES
from .listing import Page

NOTED_MAX = 20_000
"""Of people and of responses each: of what is beyond, nothing is known, and at worst a request is made in vain."""
KEPT_MAX = 500
"""Digests in the state, of some 20 bytes each: who is updated otherwise has no other last response."""


class LastResponse(NamedTuple):
    """What a row of `end_users` tells."""

    id: int
    end_user_id: int
    digest: str

    @property
    def path(self) -> str:
        """Where the API has the response."""
        return f"{END_USERS.path}/{self.end_user_id}/responses/{self.id}"


class LastResponses:
    """Those of one run that have not been seen as they are.

    Args:
        requests_max: How many may be asked for.
    """

    def __init__(self, requests_max: int) -> None:
        self._requests_max = requests_max
        self._told: dict[int, LastResponse] = {}
        self._seen: dict[int, str] = {}

    def note(self, table: str, rows: Page) -> None:
        """Looks at rows of an answer; of `responses` those that are seen need not be asked for."""
        if not self._requests_max:
            return
        if table == RESPONSES.name and len(self._seen) < NOTED_MAX:
            self._seen.update((row[PRIMARY_KEY], _digest(row)) for row in rows)
        elif table == END_USERS.name and len(self._told) < NOTED_MAX:
            self._told.update((each.id, each) for each in map(_last_response, rows) if each is not None)

    def unseen(self, kept: Mapping[str, str]) -> list[LastResponse]:
        """Those to ask for, the newest first; others wait until their part of the list is read.

        Args:
            kept: What former runs have asked for.
        """
        unseen = [
            each for each in self._told.values() if each.digest not in (self._seen.get(each.id), kept.get(str(each.id)))
        ]
        return sorted(unseen, key=lambda each: each.id, reverse=True)[: self._requests_max]


def to_keep(kept: Mapping[str, str], asked: Iterable[LastResponse]) -> dict[str, str]:
    """What to keep in the state, of the newest."""
    digests = {**kept, **{str(each.id): each.digest for each in asked}}
    return dict(sorted(digests.items(), key=lambda each: int(each[0]))[-KEPT_MAX:])


def _last_response(row: Mapping[str, Any]) -> LastResponse | None:
    told = row.get("last_response")
    if not isinstance(told, dict) or type(told.get("id")) is not int:
        return None
    return LastResponse(told["id"], row[PRIMARY_KEY], _digest(told))


def _digest(row: Mapping[str, Any]) -> str:
    content = f"{row.get('score')} {row.get('text') or ''}"
    return hashlib.blake2b(content.encode(errors="replace"), digest_size=6).hexdigest()
