"""A table -> batches of rows, and how far its cursor may move with each.

A list that can be filtered and sorted by `updated_at` is read along that, and the cursor moves with every page. Any
other is read along `created_at`, and the cursor moves at the end.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from typing import Literal, NamedTuple

from ..errors import IncompleteScan, RequestRefused, UnexpectedAnswer, WootricError
from ..tables import CURSOR
from .listing import CREATED, FILTER_SLACK_SECONDS, UPDATED, Bounds, FilterIgnored, Listing, OrderIgnored, Page
from .newest import NewestChanges
from .order import OrderProof
from .parts import PAGES_BEFORE_PARTS, PAGES_BEFORE_PARTS_OF_CHANGES, Parting
from .pool import Pool
from .progress import Progress
from .span import Span, moment
from .walk import Piece, Walk

CLOCKS_APART_SECONDS_MAX = 60
NO_ROWS: Page = []


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


class Batch(NamedTuple):
    """Rows, and what may be noted once they are committed.

    Attributes:
        rows: What was read.
        cursor: How far the cursor may move; None leaves it where it is.
        progress: Of a reading along `created_at`; None leaves what is known as it is.
    """

    rows: Page
    cursor: datetime | None
    progress: Progress | None = None


class Scan:
    """Reads one table.

    Args:
        listing: Its list.
        pool: Reads ahead.
        clocks: When the reading began; asked when something has been answered.
        may_split: Whether to read parts of the list at once, by now.

    Attributes:
        mode: The time the table is read along, once that is known.
        changes_first: Whether a list that cannot be asked for changes was seen to be sorted by them.
        filtered_by: The time by which rows were chosen, once that is known: a list in the order of their creation may
            still be filtered by `updated_at`.
    """

    def __init__(
        self, listing: Listing, pool: Pool, clocks: Callable[[], Clocks], may_split: Callable[[], bool] = lambda: False
    ) -> None:
        self.mode: Literal["updated", "created"] | None = None
        self.filtered_by: Literal["updated", "created"] | None = None
        self.changes_first = False
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
        if span.history is not None and (newest := self._listing.newest_changes()) is not None:
            yield from self._along_created(span, filtered=False, newest=newest)
            return
        try:
            yield from self._along_updated(span)
        except (OrderIgnored, FilterIgnored):
            # A service that refuses the order may honour the filter all the same.
            filtered = self._listing.honours(UPDATED)
            # Where the filter is ignored, the answer that told otherwise was empty by mistake.
            newest = None if filtered or span.history is None else self._listing.newest_changes()
            yield from self._along_created(span, filtered=filtered, newest=newest or NO_ROWS)

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
                unsettled += [piece.rows] if piece.rows else []
                if piece.is_settled or walk.incomplete:
                    yield from self._settled(unsettled, None if walk.incomplete else piece.reached)
                    unsettled.clear()
        except (WootricError, OrderIgnored, FilterIgnored):
            yield from self._settled(unsettled, None)
            raise
        self._check_complete(walk.incomplete, UPDATED.field)

    def _settled(self, pages: list[Page], reached: int | None) -> list[Batch]:
        """Batches of pages that can be handed on, each with a cursor that passes no row of those behind it.

        It is never later than now, either: what a row dated in the future hides is yet to come.

        Args:
            pages: In the order in which they came; rows that one has left out come with another.
            reached: Up to which second nothing is missing; None moves no cursor.
        """
        if reached is None:
            return [Batch(rows, None) for rows in pages]
        batches, latest = [], datetime.fromtimestamp(min(reached, int(min(self._clocks()))), timezone.utc)
        for rows in reversed(pages):
            times = [row[CURSOR] for row in rows]
            batches.append(Batch(rows, min(latest, max(times))))
            latest = min(latest, min(times))
        return batches[::-1]

    def _along_created(self, span: Span, *, filtered: bool, newest: Page = NO_ROWS) -> Iterator[Batch | None]:
        """Rows in the order of their creation: of the parts of the list whose time has come, those that have changed.

        A row updated after the reading began does not count for the cursor, which would pass the updates meanwhile of
        rows that were already read.
        """
        self.filtered_by = "updated" if filtered else "created"
        progress = Progress(span, int(min(self._clocks())), int(max(self._clocks())), filtered=filtered)
        yield from self._newest_first(newest, progress)
        seconds: list[int] = []
        failed: IncompleteScan | None = None
        proof = OrderProof(self._listing.table, CREATED)
        for bounds, since in progress.ranges:
            within = (self._changed(span, since),) if filtered else ()
            is_last = bounds.until == span.until
            asked = bounds
            if span.history is not None and bounds.since is not None:
                # Rows of the second before must come, or a filter that leaves its bound out would hide the first ones.
                asked = replace(bounds, since=bounds.since - 1)
            # Of what has changed since, there may well be nothing.
            doubts = not (span.known_empty or (filtered and span.known_until is not None))
            walk = self._walk(asked, within, proof, is_last=is_last, doubts=doubts)
            try:
                yield from self._part(walk, bounds, progress)
            except IncompleteScan as incomplete:
                # The other parts can be read all the same.
                failed = incomplete
            seconds += walk.incomplete
        if failed is not None:
            raise failed
        self._check_complete(seconds, CREATED.field)
        if filtered and not progress.shows_known():
            yield from self._along_created(span, filtered=False)
            return
        yield Batch([], progress.cursor, progress)

    def _newest_first(self, page: Page, progress: Progress) -> Iterator[Batch]:
        """The newest changes of a list that can be sorted by them, and not be asked for them."""
        changes = NewestChanges(self._listing, progress)
        for rows in changes.pages(page):
            self.changes_first = changes.is_sorted
            if rows:
                self.mode = "created"
                yield Batch(rows, None)

    def _part(self, walk: Walk, bounds: Bounds, progress: Progress) -> Iterator[Batch | None]:
        """One part of the list; it is noted as read up to where no row is missing."""
        try:
            with self._explained(walk):
                for piece in self._pieces(walk, PAGES_BEFORE_PARTS):
                    if piece is None:
                        yield None
                        continue
                    self.mode = "created"
                    yield Batch(progress.take(bounds, piece, is_whole=not walk.incomplete), None, progress)
            if not walk.incomplete:
                yield Batch(progress.end(bounds), None, progress)
        finally:
            progress.give_up()

    def _walk(
        self, bounds: Bounds, within: tuple[Bounds, ...], proof: OrderProof, *, is_last: bool, doubts: bool
    ) -> Walk:
        """Through a part of the list along creation; one in the midst of it begins and ends with rows of its own."""
        return Walk(
            self._listing,
            bounds,
            *within,
            proof=proof,
            is_anchored=True,
            known_until=None if within or is_last else bounds.since,
            first=self._listing.unfiltered if bounds.since is None else (),
            doubts_emptiness=doubts and is_last,
            started=self._started,
            is_last=is_last,
        )

    @contextmanager
    def _explained(self, walk: Walk) -> Iterator[None]:
        """Tells what kept a reading along creation from its end, and up to where it came."""
        try:
            yield
        except FilterIgnored as ignored:
            raise UnexpectedAnswer(
                f"Wootric answered with rows of {self._listing.table.name} outside the {ignored.axis.field} asked for; "
                f"nothing created after {moment(walk.position)} was read."
            ) from None
        except RequestRefused as refused:
            raise UnexpectedAnswer(
                f"{refused} It takes no query that reads {self._listing.table.name} behind {moment(walk.position)} "
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
        return self._pool.read(walk, Parting(pages_before_parts, self._may_split))

    def _started(self) -> float:
        return max(self._clocks())

    def _check_complete(self, incomplete: Sequence[int], field: str) -> None:
        if incomplete:
            seconds = ", ".join(map(str, sorted(set(incomplete))))
            raise IncompleteScan(
                f"{self._listing.table.name} has more rows than the API reveals in the second {seconds} (UNIX time of "
                f"{field}); all others were read."
            )
