"""A time range of one list -> pages of rows, complete and cheap. No sockets, no clock: it is given `fetch`.

The API answers at most 50 rows a page and 30 pages a query, shows times without the fractions of a second it stores,
and lets rows move while a client pages. So a range is read by seeking: each request begins at the second of the last
row read, in ascending order, and rows of that second that come twice are dropped. A row that is updated meanwhile
leaves the range at its end and cannot push another out of sight. Bounds are whole seconds, `gte` and `lt` only.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from .errors import IncompleteScan, UnexpectedAnswer
from .tables import CURSOR, PRIMARY_KEY, Table

PAGE_ROWS = 50
PAGES_MAX = 30
CELL_PASSES_MAX = 8
SECONDS_PER_DAY = 86_400
PER_PAGE_DEFAULT = 25
ROUGHLY = 0.2
REREAD_ROWS_MAX = 5
FAR_FUTURE = 4_102_444_800
"""2100-01-01, UNIX seconds: nothing is updated after it, so a filter on it that is honoured answers nothing."""

Row = dict[str, Any]
Page = list[Row]
Params = Mapping[str, str | int]
Fetch = Callable[[Params], Page]
"""Asks the list for one page by its query; rows come with their times as datetimes."""


@dataclass(frozen=True)
class Axis:
    """One of the two times a list can be filtered and sorted by."""

    filter: str
    field: str

    def second(self, row: Row) -> int:
        """The second a row lies in, UNIX time."""
        moment: datetime = row[self.field]
        return int(moment.timestamp())


UPDATED = Axis("updated", "updated_at")
CREATED = Axis("created", "created_at")


@dataclass(frozen=True)
class Bounds:
    """A closed-open range on an axis in UNIX seconds; `until` None leaves it open."""

    axis: Axis
    since: int
    until: int | None = None

    def params(self) -> dict[str, int]:
        """The query that asks for it; nothing where it is all there is."""
        if not self.since and self.until is None:
            return {}
        params = {f"{self.axis.filter}[gte]": self.since}
        if self.until is not None:
            params[f"{self.axis.filter}[lt]"] = self.until
        return params

    def holds(self, row: Row) -> bool:
        """Whether a row lies in it, as far as the shown second tells."""
        second = self.axis.second(row)
        return self.since <= second and (self.until is None or second < self.until)


class OrderIgnored(Exception):
    """The list is not sorted by the key it was asked to sort by; everything before `second` has been read."""

    def __init__(self, second: int) -> None:
        super().__init__(second)
        self.second = second


class FilterIgnored(Exception):
    """The list answers with rows outside the bounds it was asked for."""

    def __init__(self, axis: Axis) -> None:
        super().__init__(axis)
        self.axis = axis


def honours_updated(fetch: Fetch) -> bool:
    """One request that tells whether a list knows the `updated` filter: one that does not ignores it silently."""
    return not fetch({**Bounds(UPDATED, FAR_FUTURE).params(), "per_page": 1})


class Batch(NamedTuple):
    """Rows, and how far the cursor may move once they are committed; None leaves it where it is."""

    rows: Page
    cursor: datetime | None


@dataclass(frozen=True)
class Span:
    """What is wanted of a table, in UNIX seconds, closed-open on `updated_at`.

    Attributes:
        since: Where to begin.
        until: Where to end; None is the start of the reading, by the server's clock.
        created_since: Where to begin on `created_at`, should the list have to be read along that.
        rescan_days: How many days of `created_at` to read then at most; None is all since `created_since`.
    """

    since: int
    until: int | None = None
    created_since: int = 0
    rescan_days: int | None = None


class Scan:
    """Reads one table.

    Args:
        table: For its default order and, in errors, its name.
        fetch: Asks for one page.

    Attributes:
        mode: The time the table is read along, once that is known.
    """

    def __init__(self, table: Table, fetch: Fetch) -> None:
        self.mode: Literal["updated", "created"] | None = None
        self._table = table
        self._fetch = fetch

    def read(self, span: Span, server_now: Callable[[], float]) -> Iterator[Batch]:
        """All rows of a span, along `updated_at` where the list can be filtered and sorted by it, else `created_at`.

        Args:
            span: What to read.
            server_now: The server's clock, UNIX seconds; asked after the first request.

        Raises:
            IncompleteScan: More rows share a second than the API reveals. All before that second were yielded.
            UnexpectedAnswer: Rows lie outside the bounds asked for, or come in no order.
        """
        honours = honours_updated(self._fetch)
        now = int(server_now())
        updated = Bounds(UPDATED, span.since, now if span.until is None else min(span.until, now))
        if honours:
            self.mode = "updated"
            try:
                for page in self.pages(updated, Bounds(CREATED, 0)):
                    yield Batch(page, max(row[CURSOR] for row in page))
                return
            except OrderIgnored as ignored:
                updated = Bounds(UPDATED, ignored.second, updated.until)
            except FilterIgnored:
                # The probe tells nothing while a list has no rows.
                honours = False
        self.mode = "created"
        if honours:
            yield from self._along_created(Bounds(CREATED, 0, updated.until), updated, (updated,), open_ended=False)
        else:
            created = Bounds(CREATED, _created_since(span, now), updated.until)
            yield from self._along_created(created, updated, (), open_ended=span.until is None)

    def _along_created(
        self, created: Bounds, updated: Bounds, others: tuple[Bounds, ...], *, open_ended: bool
    ) -> Iterator[Batch]:
        """Rows in the order of their creation; those updated before the range are read and left out.

        A row updated after the reading began does not count for the cursor, which would pass the updates meanwhile of
        rows that were already read; where the range is to reach up to now, the row is loaded all the same.
        """
        newest: datetime | None = None
        try:
            for page in self.pages(created, *others):
                settled = [row for row in page if updated.holds(row)]
                newest = max([row[CURSOR] for row in settled] + ([newest] if newest else []), default=None)
                fresh = Bounds(UPDATED, updated.since)
                yield Batch([row for row in page if fresh.holds(row)] if open_ended else settled, None)
        except FilterIgnored as ignored:
            raise UnexpectedAnswer(
                f"Wootric answered with rows of {self._table.name} outside the {ignored.axis.field} asked for."
            ) from None
        except OrderIgnored:
            raise UnexpectedAnswer(
                f"Wootric sorts {self._table.name} neither by updated_at nor by created_at."
            ) from None
        yield Batch([], newest)

    def pages(self, bounds: Bounds, *others: Bounds) -> Iterator[Page]:
        """All rows within the bounds, ascending along the first one's axis; rows of one second may come in any order.

        Args:
            bounds: What to read; its axis is the one seeked along.
            others: Bounds on other axes whose filter the list honours; ties are split along them.

        Raises:
            IncompleteScan: More rows share all seconds than the API reveals. All before that second were yielded.
            OrderIgnored: The list is not sorted as asked. All before the second it names were yielded.
            FilterIgnored: Rows lie outside the bounds asked for.
        """
        axis, position = bounds.axis, bounds.since
        seen: set[int] = set()
        while True:
            rest = Bounds(axis, position, bounds.until)
            page = self._page(rest, others)
            if len(page) < PAGE_ROWS:
                yield from _unseen(page, seen)
                self._check_page_size(page, rest, others)
                return
            hidden, sound = self._in_order_up_to(page, rest, others)
            page = hidden + page
            yield from _unseen(page, seen)
            last = axis.second(page[-1])
            if axis.second(page[0]) == sound == last:
                seen.update(row[PRIMARY_KEY] for row in page)
                for tied in self._second(Bounds(axis, last, last + 1), others):
                    yield from _unseen(tied, seen)
                position, seen = last + 1, set()
            else:
                position, seen = sound, {row[PRIMARY_KEY] for row in page if axis.second(row) >= sound}

    def _page(self, bounds: Bounds, others: tuple[Bounds, ...], number: int = 1, order: str = "asc") -> Page:
        params: dict[str, str | int] = {"per_page": PAGE_ROWS, "sort_key": bounds.axis.field, "sort_order": order}
        for each in (*others, bounds):
            params.update(each.params())
        if number > 1:
            params["page"] = number
        page = self._fetch(params)
        for each in (*others, bounds):
            if not all(map(each.holds, page)):
                raise FilterIgnored(each.axis)
        times = [row[bounds.axis.field] for row in page]
        if times != sorted(times, reverse=order == "desc"):
            raise OrderIgnored(bounds.since)
        return page

    def _check_page_size(self, page: Page, bounds: Bounds, others: tuple[Bounds, ...]) -> None:
        """A page as long as the API's own default may be full, should `per_page` have been ignored."""
        if len(page) == PER_PAGE_DEFAULT and self._page(bounds, others, 2):
            raise UnexpectedAnswer(f"Wootric answers {self._table.name} with fewer rows a page than asked for.")

    def _in_order_up_to(self, page: Page, bounds: Bounds, others: tuple[Bounds, ...]) -> tuple[Page, int]:
        """How far a full page is sure to hold all rows, and rows before that which it should have begun with.

        A list that ignores `sort_key` answers in another order, and a page can be in both at once: rows that lie
        earlier may then be missing from it. So what lies before its last second is asked for once more, unless
        there is a better way: fewer rows than a page are all there are.
        """
        axis, last = bounds.axis, bounds.axis.second(page[-1])
        if last == bounds.since or axis.field == self._table.default_sort_key or not self._may_be_in_other_order(page):
            return [], last
        if self._table.default_sort_key == CREATED.field and _ascends(page, CREATED):
            # What was created after the last row was updated after that, too: going on from there misses nothing.
            created = CREATED.second(page[-1])
            if created > bounds.since and sum(axis.second(row) >= created for row in page) <= REREAD_ROWS_MAX:
                return [], min(created, last)
        before = self._page(Bounds(axis, bounds.since, last), others)
        if len(before) == PAGE_ROWS:
            raise OrderIgnored(bounds.since)
        known = {row[PRIMARY_KEY] for row in page}
        return [row for row in before if row[PRIMARY_KEY] not in known], last

    def _may_be_in_other_order(self, page: Page) -> bool:
        if self._table.default_sort_key == "email":
            # How the service sorts texts is unknown: roughly in order counts.
            texts = [str(row.get("email") or "").lower() for row in page]
            falls = sum(one > other for one, other in pairwise(texts))
            if min(falls, len(page) - 1 - falls) <= len(page) * ROUGHLY:
                return True
        created, ids = [row[CREATED.field] for row in page], [row[PRIMARY_KEY] for row in page]
        return any(values in (sorted(values), sorted(values, reverse=True)) for values in (created, ids))

    def _second(self, second: Bounds, others: tuple[Bounds, ...]) -> Iterator[Page]:
        """All rows of one second, by seeking along another axis inside it, or else by pages."""
        for index, other in enumerate(others):
            if other.until is None or other.until - other.since > 1:
                remaining = (*others[:index], *others[index + 1 :])
                try:
                    yield from self.pages(other, second, *remaining)
                    return
                except OrderIgnored:
                    break
        yield from self._cell(second, others)

    def _cell(self, second: Bounds, others: tuple[Bounds, ...]) -> Iterator[Page]:
        """All rows of a second that no filter splits any further, read by pages from both ends.

        A row that leaves between two pages moves the ones behind it up, so that one is skipped: the cell is read
        until all rows of one pass are found again by the next, so that none can have left during the former.
        """
        found: set[int] = set()
        before: set[int] = set()
        for attempt in range(CELL_PASSES_MAX):
            rows, whole = self._pass(second, others)
            yield from _unseen(rows, found)
            ids = {row[PRIMARY_KEY] for row in rows}
            found |= ids
            if attempt and whole and before <= ids:
                return
            if attempt > 1 and not whole:
                break
            before = ids
        raise IncompleteScan(
            f"{self._table.name} has {len(found)} rows or more in the second {second.since} (UNIX time of "
            f"{second.axis.field}), more than the API reveals; nothing after that second was read."
        )

    def _pass(self, second: Bounds, others: tuple[Bounds, ...]) -> tuple[Page, bool]:
        """What one reading of a cell finds, and whether it is whole: both ends meet, and no row came twice.

        A server that orders ties anew for each page shows some rows twice, and others not at all.
        """
        ascending, end = self._direction(second, others, "asc", None)
        ids = [row[PRIMARY_KEY] for row in ascending]
        if end is not None:
            return ascending, len(set(ids)) == len(ids)
        descending, met = self._direction(second, others, "desc", set(ids))
        distinct = {row[PRIMARY_KEY]: row for row in (*ascending, *descending)}
        return list(distinct.values()), met == ids[-1] and len(set(ids)) == len(ids)

    def _direction(
        self, second: Bounds, others: tuple[Bounds, ...], order: str, known: set[int] | None
    ) -> tuple[Page, int | None]:
        """Pages of a cell up to the last, or to the first row known; that row's id, or 0 at the last page."""
        rows: Page = []
        for number in range(1, PAGES_MAX + 1):
            page = self._page(second, others, number, order)
            rows += page
            met = next((row[PRIMARY_KEY] for row in page if known and row[PRIMARY_KEY] in known), None)
            if met is not None:
                return rows, met
            if len(page) < PAGE_ROWS:
                return rows, 0
        return rows, None


def _created_since(span: Span, now: int) -> int:
    """Where a reading along creation begins: never later than what was not read before."""
    if span.rescan_days is None or span.until is not None:
        return span.created_since
    return max(span.created_since, min(span.since, now - span.rescan_days * SECONDS_PER_DAY))


def _ascends(page: Page, axis: Axis) -> bool:
    return all(one[axis.field] <= other[axis.field] for one, other in pairwise(page))


def _unseen(page: Page, seen: set[int]) -> Iterator[Page]:
    """The page without rows seen before, unless nothing remains of it."""
    if fresh := [row for row in page if row[PRIMARY_KEY] not in seen]:
        yield fresh
