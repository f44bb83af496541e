"""One list of the API, asked for one page at a time. No sockets, no clock: it is given `fetch`.

The API answers at most 50 rows a page and 30 pages a query, and shows times without the fractions of a second it
stores: bounds are whole seconds, `gte` and `lt` only. A page is believed only if its rows lie within the bounds, and in
the order, that were asked for.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Any, Literal

from ..tables import PRIMARY_KEY, Table

PAGE_ROWS = 50
PAGES_MAX = 30

Row = dict[str, Any]
Page = list[Row]
Params = Mapping[str, str | int]
Fetch = Callable[[Params], Page]
"""Asks the list for one page by its query; rows come with their times as datetimes."""
SortOrder = Literal["asc", "desc"]


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


@dataclass(frozen=True)
class Range:
    """What is read of a list.

    Attributes:
        along: Bounds on the axis by which it is sorted and seeked.
        filters: Bounds on other axes.
        part_until: Ends a part of it, UNIX seconds: answers may reach beyond, which shows that no row before is
            missing.
    """

    along: Bounds
    filters: tuple[Bounds, ...] = ()
    part_until: int | None = None

    @property
    def axis(self) -> Axis:
        """The one seeked along."""
        return self.along.axis

    @property
    def since(self) -> int:
        """The second it begins with, UNIX time."""
        return self.along.since

    @property
    def end(self) -> int | None:
        """The second before which what is wanted of it ends, UNIX time; None if it is open."""
        return self.along.until if self.part_until is None else self.part_until

    def starting(self, second: int) -> "Range":
        """What of it lies from a second on."""
        return replace(self, along=replace(self.along, since=second))

    def between(self, since: int, until: int) -> "Range":
        """What of it lies between two seconds, closed-open."""
        return Range(Bounds(self.axis, since, until), self.filters)


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


class Listing:
    """Asks one list for pages.

    Args:
        table: Which.
        fetch: Asks for one page.
    """

    def __init__(self, table: Table, fetch: Fetch) -> None:
        self.table = table
        self.fetch = fetch

    def page(
        self, wanted: Range, *, number: int = 1, sort_order: SortOrder = "asc", page_rows: int | None = None
    ) -> Page:
        """One page of a range.

        Args:
            wanted: The range.
            number: Of the page, from 1 on.
            sort_order: The direction along the range's axis.
            page_rows: The most rows a page may have; default as many as the API allows.

        Raises:
            FilterIgnored: Rows lie outside the range.
            OrderIgnored: Rows are not sorted.
        """
        params: dict[str, str | int] = {
            "per_page": page_rows or PAGE_ROWS,
            "sort_key": wanted.axis.field,
            "sort_order": sort_order,
        }
        for bounds in (*wanted.filters, wanted.along):
            params.update(bounds.params())
        if number > 1:
            params["page"] = number
        page = self.fetch(params)
        _check(page, wanted, sort_order)
        return page

    def pages_by_number(self, wanted: Range, sort_order: SortOrder) -> Iterator[Page]:
        """The pages one query reveals, empty ones included; see `page` for what it raises."""
        for number in range(1, PAGES_MAX + 1):
            yield self.page(wanted, number=number, sort_order=sort_order)

    def page_after(self, row_count: int, wanted: Range, *, page_rows: int) -> Page:
        """The page of some size on which a row of the range would lie that so many others come before."""
        return self.page(wanted, number=row_count // page_rows + 1, page_rows=page_rows)

    def is_all(self, page: Page, wanted: Range) -> bool:
        """Whether a page is all there is; asks by number for what follows all of its rows but the last.

        So a row that leaves meanwhile and draws another one up hides it only where pages have no more than two rows.
        """
        page_rows = max(len(page) - 1, 1)
        last = self.page_after(len(page), wanted, page_rows=page_rows)
        return len(last) == len(page) % page_rows and not unseen(last, ids(page))


def _check(page: Page, wanted: Range, sort_order: SortOrder) -> None:
    for bounds in (*wanted.filters, wanted.along):
        if not all(map(bounds.holds, page)):
            raise FilterIgnored(bounds.axis)
    times = [row[wanted.axis.field] for row in page]
    if times != sorted(times, reverse=sort_order == "desc"):
        raise OrderIgnored(wanted.since)


def is_short(page: Page) -> bool:
    """Whether a page has fewer rows than were asked for."""
    return len(page) < PAGE_ROWS


def ids(rows: Iterable[Row]) -> set[int]:
    """What identifies the rows."""
    return {row[PRIMARY_KEY] for row in rows}


def unseen(page: Page, seen: set[int]) -> Page:
    """The rows of a page whose ids were not seen before."""
    return [row for row in page if row[PRIMARY_KEY] not in seen]


def split_at(page: Page, axis: Axis, second: int) -> tuple[Page, Page]:
    """The rows of an ascending page before a second, and those from it on."""
    before = sum(axis.second(row) < second for row in page)
    return page[:before], page[before:]
