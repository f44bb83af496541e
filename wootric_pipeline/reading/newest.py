"""The rows that changed last, of a list that can be sorted by that and not be asked for it.

They are read before all else, by numbered pages, so that no change waits until its part of the list is due. A query has
so many pages: changes that lie further back are found as in any other list.
"""

from collections.abc import Generator, Iterator

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
            if (yield from self._numbered(page, rows_max)):
                self._progress.note_changes_read()
            if not self._lacks_rows:
                return
            page = self._page(1, rows_max - 1)

    def _numbered(self, page: Page, rows_max: int) -> Generator[Page, None, bool]:
        """Yields the rows to load of numbered pages; whether none was refused before they were known."""
        pages = _OverlappingPages(rows_max, self._listing.pages_max)
        fruitless, is_tied, last = 0, False, None
        for _ in range(2 * self._listing.pages_max):
            changed = self._progress.changed(page)
            self.is_sorted |= self._progress.is_of_changes(page)
            yield changed
            if not page or UPDATED.out_of_order(page[::-1]) is not None:
                return bool(page)
            if pages.overlaps(page):
                fruitless = 0 if changed else fruitless + 1
                newer = self._progress.newer(page)
                self._newer |= ids(newer)
                is_tied |= any(UPDATED.second(row) == last for row in page[pages.known :])
                if len(newer) < len(page):
                    self._lacks_rows = is_tied and pages.begin + len(newer) > len(self._newer)
                    return True
                last = UPDATED.second(page[-1])
                pages.take(page)
            # Behind a page of which all was known, none is skipped: rows have moved down.
            further = pages.further(overlap=bool(changed))
            if further is None or fruitless == FRUITLESS_MAX:
                return True
            page = self._page(*further)
        return True

    def _page(self, number: int, rows: int) -> Page:
        """One of a list that has rows there: an empty answer may be a mistake."""
        return self._listing.newest_changes(number, rows) or self._listing.newest_changes(number, rows) or []


class _OverlappingPages:
    """Which page to ask for next, so that each has rows of those before: page numbers may be off.

    Args:
        rows_max: A page has no more rows.
        pages_max: A query has no more pages.

    Attributes:
        begin: How many rows are before the page at hand, by its number.
    """

    def __init__(self, rows_max: int, pages_max: int) -> None:
        self.begin = 0
        self._rows_max = rows_max
        self._pages_max = pages_max
        self._reached = 0
        self._back = 0
        self._ids: set[int] = set()

    @property
    def known(self) -> int:
        """How many rows of the page at hand came with the one before, by its number."""
        return self._reached - self.begin

    def overlaps(self, page: Page) -> bool:
        """Whether rows came again that have to; else the next page begins further back."""
        overlaps = self.known <= 0 or not self._ids.isdisjoint(ids(page))
        self._back = 0 if overlaps else 2 * self._back + 1
        return overlaps

    def take(self, page: Page) -> None:
        """Goes on behind the page at hand."""
        self._reached = self.begin + len(page)
        self._ids |= ids(page)

    def further(self, *, overlap: bool) -> tuple[int, int] | None:
        """Number and size of the page to read next, which reaches as far as can be; None where none goes on."""
        before = max(self._reached - self._back - overlap, 0)
        number, rows = _furthest(before, min(self._rows_max, before), self._pages_max)
        self.begin = (number - 1) * rows
        return (number, rows) if self._back < self._reached < self.begin + rows + self._back else None


def _furthest(rows_before: int, rows_max: int, pages_max: int) -> tuple[int, int]:
    """Number and size of the page that reaches furthest, and has no more than some rows before it."""
    sizes = ((number, rows) for rows in range(1, rows_max + 1) if (number := rows_before // rows + 1) <= pages_max)
    return max(sizes, key=lambda size: size[0] * size[1], default=(1, 0))
