"""A table -> batches of rows, and how far its cursor may move with each.

A list that can be filtered and sorted by `updated_at` is read along that, and the cursor moves with every page. Any
other is read along `created_at`, and the cursor moves at the end.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from operator import itemgetter
from typing import Literal, NamedTuple

from ..errors import UnexpectedAnswer
from ..tables import CURSOR
from .listing import CREATED, UPDATED, Bounds, Fetch, FilterIgnored, OrderIgnored, Page
from .seek import Seek

SECONDS_PER_DAY = 86_400
FAR_FUTURE = 4_102_444_800
"""2100-01-01, UNIX seconds: nothing is updated after it, so a filter on it that is honoured answers nothing."""


def honours_updated(fetch: Fetch) -> bool:
    """One request that tells whether a list knows the `updated` filter: one that does not ignores it silently."""
    return not fetch({**Bounds(UPDATED, FAR_FUTURE).params(), "per_page": 1})


class Halfway(NamedTuple):
    """How far a reading along `created_at` has come: another may go on from there as if it were the same.

    Attributes:
        since, until: What was wanted of `updated_at`, UNIX seconds; the reading began at `until`.
        created_since: Where it began on `created_at`, UNIX seconds.
        position: The second of `created_at` reached; all rows created before it were read.
        newest: The newest `updated_at` read, UNIX seconds; None before there is one.
    """

    since: int
    until: int
    created_since: int
    position: int
    newest: float | None


class Batch(NamedTuple):
    """Rows, and how far the cursor may move once they are committed; None leaves it where it is."""

    rows: Page
    cursor: datetime | None
    halfway: Halfway | None = None


@dataclass(frozen=True)
class Span:
    """What is wanted of a table, in UNIX seconds, closed-open on `updated_at`.

    Attributes:
        since: Where to begin.
        until: Where to end; None is the start of the reading, by the server's clock.
        created_since: Where to begin on `created_at`, should the list have to be read along that.
        rescan_days: How many days of `created_at` to read then at most; None is all since `created_since`.
        halfway: Where an earlier reading along that was broken off.
        incremental: Whether all before it has been loaded.
    """

    since: int
    until: int | None = None
    created_since: int = 0
    rescan_days: int | None = None
    halfway: Halfway | None = None
    incremental: bool = False

    def __str__(self) -> str:
        """As the log tells it."""
        since = f"what has changed since {_shown(self.since)}" if self.since else "all there is"
        until = f" and before {_shown(self.until)}" if self.until is not None else ""
        going_on = f", from rows created at {_shown(self.halfway.position)} on if it may" if self.halfway else ""
        return f"{since}{until}{going_on}"


class Scan:
    """Reads one table.

    Args:
        seek: Reads its list.

    Attributes:
        mode: The time the table is read along, once that is known.
        as_of: When the reading began that this one goes on with, UNIX seconds; None where it is one of its own.
    """

    def __init__(self, seek: Seek) -> None:
        self.mode: Literal["updated", "created"] | None = None
        self.as_of: int | None = None
        self._seek = seek

    def read(self, span: Span, server_now: Callable[[], float]) -> Iterator[Batch]:
        """All rows of a span, along `updated_at` where the list can be filtered and sorted by it, else `created_at`.

        Args:
            span: What to read.
            server_now: The server's clock, UNIX seconds.

        Raises:
            IncompleteScan: More rows share a second than the API reveals. All before that second were yielded.
            UnexpectedAnswer: Rows lie outside the bounds asked for, or come in no order.
        """
        # Of a range that begins somewhere the first page tells: everything else would come before it.
        honours = span.since > 0 or honours_updated(self._seek.fetch)
        now = int(server_now())
        updated = Bounds(UPDATED, span.since, now if span.until is None else min(span.until, now))
        if honours:
            self.mode = "updated"
            try:
                for page in self._seek.pages_ahead(updated, Bounds(CREATED, 0), changes=span.incremental):
                    yield Batch(page, max(map(itemgetter(CURSOR), page)))
                return
            except OrderIgnored as ignored:
                updated = Bounds(UPDATED, ignored.second, updated.until)
                honours = honours_updated(self._seek.fetch)
            except FilterIgnored:
                # The probe tells nothing while a list has no rows.
                honours = False
        self.mode = "created"
        created_since = 0 if honours else _created_since(span, now)
        begun = Halfway(updated.since, updated.until or now, created_since, created_since, None)
        if span.halfway and _continues(span.halfway, begun):
            self.as_of, begun = span.halfway.until, span.halfway
        yield from self._along_created(begun, now, filtered=honours, open_ended=not honours and span.until is None)

    def _along_created(self, begun: Halfway, now: int, *, filtered: bool, open_ended: bool) -> Iterator[Batch]:
        """Rows in the order of their creation; those updated before the range are read and left out.

        A row updated after the reading began does not count for the cursor, which would pass the updates meanwhile of
        rows that were already read; where the range is to reach up to now, the row is loaded all the same.
        """
        updated = Bounds(UPDATED, begun.since, begun.until)
        created = Bounds(CREATED, begun.position, now if open_ended else begun.until)
        newest = begun.newest
        try:
            for page in self._seek.pages_ahead(created, *((updated,) if filtered else ())):
                settled = [row for row in page if updated.holds(row)]
                newest = max([row[CURSOR].timestamp() for row in settled] + ([newest] if newest else []), default=None)
                fresh = Bounds(UPDATED, updated.since)
                rows = [row for row in page if fresh.holds(row)] if open_ended else settled
                yield Batch(rows, None, begun._replace(position=CREATED.second(page[-1]), newest=newest))
        except FilterIgnored as ignored:
            raise UnexpectedAnswer(
                f"Wootric answered with rows of {self._seek.table.name} outside the {ignored.axis.field} asked for."
            ) from None
        except OrderIgnored:
            raise UnexpectedAnswer(
                f"Wootric sorts {self._seek.table.name} neither by updated_at nor by created_at."
            ) from None
        yield Batch([], datetime.fromtimestamp(newest, timezone.utc) if newest else None)


def _continues(halfway: Halfway, wanted: Halfway) -> bool:
    """Whether going on from there brings all that is wanted."""
    return halfway.since == wanted.since and halfway.created_since <= wanted.created_since


def _shown(second: int) -> str:
    return f"{datetime.fromtimestamp(second, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"


def _created_since(span: Span, now: int) -> int:
    """Where a reading along creation begins: never later than what was not read before."""
    if span.rescan_days is None or span.until is not None:
        return span.created_since
    return max(span.created_since, min(span.since, now - span.rescan_days * SECONDS_PER_DAY))
