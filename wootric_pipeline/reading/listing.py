"""Asks one list of the API for a page: its query, and what of a query the service refuses.

Facts: `created` and `updated` filter by UNIX seconds; `sort_key` and `sort_order` order; at most 50 rows a page and 30
pages a query (vendor's documentation). A validator may refuse a value with 400 that another service ignores (inferred).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from math import floor
from typing import Any, Literal

from ..errors import RequestRefused
from ..tables import PRIMARY_KEY, Table

PAGE_ROWS = 50
PAGES_MAX = 30
PER_PAGE_DEFAULT = 25
FAR_FUTURE = 253_402_300_799
"""The end of the year 9999, UNIX seconds: rows before it show that a filter on it is ignored."""

FILTER_SLACK_SECONDS = 2 * 86_400
"""By a day a filter is off that compares days, and by another one that takes local times for others."""
IGNORED, HONOURED = -1, 2
"""What is known of a filter: that it is ignored, or how often an answer was as if it were not."""

Row = dict[str, Any]
Page = list[Row]
Params = Mapping[str, str | int]
Fetch = Callable[[Params], Page]
"""Asks the list for one page by its query; rows come with their times as datetimes."""
Order = Literal["asc", "desc"]


@dataclass(frozen=True)
class Axis:
    """One of the two times a list can be filtered and sorted by."""

    filter: str
    field: str

    def second(self, row: Row) -> int:
        """The second a row is shown in, UNIX time."""
        moment: datetime = row[self.field]
        return floor(moment.timestamp())

    def out_of_order(self, page: Sequence[Row]) -> Row | None:
        """The first row that comes behind a later one."""
        field = self.field
        return next((other for one, other in pairwise(page) if other[field] < one[field]), None)


UPDATED = Axis("updated", "updated_at")
CREATED = Axis("created", "created_at")
BY_CREATION = f"sort_key={CREATED.field}"
"""Where this is refused, a list may be sorted by another time all the same."""


@dataclass(frozen=True)
class Bounds:
    """A closed-open range on an axis in UNIX seconds; None leaves an end open."""

    axis: Axis
    since: int | None = None
    until: int | None = None

    @property
    def seconds(self) -> int | None:
        """How long it is; None if it has no end."""
        return None if self.since is None or self.until is None else self.until - self.since

    def params(self) -> dict[str, int]:
        """The query that asks for it; nothing where it is all there is."""
        params = {}
        if self.since is not None:
            params[f"{self.axis.filter}[gte]"] = self.since
        if self.until is not None:
            params[f"{self.axis.filter}[lt]"] = self.until
        return params

    def holds(self, row: Row) -> bool:
        """Whether a row lies in it, as far as the shown second tells."""
        return self.has(self.axis.second(row))

    def hold_all(self, rows: Sequence[Row]) -> bool:
        """Whether all of some rows lie in it."""
        return (self.since is None and self.until is None) or all(map(self.holds, rows))

    def has(self, second: int) -> bool:
        """Whether a second lies in it."""
        return (self.since is None or self.since <= second) and (self.until is None or second < self.until)


class OrderIgnored(Exception):
    """The list is not sorted by the key it was asked to sort by.

    Attributes:
        second: Of the first row that shows it, UNIX time; None where no row alone does.
    """

    def __init__(self, second: int | None = None) -> None:
        super().__init__(second)
        self.second = second


class FilterIgnored(Exception):
    """The list answers with rows outside the bounds it was asked for, or refuses to be asked for any."""

    def __init__(self, axis: Axis) -> None:
        super().__init__(axis)
        self.axis = axis


@dataclass
class Listing:
    """One list.

    Args:
        table: Which.
        fetch: Asks for one page.
        rows_max: Of a page, as far as the service takes it.
        pages_max: Of a query, as far as the service takes their numbers.
        is_cut: Whether pages were seen to be shorter than that although the list went on.
        is_lossy: Whether an answer was seen to lack rows that the same query brought when it was asked again.
        step: How far back to begin pages: the service was seen to leave rows out that it should answer from nearer.
        unfiltered: What was answered as if there were no filter: the first pages in the order of creation.
        longest: How many rows a page has had at most.
    """

    table: Table
    fetch: Fetch
    rows_max: int = field(default_factory=lambda: PAGE_ROWS)
    pages_max: int = field(default_factory=lambda: PAGES_MAX)
    is_cut: bool = False
    is_lossy: bool = False
    step: int = 0
    unfiltered: list[Page] = field(default_factory=list)
    longest: int = 1
    _stepped: int = 0
    _takes_full_pages: bool = False
    _honoured: dict[Axis, int] = field(default_factory=dict)
    _left_out: set[str] = field(default_factory=set)

    def page(
        self, bounds: Bounds, *within: Bounds, number: int = 1, rows: int | None = None, order: Order = "asc"
    ) -> Page:
        """One page of a range, in the order of its axis.

        Args:
            bounds: On the axis to sort by.
            within: Bounds on other axes.
            number: Of the page, from 1; one that the service refuses is empty.
            rows: Of a page, by default as many as there may be; a service may answer fewer.
            order: Ascending or descending.

        Raises:
            OrderIgnored: The rows come in another order.
            FilterIgnored: The service refuses a filter or an order, and does without only if it is another axis.
        """
        params: dict[str, str | int] = {"per_page": min(rows or PAGE_ROWS, self.rows_max)}
        params |= {"sort_key": bounds.axis.field, "sort_order": order}
        for each in (*within, bounds):
            params.update(each.params())
        if number > 1:
            params["page"] = number
        try:
            page = self._asked(params, bounds.axis)
        except RequestRefused:
            if number == 1:
                raise
            self.pages_max = min(self.pages_max, number - 1)
            return []
        if rows is None:
            self.longest = max(self.longest, len(page))
        if (row := bounds.axis.out_of_order(page if order == "asc" else page[::-1])) is not None:
            raise OrderIgnored(bounds.axis.second(row))
        # Of rows in order, these two tell of all.
        ends = [*page[:1], *page[-1:]]
        for each in (*within, bounds):
            # A filter that compares minutes or days answers more than is asked for, too.
            if not each.hold_all(ends if each is bounds else page) and not self.honours(each.axis):
                raise FilterIgnored(each.axis)
        return page

    @property
    def full_rows(self) -> int:
        """How many rows a page has behind which more are expected."""
        return self.longest if self.is_cut else self.rows_max

    def note_step(self, step: int) -> None:
        """Notes from how far back a page joined; two in a row that agree are where the next ones begin."""
        if step == self._stepped:
            self.step = step
        self._stepped = step

    def honours(self, axis: Axis) -> bool:
        """Whether the list knows a filter; one that does not ignores it silently, or refuses it.

        Asks once, and once more where it matters: an answer may be empty by mistake.
        """
        if self._honoured.get(axis, 0) not in (IGNORED, HONOURED):
            self.unfiltered.clear()
            future = Bounds(axis, FAR_FUTURE)
            with suppress(FilterIgnored):
                self._note_honoured(axis, honours=all(map(future.holds, self._by_creation(future))))
        return self._honoured[axis] != IGNORED

    def newest_changes(self, number: int = 1, rows: int | None = None) -> Page | None:
        """The rows that changed last, as a list answers that ignores the filter on it; None where it honours that.

        It is asked for changes of the far future, so that one answer tells both. Whether it is in the order asked for
        shows only on it.
        """
        params: dict[str, str | int] = {"per_page": min(rows or PAGE_ROWS, self.rows_max)}
        params |= {"page": number} if number > 1 else {}
        params |= {"sort_key": UPDATED.field, "sort_order": "desc"}
        future = Bounds(UPDATED, FAR_FUTURE)
        try:
            page = self._answered({**params, **future.params()})
        except RequestRefused:
            if number > 1 or self._left_out >= future.params().keys():
                return []
            if self.honours(UPDATED):
                return None
            # Where it refuses to be asked for changes, it may sort by them all the same.
            self._left_out.update(future.params())
            return self.newest_changes(rows=rows)
        if number == 1:
            self._note_honoured(UPDATED, honours=all(map(future.holds, page)))
        return page if self._honoured[UPDATED] == IGNORED else None

    def before(self, axis: Axis, second: int, *within: Bounds) -> Page:
        """Rows before a second in which there are rows: none, where the filter is honoured, and it is the first.

        Args:
            axis: Of the second.
            second: UNIX time.
            within: Bounds on other axes, whose filter the list honours.

        Raises:
            FilterIgnored: The list does not know the filter.
        """
        self.unfiltered.clear()
        bounds = Bounds(axis, None, second)
        page = self._by_creation(bounds, *within)
        honours = all(map(bounds.holds, page))
        if not honours and not any(map(Bounds(axis, second + FILTER_SLACK_SECONDS).holds, page)):
            # A filter that compares days answers more than is asked for, too. Where it is ignored, the next page comes.
            future, behind = Bounds(axis, FAR_FUTURE), Bounds(CREATED, CREATED.second(page[-1]))
            # It comes only behind a first page: one in another order is not what the list begins with.
            is_next = axis is UPDATED and self.unfiltered
            honours = all(map(future.holds, self._by_creation(future, *([behind] if is_next else []))))
        self._note_honoured(axis, honours=honours)
        if not honours:
            raise FilterIgnored(axis)
        return list(filter(bounds.holds, page))

    def _by_creation(self, *bounds: Bounds) -> Page:
        """A range in the order of creation; where the filter is ignored, that begins at the list's first page."""
        axis = bounds[0].axis
        params: dict[str, str | int] = {"per_page": self.rows_max, "sort_key": CREATED.field, "sort_order": "asc"}
        for each in bounds:
            params.update(each.params())
        try:
            page = self._asked(params, axis)
        except FilterIgnored:
            with suppress(FilterIgnored):
                # It may be the order that is refused.
                return self._asked({**params, "sort_key": UPDATED.field}, axis)
            self._note_honoured(axis, honours=False)
            raise
        self.longest = max(self.longest, len(page))
        self.unfiltered += [] if not page or CREATED.out_of_order(page) else [page]
        return page

    def _note_honoured(self, axis: Axis, *, honours: bool) -> None:
        self._honoured[axis] = self._honoured.get(axis, 0) + 1 if honours else IGNORED
        if honours:
            self.unfiltered.clear()

    def _asked(self, params: dict[str, str | int], axis: Axis) -> Page:
        """The answer; where the service refuses a query, it is asked for less from then on."""
        try:
            return self._answered(params)
        except RequestRefused:
            if "page" in params:
                raise
            if axis is UPDATED:
                raise FilterIgnored(axis) from None
            if BY_CREATION in self._left_out:
                raise
        # The default order is by creation, or the rows will tell that it is not.
        self._left_out.add(BY_CREATION)
        return self._asked(params, axis)

    def _answered(self, params: dict[str, str | int]) -> Page:
        """The answer; where pages of so many rows may be what is refused, that to a query for shorter ones."""
        try:
            page = self._fetched(params)
        except RequestRefused:
            if "page" in params or params["per_page"] != PAGE_ROWS or self._takes_full_pages:
                raise
            page = self._fetched({**params, "per_page": PER_PAGE_DEFAULT})
            self.rows_max = PER_PAGE_DEFAULT
            return page
        self._takes_full_pages |= params["per_page"] == PAGE_ROWS
        return page

    def _fetched(self, params: Params) -> Page:
        """The answer to what is not left out of a query; it is refused where it is so twice, once may be by chance."""
        asked = {name: params[name] for name in params if not self._left_out & {name, f"{name}={params[name]}"}}
        with suppress(RequestRefused):
            return self.fetch(asked)
        return self.fetch(asked)


def ids(rows: Iterable[Row]) -> set[int]:
    """The keys of rows."""
    return {row[PRIMARY_KEY] for row in rows}
