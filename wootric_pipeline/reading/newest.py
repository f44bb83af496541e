"""The rows that changed last, of a list that can be sorted by that and not be asked for it.

They are read before all else, by numbered pages, so that no change waits until its part of the list is due. A query has
so many pages: changes that lie further back are found as in any other list.
"""

from collections.abc import Iterator

from .listing import UPDATED, Listing, Page, ids
from .progress import Progress

FRUITLESS_MAX = 5
"""Pages running that bring nothing new: rows move down while others change. Or page numbers are ignored."""
PASSES_MAX = 8
"""Each leaves about half of the rows that are on no page."""


class NewestChanges:
    """Reads them until one comes that was known.

    Args:
        listing: The list.
        progress: Knows what is newer than all that was known.

    Attributes:
        is_sorted: Whether the list was seen to be in the order of changes.
    """

    def __init__(self, listing: Listing, progress: Progress) -> None:
        self.is_sorted = False
        self._listing = listing
        self._progress = progress
        self._newer: set[int] = set()
        self._lacks_rows = False

    def pages(self, first: Page) -> Iterator[Page]:
        """The rows to load, page by page.

        Rows of one second may come in another order with each answer, so that some are on none of the pages. Then more
        rows have their place before the first known one than came, and pages of another length are asked for.

        Args:
            first: The first page.
        """
        page = first
        for rows_max in range(len(first), max(len(first) - PASSES_MAX, 0), -1):
            self._lacks_rows = False
            yield from self._numbered(page, rows_max)
            if not self._lacks_rows:
                return
            page = self._page(1, rows_max - 1)

    def _numbered(self, page: Page, rows_max: int) -> Iterator[Page]:
        begin, reached, fruitless, is_tied, last = 0, 0, 0, False, None
        while True:
            changed = self._progress.changed(page)
            self.is_sorted |= self._progress.is_of_changes(page)
            yield changed
            if not page or UPDATED.out_of_order(page[::-1]) is not None:
                return
            newer = self._progress.newer(page)
            self._newer |= ids(newer)
            is_tied |= any(UPDATED.second(row) == last for row in page[reached - begin :])
            if len(newer) < len(page):
                self._lacks_rows = is_tied and begin + len(newer) > len(self._newer)
                return
            fruitless = 0 if changed else fruitless + 1
            last, reached = UPDATED.second(page[-1]), begin + len(page)
            # Behind a page of which all was known, none is skipped: rows have moved down.
            number, rows = _furthest(reached - bool(changed), rows_max, self._listing.pages_max)
            begin = (number - 1) * rows
            if fruitless == FRUITLESS_MAX or begin + rows <= reached:
                return
            page = self._page(number, rows)

    def _page(self, number: int, rows: int) -> Page:
        """One of a list that has rows there: an empty answer may be a mistake."""
        return self._listing.newest_changes(number, rows) or self._listing.newest_changes(number, rows) or []


def _furthest(rows_before: int, rows_max: int, pages_max: int) -> tuple[int, int]:
    """Number and size of the page that reaches furthest, and has no more than some rows before it."""
    sizes = ((number, rows) for rows in range(1, rows_max + 1) if (number := rows_before // rows + 1) <= pages_max)
    return max(sizes, key=lambda size: size[0] * size[1], default=(1, 0))
