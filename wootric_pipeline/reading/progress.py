"""How far a reading along `created_at` has come, and what it has found by then."""

from array import array
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timezone
from math import floor
from typing import NamedTuple

from ..tables import CURSOR, PRIMARY_KEY
from .appeared import Appeared, Compared
from .history import Cuts, History, Interval, Reading
from .listing import CREATED, PAGE_ROWS, UPDATED, Bounds, Page, Row
from .span import Span
from .walk import Piece

ROWS_UNNOTED_MAX = 2 * PAGE_ROWS


class WholeList(NamedTuple):
    """What a list that was loaded before has shown when all of it was read again.

    Attributes:
        ids: Of its rows, in 8 bytes each; some may stand there twice.
        since: From which second of `created_at` on it was read, UNIX seconds; None is the beginning.
        began: When, by the earlier of two clocks, UNIX seconds: of rows created later it may lack some.
    """

    ids: "array[int]"
    since: int | None
    began: int


class Progress:
    """One reading along creation, through all ranges of the list whose time has come.

    Args:
        span: What is wanted.
        began: When it began, by the earlier of two clocks, UNIX seconds.
        now: And by the later one: a clock that stands still must not let rows grow stale.
        filtered: Whether the list can be asked for what was updated since a moment; then that is all there is to read.

    Attributes:
        ranges: What to read, the newest first, each with the second of `updated_at` from which on it has changed.
        listed: What was seen by now, where that is all of a list that was loaded before; None where it is not.
    """

    def __init__(self, span: Span, began: int, now: int, *, filtered: bool) -> None:
        self.began = began
        self._span = span
        self._filtered = filtered
        self._until = began if span.until is None else min(span.until, began)
        history = span.history or History((Interval(None if filtered else span.created_since, _before(span)),))
        if not filtered:
            history = history.reaching(span.created_since)
        # What a range in the past brings is told by that alone.
        self._updated = Bounds(UPDATED, None if span.history else span.since, span.until)
        self._newest = None if span.known_until is None else float(span.known_until)
        if span.history is not None:
            self._newest = max(filter(None, (self._newest, span.history.newest_known)), default=None)
        self._known = None if span.history is None else span.history.changes_known
        self._has_newest_changes = span.history is None
        self._loaded: dict[int, datetime] = {}
        self._cuts: dict[Bounds, Cuts] = {}
        self._reached: dict[Bounds, int | None] = {}
        self._unsettled: list[tuple[Row, bool]] = []
        self._oldest: int | None = None
        self._history, self._appeared = history, Appeared(history)
        if span.until is not None:
            # What was updated before the end was created before it.
            self.ranges = [(Bounds(CREATED, None, span.until), span.since)]
        elif filtered:
            self.ranges = [(each, self._since(of)) for each, of in history.groups()]
        else:
            self.ranges = [(each, None) for each in history.due(span.pace, now)]
        self.listed = self._all_again()

    def _all_again(self) -> WholeList | None:
        """Nothing yet, where all that was loaded before is to be read again; None where some of it is not."""
        whole = Bounds(CREATED, self._history.intervals[0].since)
        # Of a list that is filtered, each range is about what was updated since.
        if self._span.known_until is None or self.ranges != [(whole, None)]:
            return None
        return WholeList(array("q"), whole.since, self.began)

    def _since(self, reading: Reading | None) -> int | None:
        if reading is None or reading.newest is None:
            return self._span.since
        return floor(reading.newest - self._span.lookback_seconds)

    def changed(self, page: Page) -> Page:
        """Those of the rows that changed last that are newer than all that is known; they do not come again."""
        rows = [row for row in self.newer(page) if not self._has(row)]
        self._loaded |= {row[PRIMARY_KEY]: row[CURSOR] for row in reversed(rows)}
        self._note_newest(rows)
        return rows

    def note_changes_read(self) -> None:
        """Notes that all of them were read, as far as a query reaches."""
        self._has_newest_changes = True

    def is_of_changes(self, page: Page) -> bool:
        """Whether a page is of the newest changes, and not of the newest rows, which each reading brings anyway."""
        if UPDATED.out_of_order(page[::-1]) is not None:
            return False
        is_by_creation = CREATED.out_of_order(page[::-1]) is None
        return not is_by_creation or any(CREATED.second(row) < floor(self._known or 0) for row in page)

    def newer(self, page: Page) -> Page:
        """Those of the rows that are newer than all that was known, or that the look back brings again."""
        if self._known is None:
            return []
        since = floor(self._known - self._span.lookback_seconds)
        return [row for row in page if row[CURSOR].timestamp() >= since]

    def _has(self, row: Row) -> bool:
        """Whether it is among those, as it is or newer: a page may have been answered before."""
        loaded = self._loaded.get(row[PRIMARY_KEY])
        return loaded is not None and row[CURSOR] <= loaded

    def _note_newest(self, rows: Page) -> None:
        known = [] if self._newest is None else [self._newest]
        times = (row[CURSOR].timestamp() for row in rows)
        self._newest = max([*known, *(time for time in times if time < self._until)], default=None)

    def take(self, bounds: Bounds, piece: Piece, *, is_whole: bool) -> Page:
        """Those of the rows of a range that are new or have changed.

        Args:
            bounds: The range.
            piece: Of it.
            is_whole: Whether no row before is known to be missing.
        """
        if self.listed is not None:
            self.listed.ids.extend(row[PRIMARY_KEY] for row in piece.rows)
        rows = [row for row in piece.rows if self._updated.holds(row) and self.is_changed(row)]
        loaded = {row[PRIMARY_KEY] for row in rows}
        rows = [row for row in rows if not self._has(row)] if self._loaded else rows
        self._note_newest(rows)
        seconds = [*map(UPDATED.second, piece.rows), *([] if self._oldest is None else [self._oldest])]
        self._oldest = min(seconds, default=None)
        return [*rows, *self._note(bounds, piece, loaded)] if is_whole else rows

    def is_changed(self, row: Row) -> bool:
        """Whether a row may be newer than when its part of the list was read before this reading."""
        return self._history.is_changed(row, self._span.lookback_seconds)

    def shows_known(self) -> bool:
        """Whether a row came that was known, or none was: else nothing shows that all came that is newer."""
        known_until = self._span.known_until
        return known_until is None or (self._oldest is not None and self._oldest <= known_until)

    def _note(self, bounds: Bounds, piece: Piece, loaded: Collection[int]) -> Page:
        """Notes what was read, and answers rows that have appeared in it."""
        self._unsettled.extend((row, row[PRIMARY_KEY] in loaded) for row in piece.rows)
        if not piece.is_settled:
            return []
        within = [each for each in self._unsettled if bounds.holds(each[0])]
        self._unsettled.clear()
        compared = Compared([row for row, _ in within], []) if self._filtered else self._appeared.take(within)
        self._count(bounds, compared.rows)
        if compared.rows:
            since = self._appeared.since
            reached = CREATED.second(compared.rows[-1]) if since is None else since
            self._reached[bounds] = reached if piece.reached is None else min(reached, piece.reached)
        return compared.to_load

    def _count(self, bounds: Bounds, rows: Page) -> None:
        reading = Reading(self.began)
        self._cuts.setdefault(bounds, Cuts(bounds.since, reading, self._history.rows_max)).take(rows)

    def end(self, bounds: Bounds) -> Page:
        """Notes that a range was read to its end; rows that have appeared in it."""
        compared = self._appeared.end()
        self._count(bounds, compared.rows)
        self._reached[bounds] = bounds.until
        return compared.to_load

    def hold(self, postponed: datetime) -> None:
        """Takes nothing for known from a moment on: what was updated then was left out."""
        if self._newest is not None:
            self._newest = min(self._newest, postponed.timestamp())

    def give_up(self) -> None:
        """Forgets what was read of a range and never settled."""
        self._unsettled.clear()
        self._appeared.forget()

    @property
    def cursor(self) -> datetime | None:
        """The newest time of rows that count; None if there is none."""
        return None if self._newest is None else datetime.fromtimestamp(self._newest, timezone.utc)

    @property
    def history(self) -> History:
        """When which part of the list was read, by now."""
        history = self._history
        reading = Reading(self.began, self._newest)
        for bounds, reached in self._reached.items():
            # Only of what was read to its end there is no second that was reached.
            if reached is None or reached != bounds.since:
                read = self._cuts[bounds].intervals(reading)
                # Of a list that is filtered, only what has changed was seen.
                read = [each._replace(ids=None) for each in read] if self._filtered else read
                history = history.with_read(bounds.since, reached, read)
        return replace(history, changes=self._newest if self._has_newest_changes else self._known)

    def kept(self, before: History | None, *, has_rows: bool, has_ended: bool) -> History | None:
        """What to keep for the next run, to be committed with the rows; None where the cursor says it all.

        Args:
            before: What is kept.
            has_rows: Whether any rows were loaded.
            has_ended: Whether all that was to be read has been.
        """
        if self._span.until is not None:
            return before
        if self._filtered and has_ended:
            return None
        if self._filtered and not self.shows_known():
            # That the filter has left out what is newer is not excluded yet.
            return before
        if before is not None and has_ended and not has_rows and self._is_read_again_anyway():
            # Nothing has changed, so nothing is written: what was read is due again, and little.
            return before
        return self.history

    def _is_read_again_anyway(self) -> bool:
        rows = sum(self._history.rows_in(bounds) for bounds, _ in self.ranges)
        return not self._span.pace.share or rows <= ROWS_UNNOTED_MAX


def kept_without(before: History | None, *, has_ended: bool, rows_answered: int) -> History | None:
    """What to keep of it where the list was not read along creation: nothing, where its changes could be asked for.

    That an answer is empty does not show that they could.
    """
    return None if has_ended and rows_answered else before


def _before(span: Span) -> Reading | None:
    """What the cursor alone tells of earlier readings."""
    return None if span.known_until is None else Reading(0, float(span.known_until))
