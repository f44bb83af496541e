"""A table -> batches of rows, and how far its cursor may move with each.

A list that can be filtered and sorted by `updated_at` is read along that, and the cursor moves with every page. Any
other is read along `created_at`, and the cursor moves at the end.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from operator import itemgetter
from typing import Literal, NamedTuple

from ..errors import IncompleteScan, RequestRefused, UnexpectedAnswer, WootricError
from ..tables import CURSOR
from .listing import CREATED, FILTER_SLACK_SECONDS, UPDATED, Bounds, FilterIgnored, Listing, OrderIgnored, Page
from .parts import PAGES_BEFORE_PARTS, PAGES_BEFORE_PARTS_OF_CHANGES, Parting
from .pool import Pool
from .walk import Piece, Walk

SECONDS_PER_DAY = 86_400
CLOCKS_APART_SECONDS_MAX = 60


class Clocks(NamedTuple):
    """When a reading began, by the server's clock and by the local one, UNIX seconds: either may be wrong."""

    server: float
    local: float

    def warning(self) -> str | None:
        """What to say where the two are far apart."""
        ahead = self.server - self.local
        if abs(ahead) <= CLOCKS_APART_SECONDS_MAX:
            return None
        return (
            f"Wootric's clock is {abs(ahead):,.0f} seconds {'ahead of' if ahead > 0 else 'behind'} this machine's; one "
            "of them is wrong, and rows that the earlier one puts into the future are loaded again by the next runs."
        )


class Halfway(NamedTuple):
    """How far a reading along `created_at` has come: another may go on from there as if it were the same.

    Attributes:
        since, until: What was wanted of `updated_at`, UNIX seconds; the reading began at `until`.
        created_since: Where it began on `created_at`, UNIX seconds; None is the beginning.
        position: The second of `created_at` reached; all rows created before it were read. None before there is one.
        newest: The newest `updated_at` read, UNIX seconds; None before there is one.
    """

    since: int | None
    until: int
    created_since: int | None
    position: int | None
    newest: float | None

    def behind(self, read: Page, taken: Page) -> "Halfway":
        """Behind a page that was read, and the rows that were taken of it."""
        times = [row[CURSOR].timestamp() for row in taken]
        newest = max((time for time in times if time < self.until), default=self.newest)
        newest = newest if self.newest is None or newest is None else max(newest, self.newest)
        return self._replace(position=CREATED.second(read[-1]) if read else self.position, newest=newest)


class Batch(NamedTuple):
    """Rows, and how far the cursor may move once they are committed; None leaves it where it is."""

    rows: Page
    cursor: datetime | None
    halfway: Halfway | None = None


@dataclass(frozen=True)
class Span:
    """What is wanted of a table, in UNIX seconds, closed-open on `updated_at`.

    Attributes:
        since: Where to begin; None is the beginning.
        until: Where to end; None is whatever there is.
        created_since: Where to begin on `created_at`, should the list have to be read along that.
        rescan_days: How many days of `created_at` to read then at most; None is all since `created_since`.
        halfway: Where an earlier reading along that was broken off.
        known_until: Up to where all was loaded before, closed; None if nothing was.
        known_empty: Whether an earlier reading found no rows.
    """

    since: int | None = None
    until: int | None = None
    created_since: int | None = None
    rescan_days: int | None = None
    halfway: Halfway | None = None
    known_until: int | None = None
    known_empty: bool = False

    def __str__(self) -> str:
        """As the log tells it."""
        since = "all there is" if self.since is None else f"what has changed since {_moment(self.since)}"
        until = f" and before {_moment(self.until)}" if self.until is not None else ""
        position = self.halfway.position if self.halfway else None
        going_on = "" if position is None else f", from rows created at {_moment(position)} on if it may"
        return f"{since}{until}{going_on}"


class Scan:
    """Reads one table.

    Args:
        listing: Its list.
        pool: Reads ahead.
        clocks: When the reading began; asked when something has been answered.
        may_split: Whether to read parts of the list at once, by now.

    Attributes:
        mode: The time the table is read along, once that is known.
        filtered_by: The time by which rows were chosen, once that is known: a list in the order of their creation may
            still be filtered by `updated_at`.
        as_of: When the reading began that this one goes on with, UNIX seconds; None where it is one of its own.
    """

    def __init__(
        self, listing: Listing, pool: Pool, clocks: Callable[[], Clocks], may_split: Callable[[], bool] = lambda: False
    ) -> None:
        self.mode: Literal["updated", "created"] | None = None
        self.filtered_by: Literal["updated", "created"] | None = None
        self.as_of: int | None = None
        self._listing = listing
        self._pool = pool
        self._clocks = clocks
        self._may_split = may_split

    def read(self, span: Span) -> Iterator[Batch | None]:
        """All rows of a span, along `updated_at` where the list can be filtered and sorted by it, else `created_at`.

        Args:
            span: What to read.

        Yields:
            Batches, and None where the next is not there yet.

        Raises:
            IncompleteScan: Rows of a second are not revealed; all others were yielded. Or rows that must come again do
                not.
            UnexpectedAnswer: Rows lie outside the bounds asked for, or come in no order.
        """
        try:
            yield from self._along_updated(span)
        except (OrderIgnored, FilterIgnored) as ignored:
            filtered = isinstance(ignored, OrderIgnored) and self._listing.honours(UPDATED)
            yield from self._along_created(span, filtered=filtered)

    def _along_updated(self, span: Span) -> Iterator[Batch | None]:
        bounds, self.filtered_by = Bounds(UPDATED, span.since, span.until), "updated"
        walk = Walk(
            self._listing,
            bounds,
            Bounds(CREATED),
            is_anchored=True,
            known_until=span.known_until,
            doubts_emptiness=not span.known_empty,
            started=self._started,
        )
        before = PAGES_BEFORE_PARTS if span.known_until is None else PAGES_BEFORE_PARTS_OF_CHANGES
        unsettled: list[Page] = []
        try:
            for piece in self._pieces(walk, before):
                if piece is None:
                    yield None
                    continue
                self.mode = "updated"
                unsettled.append(piece.rows)
                if piece.is_settled or walk.incomplete:
                    yield from self._settled(unsettled, is_complete=not walk.incomplete)
                    unsettled.clear()
        except (WootricError, OrderIgnored, FilterIgnored):
            yield from self._settled(unsettled, is_complete=False)
            raise
        self._check_complete(walk, UPDATED.field)

    def _settled(self, pages: list[Page], *, is_complete: bool) -> Iterator[Batch]:
        """Batches of pages that can be handed on; the cursor moves along if nothing is missing before them."""
        return (self._up_to_its_newest(rows) if is_complete else Batch(rows, None) for rows in pages if rows)

    def _up_to_its_newest(self, rows: Page) -> Batch:
        """The rows, with a cursor that is never later than now: what one dated in the future hides is yet to come."""
        latest = datetime.fromtimestamp(int(min(self._clocks())), timezone.utc)
        return Batch(rows, min(max(map(itemgetter(CURSOR), rows)), latest))

    def _along_created(self, span: Span, *, filtered: bool) -> Iterator[Batch | None]:
        """Rows in the order of their creation; those updated before the range are read and left out.

        A row updated after the reading began does not count for the cursor, which would pass the updates meanwhile of
        rows that were already read.
        """
        self.filtered_by = "updated" if filtered else "created"
        begun = self._begun(span, filtered=filtered)
        updated, halfway = Bounds(UPDATED, begun.since, span.until), begun
        # What was updated before the end was created before it.
        created = Bounds(CREATED, begun.position, span.until)
        within = (self._changed(span, begun.since),) if filtered else ()
        walk = Walk(
            self._listing,
            created,
            *within,
            is_anchored=True,
            first=self._listing.unfiltered,
            doubts_emptiness=not (filtered or span.known_empty),
            started=self._started,
        )
        reached, oldest = halfway, None
        with self._explained(walk):
            for piece in self._pieces(walk, PAGES_BEFORE_PARTS):
                if piece is None:
                    yield None
                    continue
                self.mode = "created"
                oldest = min([*map(UPDATED.second, piece.rows), *([] if oldest is None else [oldest])], default=None)
                rows = list(filter(updated.holds, piece.rows))
                reached = reached.behind(piece.rows, rows)
                halfway = reached if piece.is_settled and not walk.incomplete else halfway
                yield Batch(rows, None, halfway)
        self._check_complete(walk, CREATED.field)
        if filtered and span.known_until is not None and (oldest is None or oldest > span.known_until):
            # No row that was known came again, so nothing shows that the filter brings all that is newer.
            yield from self._along_created(span, filtered=False)
            return
        newest = reached.newest
        yield Batch([], datetime.fromtimestamp(newest, timezone.utc) if newest is not None else None)

    @contextmanager
    def _explained(self, walk: Walk) -> Iterator[None]:
        """Tells what kept a reading along creation from its end, and up to where it came."""
        try:
            yield
        except FilterIgnored as ignored:
            raise UnexpectedAnswer(
                f"Wootric answered with rows of {self._listing.table.name} outside the {ignored.axis.field} asked for; "
                f"nothing created after {_moment(walk.position)} was read."
            ) from None
        except RequestRefused as refused:
            raise UnexpectedAnswer(
                f"{refused} It takes no query that reads {self._listing.table.name} behind {_moment(walk.position)} "
                "(created_at); not all rows were read."
            ) from None
        except OrderIgnored as ignored:
            second = walk.position if ignored.second is None else ignored.second
            raise UnexpectedAnswer(
                f"Wootric sorts {self._listing.table.name} neither by updated_at nor by created_at, as a row of the "
                f"second {second} (UNIX time of created_at) shows; not all rows were read."
            ) from None

    def _changed(self, span: Span, since: int | None) -> Bounds:
        """What to filter by that all rows wanted pass: a filter may be coarse, or take other times than are shown."""
        if since is not None and span.known_until is None:
            since -= FILTER_SLACK_SECONDS
        return Bounds(UPDATED, since)

    def _pieces(self, walk: Walk, pages_before_parts: int) -> Iterator[Piece | None]:
        parting = Parting(self._started, pages_before_parts, self._may_split)
        return self._pool.read(walk, parting)

    def _started(self) -> float:
        return max(self._clocks())

    def _begun(self, span: Span, *, filtered: bool) -> Halfway:
        """Where a reading along creation begins: where an earlier one was broken off, if that serves."""
        began = int(min(self._clocks()))
        until = began if span.until is None else min(span.until, began)
        created_since = None if filtered else _created_since(span, began)
        begun = Halfway(span.since, until, created_since, created_since, None)
        if span.halfway is None or not _continues(span.halfway, begun):
            return begun
        self.as_of = span.halfway.until
        return span.halfway

    def _check_complete(self, walk: Walk, field: str) -> None:
        if walk.incomplete:
            seconds = ", ".join(map(str, sorted(set(walk.incomplete))))
            raise IncompleteScan(
                f"{self._listing.table.name} has more rows than the API reveals in the second {seconds} (UNIX time of "
                f"{field}); all others were read."
            )


def _moment(second: int) -> str:
    return f"{datetime.fromtimestamp(second, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"


def _continues(halfway: Halfway, wanted: Halfway) -> bool:
    """Whether going on from there brings all that is wanted."""
    begins_early_enough = halfway.created_since is None or (
        wanted.created_since is not None and halfway.created_since <= wanted.created_since
    )
    return halfway.since == wanted.since and begins_early_enough


def _created_since(span: Span, now: int) -> int | None:
    """Where a reading along creation begins: never later than what was not read before."""
    if span.rescan_days is None or span.until is not None:
        return span.created_since
    recent = now - span.rescan_days * SECONDS_PER_DAY
    begin = recent if span.since is None else min(span.since, recent)
    return begin if span.created_since is None else max(span.created_since, begin)
