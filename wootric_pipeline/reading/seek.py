"""A time range of one list -> pages of rows, complete and cheap.

Rows move while a client pages. So a range is read by seeking: each request begins at the second of the last row read,
in ascending order, and rows of that second that come twice are dropped. A row that is updated meanwhile leaves the
range at its end and cannot push another out of sight.

A range ends where an answer brings nothing new. A page that is merely short may be cut: servers allow fewer rows than
asked for, or leave some out after they have counted them.
"""

import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from ..tables import Table
from .listing import Bounds, Fetch, Listing, OrderIgnored, Page, Range, Row, ids, is_short, split_at, unseen
from .order import OrderProof, Window
from .parts import InOrder, first_part, pages_before_parts, pages_of_part
from .ties import pages_of_tie


class Step(NamedTuple):
    """What one request brings.

    Attributes:
        rows: All up to `position`; none where there is a tie.
        position: The second to go on from, UNIX time; None at the end of the range.
        is_proven: Whether they are known to be complete.
        overlap: Rows from `position` on, fewer than the page had; they come again.
        tie: A second that fills the page and has to be read by itself, UNIX time.
    """

    rows: Page
    position: int | None
    is_proven: bool = True
    overlap: Sequence[Row] = ()
    tie: int | None = None


class Seek:
    """Reads ranges of one list.

    Args:
        table: For its default order and, in errors, its name.
        fetch: Asks for one page.
        in_order: Reads the parts of a range; one after the other by default.
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
        self._listing = Listing(table, fetch)
        self._proof = OrderProof(self._listing)
        self._in_order = in_order
        self._splits = splits

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
        return self._first_pages(sys.maxsize, Range(bounds, others))

    def pages_ahead(self, bounds: Bounds, *others: Bounds, changes: bool = False) -> Iterator[Page]:
        """As `pages`; what remains after the first of them, or of `changes` after more, is read in parts at once."""
        return self._pages_ahead(pages_before_parts(changes=changes), Range(bounds, others))

    def _pages_ahead(self, count: int, wanted: Range, first: Step | None = None) -> Iterator[Page]:
        """The first pages, so many of them, one by one, and the others in parts."""
        position = yield from self._first_pages(count, wanted, first)
        if position is None:
            return
        rest = wanted.starting(position)
        if self._splits():
            yield from self._in_order(self._parts(rest))
        else:
            yield from self._first_pages(sys.maxsize, rest)

    def _parts(self, rest: Range | None) -> Iterator[Iterator[Page]]:
        """Consecutive parts of a range; a part in which the rows come faster later on is itself read in parts."""
        while rest is not None:
            first = self._step(rest)
            if first.position is None:
                yield self._pages_of(first, rest)
                return
            part = first_part(rest, first.position)
            yield pages_of_part(part, self._pages_ahead(part.pages, part.wanted, first))
            rest = part.rest

    def _first_pages(self, count: int, wanted: Range, first: Step | None = None) -> Generator[Page, None, int | None]:
        """What so many requests make sure of; returns the second to go on from, None at the end."""
        position = wanted.since
        overlap: Sequence[Row] = ()
        end = sys.maxsize if wanted.part_until is None else wanted.part_until
        window = Window(self._proof, wanted)
        while position < end and count:
            try:
                step = first or self._step(wanted.starting(position), overlap)
            except OrderIgnored:
                raise OrderIgnored(window.start(position)) from None
            first = None
            if step.is_proven or window.is_full:
                yield from window.flush(position)
            if step.is_proven:
                yield from self._pages_of(step, wanted)
            else:
                window.add(step.rows, position)
            position = end if step.position is None else step.position
            overlap = step.overlap
            count -= 1
        yield from window.flush(position)
        return position if position < end else None

    def _step(self, rest: Range, overlap: Sequence[Row] = ()) -> Step:
        """What one request makes sure of, given the rows that are known to be at the beginning of the range.

        The rows of a page's last second come with the next page; a second that fills a page is read by itself. An
        answer without new rows is not cut, since the page before had more rows than the ones that come again.
        """
        axis, page = rest.axis, self._listing.page(rest)
        if not unseen(page, ids(overlap)):
            return Step(list(overlap), None)
        position, is_proven = self._proof.complete_up_to(page, rest)
        is_tied = axis.second(page[0]) == axis.second(page[-1])
        if is_short(page) and (is_tied or not overlap) and self._listing.is_all(page, rest):
            return Step(page, None)
        if is_tied and is_proven:
            return Step([], position + 1, tie=position)
        before, after = split_at(page, axis, position)
        return Step(before, position, is_proven, after if before else ())

    def _pages_of(self, step: Step, wanted: Range) -> Iterator[Page]:
        if step.tie is not None:
            return self._tie(wanted.between(step.tie, step.tie + 1))
        return iter([step.rows] if step.rows else [])

    def _tie(self, tie: Range) -> Iterator[Page]:
        """All rows of one second, by seeking along another axis inside it, or else by pages."""
        for index, other in enumerate(tie.filters):
            if other.until is None or other.until - other.since > 1:
                remaining = (*tie.filters[:index], *tie.filters[index + 1 :])
                try:
                    yield from self.pages(other, tie.along, *remaining)
                    return
                except OrderIgnored:
                    break
        yield from pages_of_tie(self._listing, tie)
