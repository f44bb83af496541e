"""A time range of one list -> pages of rows, complete and cheap. No sockets, no clock: it is given `fetch`.

The API answers at most 50 rows a page and 30 pages a query, shows times without the fractions of a second it stores,
and lets rows move while a client pages. So a range is read by seeking: each request begins at the second of the last
row read, in ascending order, and rows of that second that come twice are dropped. A row that is updated meanwhile
leaves the range at its end and cannot push another out of sight. Bounds are whole seconds, `gte` and `lt` only.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from itertools import chain, pairwise
from math import ceil
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
PAGES_BEFORE_PARTS = 16
"""A list of fewer pages is not worth looking ahead in, which costs a request when the list ends before."""
PAGES_OF_A_PART_MIN = 8
SHARE_AHEAD = 0.6
"""Of what is left, as far as the pace so far tells: so far ahead there should be a page even if the pace slows."""
ROWS_TO_SPARE = 4
FAR_FUTURE = 4_102_444_800
"""2100-01-01, UNIX seconds: nothing is updated after it, so a filter on it that is honoured answers nothing."""

Row = dict[str, Any]
Page = list[Row]
Params = Mapping[str, str | int]
Fetch = Callable[[Params], Page]
"""Asks the list for one page by its query; rows come with their times as datetimes."""
InOrder = Callable[[Iterator[Iterator[Page]]], Iterator[Page]]
"""Makes one sequence of parts that may be read at the same time."""


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
    """

    since: int
    until: int | None = None
    created_since: int = 0
    rescan_days: int | None = None
    halfway: Halfway | None = None


class Scan:
    """Reads one table.

    Args:
        table: For its default order and, in errors, its name.
        fetch: Asks for one page.
        in_order: Reads the parts of a range; one after the other, unless told otherwise.
        splits: Whether to look ahead now, so that a range falls into parts.

    Attributes:
        mode: The time the table is read along, once that is known.
        as_of: When the reading began that this one goes on with, UNIX seconds; None where it is one of its own.
    """

    def __init__(
        self,
        table: Table,
        fetch: Fetch,
        *,
        in_order: InOrder = chain.from_iterable,
        splits: Callable[[], bool] = lambda: False,
    ) -> None:
        self.mode: Literal["updated", "created"] | None = None
        self.as_of: int | None = None
        self._table = table
        self._fetch = fetch
        self._in_order = in_order
        self._splits = splits

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
                for page in self._in_order(self.parts(updated, Bounds(CREATED, 0))):
                    yield Batch(page, max(row[CURSOR] for row in page))
                return
            except OrderIgnored as ignored:
                updated = Bounds(UPDATED, ignored.second, updated.until)
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
            for page in self._in_order(self.parts(created, *((updated,) if filtered else ()))):
                settled = [row for row in page if updated.holds(row)]
                newest = max([row[CURSOR].timestamp() for row in settled] + ([newest] if newest else []), default=None)
                fresh = Bounds(UPDATED, updated.since)
                rows = [row for row in page if fresh.holds(row)] if open_ended else settled
                yield Batch(rows, None, begun._replace(position=CREATED.second(page[-1]), newest=newest))
        except FilterIgnored as ignored:
            raise UnexpectedAnswer(
                f"Wootric answered with rows of {self._table.name} outside the {ignored.axis.field} asked for."
            ) from None
        except OrderIgnored:
            raise UnexpectedAnswer(
                f"Wootric sorts {self._table.name} neither by updated_at nor by created_at."
            ) from None
        yield Batch([], datetime.fromtimestamp(newest, timezone.utc) if newest else None)

    def parts(self, bounds: Bounds, *others: Bounds) -> Iterator[Iterator[Page]]:
        """The pages within the bounds, as `pages` has them, in consecutive parts that may be read at the same time.

        A page far ahead is asked for by its number. It tells where the next part begins, and costs next to nothing:
        between its first and its last second it is as good as a page that was seeked.
        """
        rest: Bounds | None = bounds
        while rest is not None:
            rest, seconds_a_page = yield from self._one_by_one(rest, others)
            while rest is not None:
                pages = _pages_ahead(rest, seconds_a_page)
                if pages < PAGES_OF_A_PART_MIN or not self._splits():
                    yield self.pages(rest, *others)
                    return
                ahead = self._ahead(rest, others, pages)
                if not ahead or rest.axis.second(ahead[0]) == rest.since:
                    break
                part, position = self._part(rest, others, ahead)
                yield part
                seconds_a_page = (position - rest.since) / pages
                rest = replace(rest, since=position)

    def _one_by_one(
        self, bounds: Bounds, others: tuple[Bounds, ...]
    ) -> Generator[Iterator[Page], None, tuple[Bounds | None, float]]:
        """The first pages; what is left, and how many seconds one takes."""
        rest, first = bounds, bounds.since
        for step in range(PAGES_BEFORE_PARTS):
            found, position = self._step(rest, others)
            yield found
            if position is None:
                return None, 0.0
            rest = replace(rest, since=position)
            # How far the first page lies behind the start of the range says nothing.
            first = position if step == 0 else first
        return rest, (rest.since - first) / (PAGES_BEFORE_PARTS - 1)

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
        position: int | None = bounds.since
        while position is not None:
            found, position = self._step(replace(bounds, since=position), others)
            yield from found

    def _step(self, rest: Bounds, others: tuple[Bounds, ...]) -> tuple[Iterator[Page], int | None]:
        """What one request makes sure of, and the second to go on from; None at the end.

        The rows of a full page's last second come with the next page; a second that fills a page is read by itself.
        """
        axis, page = rest.axis, self._page(rest, others)
        if len(page) < PAGE_ROWS:
            self._check_page_size(page, rest, others)
            return _unless_empty(page), None
        hidden, sound = self._in_order_up_to(page, rest, others)
        last = axis.second(page[-1])
        if axis.second(page[0]) == sound == last and not hidden:
            return self._second(Bounds(axis, last, last + 1), others), last + 1
        return _unless_empty(hidden + [row for row in page if axis.second(row) < sound]), sound

    def _ahead(self, rest: Bounds, others: tuple[Bounds, ...], number: int) -> Page:
        try:
            return self._page(rest, others, number, rows=_rows_of_page_ahead(number))
        except UnexpectedAnswer:
            # Whether a page behind the last is empty or an error is not documented.
            return []

    def _part(self, rest: Bounds, others: tuple[Bounds, ...], ahead: Page) -> tuple[Iterator[Page], int]:
        """What lies before a page that was asked for ahead, and what that makes sure of; the second to go on from."""
        axis = rest.axis
        first, last = axis.second(ahead[0]), axis.second(ahead[-1])
        if first == last or self._may_be_ignored(axis, ahead):
            # All it tells is a second to split at: any is right.
            return self.pages(replace(rest, until=first), *others), first
        between = [row for row in ahead if first < axis.second(row) < last]
        before = self.pages(replace(rest, until=first + 1), *others)
        return chain(before, _unless_empty(between)), last

    def _page(
        self, bounds: Bounds, others: tuple[Bounds, ...], number: int = 1, order: str = "asc", *, rows: int = 0
    ) -> Page:
        params: dict[str, str | int] = {
            "per_page": rows or PAGE_ROWS,
            "sort_key": bounds.axis.field,
            "sort_order": order,
        }
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
        if last == bounds.since or not self._may_be_ignored(axis, page):
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

    def _may_be_ignored(self, axis: Axis, page: Page) -> bool:
        """Whether a page in the order of an axis could as well come from a list that ignores `sort_key`."""
        if axis.field == self._table.default_sort_key:
            return False
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


def _pages_ahead(rest: Bounds, seconds_a_page: float) -> int:
    """How far ahead there is likely to be a page still."""
    seconds = (rest.until or rest.since) - rest.since
    return min(PAGES_MAX, int(seconds / seconds_a_page * SHARE_AHEAD))


def _rows_of_page_ahead(number: int) -> int:
    """How many rows to ask for in a page far ahead, so that all before it fit in as few full pages as can be.

    Each of these brings a row less than it holds, as it begins with the last row known, and some end among rows of
    one second.
    """

    def rows_a_request(rows: int) -> float:
        before = rows * (number - 1) + 1 + ROWS_TO_SPARE
        return rows * number / (1 + ceil(before / (PAGE_ROWS - 1)))

    return max(range(1, PAGE_ROWS + 1), key=rows_a_request)


def _continues(halfway: Halfway, wanted: Halfway) -> bool:
    """Whether going on from there brings all that is wanted."""
    return halfway.since == wanted.since and halfway.created_since <= wanted.created_since


def _created_since(span: Span, now: int) -> int:
    """Where a reading along creation begins: never later than what was not read before."""
    if span.rescan_days is None or span.until is not None:
        return span.created_since
    return max(span.created_since, min(span.since, now - span.rescan_days * SECONDS_PER_DAY))


def _ascends(page: Page, axis: Axis) -> bool:
    return all(one[axis.field] <= other[axis.field] for one, other in pairwise(page))


def _unless_empty(page: Page) -> Iterator[Page]:
    return iter([page] if page else [])


def _unseen(page: Page, seen: set[int]) -> Iterator[Page]:
    """The page without rows seen before, unless nothing remains of it."""
    if fresh := [row for row in page if row[PRIMARY_KEY] not in seen]:
        yield fresh
