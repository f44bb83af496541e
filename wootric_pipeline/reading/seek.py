"""A time range of one list -> pages of rows, complete and cheap. No sockets, no clock: it is given `fetch`.

The API answers at most 50 rows a page and 30 pages a query, shows times without the fractions of a second it stores,
and lets rows move while a client pages. So a range is read by seeking: each request begins at the second of the last
row read, in ascending order, and rows of that second that come twice are dropped. A row that is updated meanwhile
leaves the range at its end and cannot push another out of sight. Bounds are whole seconds, `gte` and `lt` only.

A range ends where an answer brings nothing new. A page that is merely short may be cut: servers allow fewer rows than
asked for, or leave some out after they have counted them.
"""

import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, pairwise
from typing import Any, NamedTuple

from ..errors import IncompleteScan
from ..tables import PRIMARY_KEY, Table

PAGE_ROWS = 50
PAGES_MAX = 30
CELL_PASSES_MAX = 8
REREAD_ROWS_MAX = 5
PAGES_HELD_MAX = 28
"""So that a query for the rows of all of them reaches the last."""
DISTINCT_SECONDS_PROVING = 10
"""By chance not one page in a million that holds so many comes in their order."""
PAGES_BEFORE_PARTS, PAGES_BEFORE_PARTS_OF_CHANGES = 16, 100
"""A range of fewer pages is read in one piece: each end of a part costs half a request. What has changed since the last
run is seldom more, and comes in bursts: where one ends, a part begins for nothing."""
PAGES_OF_A_PART_MIN, PAGES_OF_A_PART_MAX = 28, 100
SHARE_OF_A_PART = 0.4
"""Of what is left, as far as the pace of the last page tells."""
PARTS_LEFT_MIN = 1.5
"""Where less than so many parts are left, they are one: each costs half a request, but one alone at the end takes
long."""

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

    def ascends(self, page: Page) -> bool:
        """Whether rows come in its order."""
        return all(one[self.field] <= other[self.field] for one, other in pairwise(page))


UPDATED = Axis("updated", "updated_at")
CREATED = Axis("created", "created_at")


@dataclass(frozen=True)
class Bounds:
    """A closed-open range on an axis in UNIX seconds; `until` None leaves it open.

    `part_until` ends a part of it: answers may reach beyond, which shows that no row before is missing.
    """

    axis: Axis
    since: int
    until: int | None = None
    part_until: int | None = None

    @property
    def end(self) -> int | None:
        """Where what is wanted of it ends."""
        return self.until if self.part_until is None else self.part_until

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


class Step(NamedTuple):
    """What one request brings.

    Attributes:
        pages: Rows, complete up to `position`.
        position: The second to go on from, UNIX time; None at the end of the range.
        sure: Whether they are known to be complete.
        overlap: Rows from `position` on, fewer than the page had; they come again.
    """

    pages: Iterator[Page]
    position: int | None
    sure: bool = True
    overlap: Sequence[Row] = ()


class Seek:
    """Reads ranges of one list.

    Args:
        table: For its default order and, in errors, its name.
        fetch: Asks for one page.
        in_order: Reads the parts of a range; one after the other, unless told otherwise.
        splits: Whether to look ahead now, so that a range falls into parts.
    """

    def __init__(
        self,
        table: Table,
        fetch: Fetch,
        *,
        in_order: InOrder = chain.from_iterable,
        splits: Callable[[], bool] = lambda: False,
    ) -> None:
        self.table = table
        self.fetch = fetch
        self._in_order = in_order
        self._splits = splits
        self._proven: set[Axis] = set()

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
        yield from self._first_pages(sys.maxsize, bounds, others)

    def pages_ahead(self, bounds: Bounds, *others: Bounds, changes: bool = False) -> Iterator[Page]:
        """As `pages`; what is left after the first of them, or of `changes` after more, is read in parts at once."""
        alone = PAGES_BEFORE_PARTS_OF_CHANGES if changes else PAGES_BEFORE_PARTS
        yield from self._pages_ahead(alone, bounds, others)

    def _pages_ahead(
        self, alone: int, bounds: Bounds, others: tuple[Bounds, ...], first: Step | None = None
    ) -> Iterator[Page]:
        """The first `alone` pages one by one, the others in parts."""
        position = yield from self._first_pages(alone, bounds, others, first)
        if position is None:
            return
        rest = replace(bounds, since=position)
        if self._splits():
            yield from self._in_order(self._parts(rest, others))
        else:
            yield from self.pages(rest, *others)

    def _first_pages(
        self, count: int, bounds: Bounds, others: tuple[Bounds, ...], first: Step | None = None
    ) -> Generator[Page, None, int | None]:
        """What so many requests make sure of; returns the second to go on from, None at the end.

        Pages that could as well come from a list that ignores `sort_key` are held until others, or a count of the
        rows, show that none is missing between them.
        """
        position = bounds.since
        end = sys.maxsize if bounds.part_until is None else bounds.part_until
        overlap: Sequence[Row] = ()
        unsure: int | None = None
        held: list[Page] = []
        while position < end and count:
            try:
                step = first or self._step(replace(bounds, since=position), others, overlap)
            except OrderIgnored:
                raise OrderIgnored(position if unsure is None else unsure) from None
            first = None
            if unsure is not None and (step.sure or len(held) == PAGES_HELD_MAX):
                yield from self._counted(held, replace(bounds, since=unsure, until=position), others)
                unsure, held = None, []
            if step.sure:
                yield from step.pages
            else:
                unsure = position if unsure is None else unsure
                held += step.pages
            position = end if step.position is None else step.position
            overlap = step.overlap
            count -= 1
        if unsure is not None:
            yield from self._counted(held, replace(bounds, since=unsure, until=position), others)
        return position if position < end else None

    def _parts(self, rest: Bounds, others: tuple[Bounds, ...]) -> Iterator[Iterator[Page]]:
        """Consecutive parts of a range.

        Where one ends is a guess: it may be any second. The first page of each tells the pace there. A part in which
        the rows come faster later on is itself read in parts.
        """
        position: int | None = rest.since
        while position is not None:
            rest = replace(rest, since=position)
            first = self._step(rest, others)
            if first.position is None:
                yield first.pages
                return
            pages, end = self._end_of_part(rest, first.position)
            yield _before(end, rest.axis, self._pages_ahead(pages, replace(rest, part_until=end), others, first))
            position = end if end != rest.end else None

    def _end_of_part(self, rest: Bounds, position: int) -> tuple[int, int | None]:
        """How many pages the next part is likely to have, and where it ends; its first page reaches to `position`."""
        seconds_a_page = max(position - rest.since, 1)
        left = ((rest.end or position) - position) // seconds_a_page
        pages = min(max(int(left * SHARE_OF_A_PART), PAGES_OF_A_PART_MIN), PAGES_OF_A_PART_MAX)
        return pages + 1, position + pages * seconds_a_page if left >= PARTS_LEFT_MIN * pages else rest.end

    def _step(self, rest: Bounds, others: tuple[Bounds, ...], overlap: Sequence[Row] = ()) -> Step:
        """What one request makes sure of, given the rows that are known to be at the beginning of the range.

        The rows of a page's last second come with the next page; a second that fills a page is read by itself. An
        answer without new rows is not cut, since the page before had more rows than the ones that come again.
        """
        axis, page = rest.axis, self._page(rest, others)
        if not any(_unseen(page, _ids(overlap))):
            return Step(_unless_empty(list(overlap)), None)
        position, sure = self._in_order_up_to(page, rest)
        tied = axis.second(page[0]) == axis.second(page[-1])
        if len(page) < PAGE_ROWS and (tied or not overlap) and self._is_all(page, rest, others):
            return Step(iter([page]), None)
        if tied and sure:
            return Step(self._second(Bounds(axis, position, position + 1), others), position + 1)
        before, after = _parted(page, axis, position)
        return Step(_unless_empty(before), position, sure, after if before else ())

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
        page = self.fetch(params)
        for each in (*others, bounds):
            if not all(map(each.holds, page)):
                raise FilterIgnored(each.axis)
        times = [row[bounds.axis.field] for row in page]
        if times != sorted(times, reverse=order == "desc"):
            raise OrderIgnored(bounds.since)
        return page

    def _is_all(self, page: Page, bounds: Bounds, others: tuple[Bounds, ...]) -> bool:
        """Whether a page is all there is; asks by number for what follows all of its rows but the last.

        So a row that leaves meanwhile and draws another one up hides it only where pages have no more than two rows.
        """
        size = max(len(page) - 1, 1)
        last = self._numbered(len(page), size, bounds, others)
        return len(last) == len(page) % size and not any(_unseen(last, _ids(page)))

    def _numbered(self, count: int, size: int, bounds: Bounds, others: tuple[Bounds, ...]) -> Page:
        """The page of some size on which a row would lie that so many others come before."""
        return self._page(bounds, others, count // size + 1, rows=size)

    def _in_order_up_to(self, page: Page, rest: Bounds) -> tuple[int, bool]:
        """Up to which second a page holds all rows, and whether that is sure.

        A list that ignores `sort_key` answers in another order, and a page can be in both at once: rows that lie
        earlier may then be missing from it.
        """
        axis, last = rest.axis, rest.axis.second(page[-1])
        if last == rest.since or not self._may_be_ignored(axis, page):
            return last, True
        if self.table.default_sort_key == CREATED.field and CREATED.ascends(page):
            # What was created after the last row was updated after that, too: going on from there misses nothing.
            created = CREATED.second(page[-1])
            if created > rest.since and sum(axis.second(row) >= created for row in page) <= REREAD_ROWS_MAX:
                return min(created, last), True
        return last, False

    def _counted(self, pages: list[Page], window: Bounds, others: tuple[Bounds, ...]) -> list[Page]:
        """The pages, if a window holds no more rows than they do; asks for the last of its rows to find out."""
        if window.axis not in self._proven:
            known = _ids(chain.from_iterable(pages))
            # Each of them came with a row more at least, the one that it shares with the next page.
            size = max(map(len, pages), default=0) + 1
            if size > 1 and len(known) % size == 0:
                size -= 1
            last = self._numbered(len(known), size, window, others)
            # Fewer rows are no reason for doubt: some may have left meanwhile.
            if len(last) > len(known) % size or any(_unseen(last, known)):
                raise OrderIgnored(window.since)
        return pages

    def _may_be_ignored(self, axis: Axis, page: Page) -> bool:
        """Whether a full page in the order of an axis could as well come from a list that ignores `sort_key`.

        A single page that could not is proof for all others.
        """
        if axis.field == self.table.default_sort_key or axis in self._proven:
            return False
        explained = any(map(_is_sorted, self._other_orders(page)))
        if not explained and len(set(map(axis.second, page))) >= DISTINCT_SECONDS_PROVING:
            self._proven.add(axis)
        return explained

    def _other_orders(self, page: Page) -> list[list[Any]]:
        """What a list that ignores `sort_key` may be sorted by, as the rows of a page have it."""
        if self.table.default_sort_key != "email":
            return [[row[CREATED.field] for row in page], [row[PRIMARY_KEY] for row in page]]
        texts = [row["email"] for row in page if row.get("email")]
        lower = [text.lower() for text in texts]
        # How the service sorts texts is unknown: by code points, or without regard to capitals, or to punctuation.
        return [texts, lower, ["".join(filter(str.isalnum, text)) for text in lower]]

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
            f"{self.table.name} has {len(found)} rows or more in the second {second.since} (UNIX time of "
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
        """Pages of a cell up to an empty one, or to the first row known; that row's id, or 0 at the empty page."""
        rows: Page = []
        for number in range(1, PAGES_MAX + 1):
            page = self._page(second, others, number, order)
            if not page:
                return rows, 0
            rows += page
            met = next((row[PRIMARY_KEY] for row in page if known and row[PRIMARY_KEY] in known), None)
            if met is not None:
                return rows, met
        return rows, None


def _is_sorted(values: list[Any]) -> bool:
    return values in (sorted(values), sorted(values, reverse=True))


def _unless_empty(page: Page) -> Iterator[Page]:
    return iter([page] if page else [])


def _ids(rows: Iterable[Row]) -> set[int]:
    return {row[PRIMARY_KEY] for row in rows}


def _parted(page: Page, axis: Axis, second: int) -> tuple[Page, Page]:
    """The rows before a second, and those from it on."""
    before = sum(axis.second(row) < second for row in page)
    return page[:before], page[before:]


def _before(end: int | None, axis: Axis, pages: Iterator[Page]) -> Iterator[Page]:
    """The rows of ascending pages that lie before a second."""
    for page in pages:
        rows = page if end is None else _parted(page, axis, end)[0]
        yield from _unless_empty(rows)
        if len(rows) < len(page):
            return


def _unseen(page: Page, seen: set[int]) -> Iterator[Page]:
    """The page without rows seen before, unless nothing remains of it."""
    if fresh := [row for row in page if row[PRIMARY_KEY] not in seen]:
        yield fresh
