"""Whether a list comes in the order it was asked for.

A list that ignores `sort_key` answers in another order, and a page can be in both orders at once. Rows may then be
missing between two pages although each looks well sorted. One page that could come in no other order is proof for all;
until there is one, pages wait in a window until its rows are counted.
"""

from itertools import chain
from typing import Any

from ..tables import PRIMARY_KEY
from .listing import CREATED, Axis, Listing, OrderIgnored, Page, Range, ids, unseen

REREAD_ROWS_MAX = 5
WINDOW_PAGES_MAX = 28
"""So that a query for the rows of all of them reaches the last."""
DISTINCT_SECONDS_PROVING = 10
"""By chance not one page in a million that holds so many comes in their order."""


class OrderProof:
    """What is proven of the order of one list.

    Args:
        listing: The list.
    """

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._proven: set[Axis] = set()

    def complete_up_to(self, page: Page, rest: Range) -> tuple[int, bool]:
        """The second, UNIX time, before which a page lacks no row of the range, and whether that is proven."""
        axis, last = rest.axis, rest.axis.second(page[-1])
        if last == rest.since or not self._may_be_ignored(axis, page):
            return last, True
        if self._listing.table.default_sort_key == CREATED.field and CREATED.ascends(page):
            # What was created after the last row was updated after that, too: going on from there misses nothing.
            created = CREATED.second(page[-1])
            if created > rest.since and sum(axis.second(row) >= created for row in page) <= REREAD_ROWS_MAX:
                return min(created, last), True
        return last, False

    def check_count(self, pages: list[Page], window: Range) -> None:
        """Asks for the last row of a window, unless the order has been proven meanwhile.

        Raises:
            OrderIgnored: The window has more rows than the pages.
        """
        if window.axis in self._proven:
            return
        known = ids(chain.from_iterable(pages))
        # Each of them came with a row more at least, the one that it shares with the next page.
        page_rows = max(map(len, pages), default=0) + 1
        if page_rows > 1 and len(known) % page_rows == 0:
            page_rows -= 1
        last = self._listing.page_after(len(known), window, page_rows=page_rows)
        # Fewer rows are no reason for doubt: some may have left meanwhile.
        if len(last) > len(known) % page_rows or unseen(last, known):
            raise OrderIgnored(window.since)

    def _may_be_ignored(self, axis: Axis, page: Page) -> bool:
        """Whether a page in the order of an axis could as well come from a list that ignores `sort_key`.

        A single page that could not is proof for all others.
        """
        if axis.field == self._listing.table.default_sort_key or axis in self._proven:
            return False
        explained = any(map(_is_sorted, self._other_orders(page)))
        if not explained and len(set(map(axis.second, page))) >= DISTINCT_SECONDS_PROVING:
            self._proven.add(axis)
        return explained

    def _other_orders(self, page: Page) -> list[list[Any]]:
        """What a list that ignores `sort_key` may be sorted by, as the rows of a page have it."""
        if self._listing.table.default_sort_key != "email":
            return [[row[CREATED.field] for row in page], [row[PRIMARY_KEY] for row in page]]
        texts = [row["email"] for row in page if row.get("email")]
        lower = [text.lower() for text in texts]
        # How the service sorts texts is unknown: by code points, or without regard to capitals, or to punctuation.
        return [texts, lower, ["".join(filter(str.isalnum, text)) for text in lower]]


class Window:
    """Consecutive pages of a range that could as well come from a list that ignores `sort_key`.

    They wait here until other pages, or a count of the rows, show that none is missing between them.

    Args:
        proof: What is proven of the list's order.
        wanted: The range.
    """

    def __init__(self, proof: OrderProof, wanted: Range) -> None:
        self._proof = proof
        self._wanted = wanted
        self._since: int | None = None
        self._pages: list[Page] = []

    @property
    def is_full(self) -> bool:
        """Whether its rows have to be counted before it takes another page."""
        return len(self._pages) == WINDOW_PAGES_MAX

    def start(self, position: int) -> int:
        """The second its first page begins with, UNIX time; of an empty window the position."""
        return position if self._since is None else self._since

    def add(self, page: Page, position: int) -> None:
        """Takes a page that begins with the second `position`, UNIX time."""
        self._since = self.start(position)
        if page:
            self._pages.append(page)

    def flush(self, until: int) -> list[Page]:
        """Its pages, if they are all there is of the range up to that second, UNIX time.

        Raises:
            OrderIgnored: Rows are missing.
        """
        if self._since is None:
            return []
        pages, since = self._pages, self._since
        self._pages, self._since = [], None
        self._proof.check_count(pages, self._wanted.between(since, until))
        return pages


def _is_sorted(values: list[Any]) -> bool:
    return values in (sorted(values), sorted(values, reverse=True))
