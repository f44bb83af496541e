"""Whether a list is really in the order that was asked for.

A list that ignores `sort_key` answers in another order, and a page can be in both at once: rows that belong before its
end then lie somewhere behind it, and no page that begins later shows them. A page that could be in no other order
proves the order. The first window of what was read is counted, and until there is such a page the last one, too: the
last page of a window, asked for by its number, must hold known rows, and no more than they leave for it. Until then a
walk also looks back from time to time: the rows before a second, asked for in descending order, must be those it has
seen. A list that is sorted by id begins there with those that were imported later with older dates.
"""

from collections.abc import Iterator

from ..tables import Table
from .listing import CREATED, PAGES_MAX, UPDATED, Axis, Bounds, Listing, OrderIgnored, Page
from .seen import Seen

DISTINCT_SECONDS_PROVING = 10
"""By chance not one page in a million that holds so many comes in their order."""
WINDOW_PAGES = PAGES_MAX - 2
WINDOWS_COUNTED = 1
READINGS_MAX = 3
"""How often a window is read by numbered pages that lack rows which its count has shown."""
LATE_ROWS_MAX = 5
"""So many rows of a page may have come late to a list that has shown its order."""
PAGES_FOR_A_LOOK = 120
"""Behind the first window one request in so many: to count all would take three in a hundred."""


class OrderProof:
    """What is known of the order of one list along one axis.

    Args:
        table: Whose list it is.
        axis: What it is sorted by.
        trusts_pages: Whether a page that proves the order does so for the first window, too: what has changed since a
            time shall take no request more.
    """

    def __init__(self, table: Table, axis: Axis, *, trusts_pages: bool = False) -> None:
        self._table = table
        self._axis = axis
        self._trusts_pages = trusts_pages
        self._counted = 0
        self._looked = 0
        self._pages = 0
        self.is_proven = False
        self.is_broken = False

    def note(self, page: Page) -> None:
        """Looks at a full page: one that could be in no other order proves it for all others."""
        self._pages += 1
        if self.is_proven or any(map(_is_sorted, self._other_orders(page))):
            return
        self.is_proven = len(set(map(self._axis.second, page))) >= DISTINCT_SECONDS_PROVING

    def may_count(self, *, always: bool) -> bool:
        """Whether to spend a request on counting a window; if so, takes it as done.

        The first one of all is counted whatever its pages look like: they may have been cut in another order and sorted
        then.
        """
        is_first = self._counted < WINDOWS_COUNTED and not (self._trusts_pages and self.is_proven)
        may_count = is_first or self.is_broken or (always and not self.is_proven)
        self._counted += may_count
        return may_count

    def may_look_back(self) -> bool:
        """Whether to spend a request on looking back; if so, takes it as done."""
        beyond = self._pages - WINDOWS_COUNTED * WINDOW_PAGES
        if self.is_proven or beyond < (self._looked + 1) * PAGES_FOR_A_LOOK:
            return False
        self._looked += 1
        return True

    def _other_orders(self, page: Page) -> list[list[object]]:
        """What a list that ignores `sort_key` may be sorted by, as the rows of a page have it."""
        orders: list[list[object]] = [[row["id"] for row in page]]
        if self._axis is not CREATED:
            orders.append([row[CREATED.field] for row in page])
        if self._table.default_sort_key == "email":
            texts = [row["email"] for row in page if row.get("email") and isinstance(row["email"], str)]
            lower = [text.lower() for text in texts]
            # How the service sorts texts is unknown: by code points, or without regard to capitals, or to punctuation.
            orders += [list(texts), list(lower), ["".join(filter(str.isalnum, text)) for text in lower]]
        return orders


class Windows:
    """What one walk has read, window by window, until the order of its list is proven.

    Args:
        listing: The list.
        axis: What the walk goes along.
        within: Bounds on other axes.
        seen: What the walk has seen.
        proof: What is known of the order; the walks through a list share it.
        since: Where the first window begins, UNIX seconds.
    """

    def __init__(
        self, listing: Listing, axis: Axis, within: tuple[Bounds, ...], seen: Seen, proof: OrderProof, since: int | None
    ) -> None:
        self._listing = listing
        self._axis = axis
        self._within = within
        self._seen = seen
        self._proof = proof
        self.pages = 0
        self._since = since

    def note(self, page: Page) -> bool:
        """Takes a page to the window; whether it has as many now as one query reaches."""
        self._proof.note(page)
        self.pages += 1
        return self.pages >= WINDOW_PAGES

    def begin(self, since: int) -> None:
        """Begins a new window."""
        self._since, self.pages = since, 0

    def ended(self, until: int, *, always: bool = False) -> Iterator[Page]:
        """Ends the window, and yields rows of it that turn out to be missing.

        Args:
            until: Its end, UNIX seconds.
            always: Whether to count it unless the order is proven.

        Raises:
            OrderIgnored: The list is in another order, along which it cannot be read.
        """
        window, pages = Bounds(self._axis, self._since, until), self.pages
        self.begin(until)
        # Along creation nothing else tells whether the first page was the first.
        is_first = window.since is None and self._axis is CREATED
        # The first pages may lie before the range.
        if not pages or (window.since is not None and window.since >= until):
            return
        if self._proof.may_count(always=always) or is_first:
            yield from self._completed(window)
        elif self._proof.may_look_back():
            yield from self._looked_back(until)

    def _completed(self, window: Bounds) -> Iterator[Page]:
        """The rows of a window that were not seen; it is read again while that lacks rows that its count has shown."""
        number, size, expected = self._behind_all_seen(window)
        shown = self._surplus(window, number, size, expected)
        if shown is None:
            return
        unseen = sum(not self._seen.stands(row) for row in shown)
        if not self._proof.is_proven or len(shown) == size or len(shown) - expected != unseen:
            for _ in range(READINGS_MAX):
                yield from self._numbered(window)
                if all(map(self._seen.has, shown)):
                    return
        # They came late to a list that has shown its order, or are gone, or have moved, and come again.
        yield self._seen.take(shown, moves=False)

    def _surplus(self, window: Bounds, number: int, size: int, expected: int) -> Page | None:
        """The page of a window where the rows end that were seen, if it shows others, or more; None: it is whole."""
        if number > self._listing.pages_max:
            return []
        # One that is as expected is believed; rows may be missing from it by mistake, or since they have moved.
        for _ in range(2):
            page = self._listing.page(window, *self._within, number=number, rows=size)
            if len(page) > expected or not all(map(self._seen.stands, page)):
                return page
            if len(page) == expected > 0:
                break
        return None

    def _behind_all_seen(self, window: Bounds) -> tuple[int, int, int]:
        """The page of a window in which the rows that were seen end: number, size, and how many of them it holds."""
        known, full = self._seen.count(window), self._listing.full_rows
        if known < full:
            # Rows may be left out of pages, and from few all of them.
            return 1, self._listing.rows_max, known
        # A page with rows shows more than an empty one.
        size = full if known % full or full == 1 else full - 1
        if known // size >= self._listing.pages_max:
            size = full
        return known // size + 1, size, known % size

    def _numbered(self, window: Bounds) -> Iterator[Page]:
        """The rows of a window that were not seen, by numbered pages, in whatever order they come."""
        empty = 0
        for number in range(1, self._listing.pages_max + 1):
            page = self._listing.page(window, *self._within, number=number)
            if number > self._listing.pages_max:
                break
            if page and empty:
                # There are rows behind it: it was empty by mistake, or all its rows are left out.
                yield self._seen.take(self._listing.page(window, *self._within, number=number - 1), moves=False)
            empty = 0 if page else empty + 1
            if empty == 2:
                return
            unseen = sum(not self._seen.stands(row) for row in page)
            self._proof.is_broken |= unseen > (LATE_ROWS_MAX if self._proof.is_proven else 0)
            yield self._seen.take(page, moves=False)
        raise OrderIgnored if self._axis is UPDATED else self._seen.lost(self._listing.table)

    def _looked_back(self, until: int) -> Iterator[Page]:
        page = self._listing.page(Bounds(self._axis, None, until), *self._within, order="desc")
        if not any(map(self._seen.stands, page)):
            raise OrderIgnored(until)
        yield self._seen.take(page, moves=False)


def _is_sorted(values: list[object]) -> bool:
    ascending = sorted(values)  # type: ignore[type-var]
    return values in (ascending, ascending[::-1])
