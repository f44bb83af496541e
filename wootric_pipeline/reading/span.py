"""What is wanted of a table, and what is known of it."""

from dataclasses import dataclass, replace
from datetime import datetime, timezone
from math import floor

from .history import DEFAULT_PACE, History, Pace


@dataclass(frozen=True)
class Span:
    """What is wanted of a table, in UNIX seconds, closed-open on `updated_at`.

    Attributes:
        since: Where to begin; None is the beginning.
        until: Where to end; None is whatever there is.
        created_since: Where to begin on `created_at`, should the list have to be read along that.
        history: When which part of the list was read, if it was read along that before, or its reading broken off.
        pace: How stale rows may become then.
        lookback_seconds: How far before what an earlier reading knew to look for what has changed.
        known_until: Up to where all was loaded before, closed; None if nothing was.
        known_empty: Whether an earlier reading found no rows.
    """

    since: int | None = None
    until: int | None = None
    created_since: int | None = None
    history: History | None = None
    pace: Pace = DEFAULT_PACE
    lookback_seconds: float = 0
    known_until: int | None = None
    known_empty: bool = False

    def behind(self, cursor: float | None, history: History | None, first: int | None = None) -> "Span":
        """Itself, behind what was read before.

        Args:
            cursor: The newest `updated_at` that was loaded, UNIX seconds; None before there is one.
            history: Which tells more than the cursor, where there is one.
            first: Where the first reading began.
        """
        known = cursor if history is None else history.newest
        if known is None:
            return replace(self, since=first, history=history)
        since = floor(known) - int(self.lookback_seconds)
        since = since if first is None else max(since, first)
        return replace(self, since=since, history=history, known_until=floor(known))

    def __str__(self) -> str:
        """As the log tells it."""
        since = "all there is" if self.since is None else f"what has changed since {moment(self.since)}"
        until = f" and before {moment(self.until)}" if self.until is not None else ""
        return f"{since}{until}"


def moment(second: int) -> str:
    """A second, UNIX time, in words."""
    return f"{datetime.fromtimestamp(second, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
