"""A tie: one second with more rows than a page, which no filter splits any further.

Seeking cannot go on inside it, so that it is read by page row_ids: upwards, and downwards where 30 pages do not reach
its end, until both meet. It is read again until nothing was missed because rows left meanwhile.
"""

from collections.abc import Iterator

from ..errors import IncompleteScan
from ..tables import PRIMARY_KEY
from .listing import Listing, Page, Range, SortOrder, ids, unseen

CELL_PASSES_MAX = 8


def pages_of_tie(listing: Listing, tie: Range) -> Iterator[Page]:
    """All rows of a second, in any order.

    A row that leaves between two pages moves the ones behind it up, so that one is skipped: the second is read until
    all rows of one pass are found again by the next, so that none can have left during the former.

    Raises:
        IncompleteScan: There are more rows than the API reveals.
    """
    found: set[int] = set()
    before: set[int] = set()
    for attempt in range(CELL_PASSES_MAX):
        rows, is_whole = _pass(listing, tie)
        if fresh := unseen(rows, found):
            yield fresh
        found |= ids(rows)
        if attempt and is_whole and before <= ids(rows):
            return
        if attempt > 1 and not is_whole:
            break
        before = ids(rows)
    raise IncompleteScan(
        f"{listing.table.name} has {len(found)} rows or more in the second {tie.since} (UNIX time of "
        f"{tie.axis.field}), more than the API reveals; nothing after that second was read."
    )


def _pass(listing: Listing, tie: Range) -> tuple[Page, bool]:
    """What one reading of a tie finds, and whether it is whole: both ends meet, and no row came twice.

    A server that orders ties anew for each page shows some rows twice, and others not at all.
    """
    ascending, end = _pages_up_to(set(), listing, tie, "asc")
    row_ids = [row[PRIMARY_KEY] for row in ascending]
    is_whole = len(set(row_ids)) == len(row_ids)
    if end is not None:
        return ascending, is_whole
    descending, met = _pages_up_to(set(row_ids), listing, tie, "desc")
    distinct = {row[PRIMARY_KEY]: row for row in (*ascending, *descending)}
    return list(distinct.values()), is_whole and met == row_ids[-1]


def _pages_up_to(known: set[int], listing: Listing, tie: Range, sort_order: SortOrder) -> tuple[Page, int | None]:
    """The rows up to an empty page, or to the first known one; that one's id, or 0 at the empty page."""
    rows: Page = []
    for page in listing.pages_by_number(tie, sort_order):
        if not page:
            return rows, 0
        rows += page
        met = next((row[PRIMARY_KEY] for row in page if row[PRIMARY_KEY] in known), None)
        if met is not None:
            return rows, met
    return rows, None
