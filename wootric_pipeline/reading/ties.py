"""Rows of one second that fill a page, so that seeking cannot get past it.

Few pages of it are read by their numbers. More of them are walked through along another time, within the second, or
else, where that does not tell them apart, read by pages from both ends.
"""

from collections.abc import Callable, Generator, Iterator
from typing import Protocol

from ..errors import IncompleteScan, RequestRefused
from ..tables import PRIMARY_KEY
from .listing import Axis, Bounds, FilterIgnored, Listing, Order, OrderIgnored, Page, ids
from .seen import Seen

PASSES_MAX = 8
EMPTY_PAGES_MAX = 2
OVERLAP_ROWS = 5
"""Of one second, that must come again in the same order: some services order such rows anew with each answer."""
NUMBERED_PAGES_MAX = 4
"""Of a second that are read by their numbers: more are cheaper by another time, which takes some requests more."""
TIED_SECONDS_MAX = 2
"""A second, and the one before it where that has to be read as well."""


class Inside(Protocol):
    """A walk within a second, along another axis."""

    incomplete: list[int]

    def pieces(self) -> Iterator[tuple[Page, bool, int | None]]:
        """Its rows."""


class Tie:
    """Gets a walk past the second that was seen last.

    Args:
        listing: The list.
        axis: What the walk goes along.
        within: Bounds on other axes.
        seen: What the walk has seen.
        ask: Asks for a page from a second on, by its number and size.
        inside: A walk within a second, given as bounds, along another axis.

    Attributes:
        following: The page behind the second, once `past` has ended.
        is_read: Whether the second was read apart from the walk.
        incomplete: Seconds of which the API does not reveal all rows.
        reaches: The last second it has looked at, UNIX time.
    """

    def __init__(
        self,
        listing: Listing,
        axis: Axis,
        within: tuple[Bounds, ...],
        seen: Seen,
        ask: Callable[[int | None, int, int | None], Page],
        inside: Callable[..., Inside],
    ) -> None:
        self.following: Page = []
        self.is_read = False
        self.incomplete: list[int] = []
        self.reaches = seen.position or 0
        self._listing = listing
        self._axis = axis
        self._within = within
        self._seen = seen
        self._ask = ask
        self._inside = inside

    def past(self, page: Page) -> Iterator[Page]:
        """Rows of the second, and of what lies between it and the page that follows, as far as they were not seen.

        Raises:
            IncompleteScan: The list shows nothing behind it.
        """
        following = yield from self._numbered_past(page)
        if following is None:
            second = self._axis.second(page[-1])
            found = yield from self._tied(second)
            self.is_read = True
            following = self._numbered_behind(second, found, max(self._listing.full_rows - 1, 1)) or (
                yield from self._behind(second)
            )
        self.following = following

    def _numbered_past(self, page: Page) -> Generator[Page, None, Page | None]:
        """The page that reaches behind a page of one second, by its number; None if that is far, or rows have moved."""
        second, rows = self._axis.second, list(page)
        position = second(page[-1])
        if len(page) < 2 * OVERLAP_ROWS or not self._is_passed_by(NUMBERED_PAGES_MAX, position):
            return None
        for number in range(2, NUMBERED_PAGES_MAX + 1):
            size = (len(rows) - OVERLAP_ROWS) // (number - 1)
            following = self._ask(position, number, size)
            if (overlap := _overlap(rows, following)) < OVERLAP_ROWS:
                return None
            if second(following[-1]) > position:
                return following
            if len(following) < size:
                # Rows may be missing from its midst, where nothing overlaps them.
                return None
            rows += following[overlap:]
            yield self._seen.take(following)
        return None

    def _is_passed_by(self, number: int, second: int) -> bool:
        """Whether the page of that number lies behind a second."""
        page = self._ask(second, number, None)
        return not page or self._axis.second(page[-1]) > second

    def _tied(self, second: int) -> Generator[Page, None, int]:
        """All rows of the last second that was seen, as far as the list reveals them; how many there are."""
        known, found, is_whole = set(self._seen.last), set[int](), False
        # Where rows that were seen do not come again, `gte` does not bring all of their second.
        for since in (second, second - 1)[self._listing.step > 1 :]:
            found, is_whole = yield from self._all_of(Bounds(self._axis, since, second + 1))
            if known <= found:
                break
        if not is_whole or not known & found:
            self.incomplete.append(second)
        return len(found)

    def _all_of(self, tied: Bounds) -> Generator[Page, None, tuple[set[int], bool]]:
        """The rows of a tied second, by walking along another axis inside it, or else by pages; whether that is all."""
        found: set[int] = set()
        if self._listing.full_rows < 2 * OVERLAP_ROWS and (yield from self._by_pages(tied, found)):
            return found, True
        for index, other in enumerate(self._within):
            if not (other.seconds and other.seconds <= TIED_SECONDS_MAX):
                others = (*self._within[:index], *self._within[index + 1 :])
                inside = self._inside(tied, other, *others)
                try:
                    for rows, *_ in inside.pieces():
                        found |= ids(filter(tied.holds, rows))
                        # Where one filter is ignored beside the other, there are rows of later seconds among them.
                        yield self._seen.take(rows, moves=False)
                except (OrderIgnored, FilterIgnored, IncompleteScan, RequestRefused):
                    break
                return found, not inside.incomplete
        return found, (yield from self._by_pages(tied, found))

    def _by_pages(self, tied: Bounds, found: set[int]) -> Generator[Page, None, bool]:
        """Adds the rows of a tied second that pages show; whether that is all."""
        pages = Tied(self._listing, tied, *self._within)
        for rows in pages.pages():
            found |= ids(filter(tied.holds, rows))
            yield self._seen.take(rows, moves=False)
        return pages.is_whole

    def _numbered_behind(self, second: int, found: int, size: int) -> Page:
        """The page that begins with the last rows of a second, and reaches behind it; none if no query does."""
        size = size if found % size else max(size - 1, 1)
        first, empty = found // size + 1, 0
        # There are more pages where rows are left out of them.
        for number in range(first, min(first + 2, self._listing.pages_max) + 1):
            page = self._ask(second, number, size)
            if (empty := 0 if page else empty + 1) > 1:
                break
            if page and self._axis.second(page[-1]) > second:
                # Rows of later seconds may be known as well, which joins nothing.
                if self._is_joined(page, second):
                    return page
                before = self._ask(second, number - 1, size)
                return page if self._is_joined(before[-1:], second) else []
        return []

    def _behind(self, second: int) -> Generator[Page, None, Page]:
        """The page behind a second that no query reaches behind, joined to it from above."""
        page = self._ask(second + 1, 1, None)
        if page:
            following = self._axis.second(page[0])
            if following <= second:
                raise self._seen.lost(self._listing.table)
            self.reaches = following
            yield from self._down_from(following, second)
        return page

    def _down_from(self, following: int, second: int) -> Iterator[Page]:
        """Rows up to a second, down to those of one that was seen; `gte` may not have brought all of them."""
        until, number = following + 1, 1
        while number <= self._listing.pages_max:
            page = self._up_to(until, number)
            is_joined = self._is_joined(page, second)
            yield self._seen.take(page, moves=False)
            if is_joined:
                return
            if not page:
                break
            last = self._axis.second(page[-1])
            until, number = (last + 1, 1) if last + 1 < until else (until, number + 1)
        # Rows of the following second alone may be more than a query reaches; they are read next.
        if until <= following or not self._is_joined(self._up_to(following, 1), second):
            self.incomplete.append(until - 1)

    def _up_to(self, until: int, number: int) -> Page:
        page = self._listing.page(Bounds(self._axis, None, until), *self._within, number=number, order="desc")
        if len(page) >= self._listing.full_rows:
            return page
        # Rows may be missing from it by mistake.
        return [*page, *self._listing.page(Bounds(self._axis, None, until), *self._within, number=number, order="desc")]

    def _is_joined(self, page: Page, second: int) -> bool:
        return any(self._axis.second(row) <= second and self._seen.stands(row) for row in page)


class Tied:
    """All rows of a second that no filter splits any further.

    A row that leaves between two pages moves the ones behind it up, so that one is skipped: the second is read until
    all rows of one pass are found again by the next, so that none can have left during the former. Their pages end in
    turn at other rows, since the numbers of pages that are counted otherwise leave the same ones out again.

    Args:
        listing: The list.
        second: Bounds of one second on the axis that is walked along.
        within: Bounds on other axes.

    Attributes:
        is_whole: Whether all there is was found, once `pages` has ended.
    """

    def __init__(self, listing: Listing, second: Bounds, *within: Bounds) -> None:
        self.is_whole = False
        self._is_too_long = False
        self._rows = listing.longest
        self._listing = listing
        self._second = second
        self._within = within

    def pages(self) -> Iterator[Page]:
        """The rows, each once."""
        found: set[int] = set()
        before: set[int] = set()
        for attempt in range(PASSES_MAX):
            self._rows = self._page_rows(attempt, len(found))
            rows, whole = self._pass()
            if fresh := [row for row in rows if row[PRIMARY_KEY] not in found]:
                yield fresh
            now = ids(rows)
            found |= now
            if attempt and whole and before <= now:
                self.is_whole = True
                return
            if self._is_too_long or (attempt > 1 and not whole):
                return
            before = now

    def _page_rows(self, attempt: int, rows: int) -> int:
        """How many rows to ask for a page: in turn one less, where page numbers reach as far with that."""
        shorter = self._listing.longest - attempt % 2
        return shorter if rows <= shorter * self._listing.pages_max else self._listing.longest

    def _pass(self) -> tuple[Page, bool]:
        """What one reading finds, and whether it is whole: both ends meet, and no row came twice.

        A server that orders ties anew for each page shows some rows twice, and others not at all.
        """
        ascending, end = self._direction("asc", set())
        keys = [row[PRIMARY_KEY] for row in ascending]
        if end is not None and ids(self._listing.page(self._second, *self._within, order="desc")) <= set(keys):
            return ascending, bool(keys) and len(set(keys)) == len(keys)
        descending, met = self._direction("desc", set(keys))
        self._is_too_long = end is None and met is None
        distinct = {row[PRIMARY_KEY]: row for row in (*ascending, *descending)}
        return list(distinct.values()), bool(keys) and met == keys[-1] and len(set(keys)) == len(keys)

    def _direction(self, order: Order, known: set[int]) -> tuple[Page, int | None]:
        """Pages up to an empty one, or to the first row known; that row's key, or 0 at the empty page."""
        rows: Page = []
        empty = 0
        for number in range(1, self._listing.pages_max + 1):
            page = self._listing.page(self._second, *self._within, number=number, rows=self._rows, order=order)
            if number > self._listing.pages_max:
                break
            if not page:
                empty += 1
                # All rows of a page can be left out after it was cut.
                if empty > EMPTY_PAGES_MAX or not self._listing.is_cut:
                    return rows, 0
                continue
            empty = 0
            if ids(page) <= ids(rows):
                # The number of the page is ignored.
                break
            rows += page
            met = next((row[PRIMARY_KEY] for row in page if row[PRIMARY_KEY] in known), None)
            if met is not None:
                return rows, met
        return rows, None


def _overlap(rows: Page, following: Page) -> int:
    """How many rows at the beginning of a page are, in their order, those that others end with."""
    keys, before = ([row[PRIMARY_KEY] for row in page] for page in (following, rows))
    overlap = keys.index(before[-1]) + 1 if before[-1] in keys else 0
    return overlap if keys[:overlap] == before[-overlap:] else 0
