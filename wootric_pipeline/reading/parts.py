"""Where a range is parted, so that several of its parts can be read at the same time."""

from collections.abc import Callable

from .listing import PAGE_ROWS
from .walk import Walk

Split = Callable[[Walk], Walk | None]
"""Leaves a walk the beginning of what is left, and answers a walk through the rest; None where little is left."""

PAGES_BEFORE_PARTS, PAGES_BEFORE_PARTS_OF_CHANGES = 20, 100
"""A range of fewer pages is read in one piece: each end of a part costs half a request. What has changed since the last
run is seldom more, and comes in bursts: where one ends, a part begins for nothing."""
PAGES_OF_A_PART_MIN, PAGES_OF_A_PART_MAX = 24, 60
SHARE_OF_A_PART = 0.25
"""Of what is left, as far as the pace of the last pages tells. Pages are handed on in order: what is read behind a long
part waits for it."""
PARTS_LEFT_MIN = 2
"""Where less than so many parts are left, they are one: each costs half a request, but one alone at the end takes
long."""
COST_PAGES_FREE, COST_SHARE = 0.7, 0.015
"""So many pages, and that share of all that were read, may be read twice, because parts met there."""


class Parting:
    """Parts walks at seconds that are guesses by their pace; any second is right.

    Args:
        pages_before: How many pages of the range to read in one piece first.
        may_split: Whether more connections help, by now.
    """

    def __init__(self, pages_before: int, may_split: Callable[[], bool]) -> None:
        self._pages_before = pages_before
        self._may_split = may_split
        self._walks: list[Walk] = []

    def __call__(self, walk: Walk) -> Walk | None:
        """See `Split`."""
        self._walks = self._walks or [walk]
        pace = walk.seconds_a_page
        if pace is None or not self._may_split() or not self._may_cost_more():
            return None
        position, since, left = walk.position, walk.bounds.since, walk.pages_left
        if since is not None and position < since:
            # Its first pages may lie before the range, and a part that begins there as well.
            return None
        pages = min(max(int(left * SHARE_OF_A_PART), PAGES_OF_A_PART_MIN), PAGES_OF_A_PART_MAX)
        if left < PARTS_LEFT_MIN * pages:
            return None
        self._walks.append(walk.split(position + pages * pace))
        return self._walks[-1]

    def _may_cost_more(self) -> bool:
        """Whether one part more is cheap enough; what each will read beyond its end is not known before."""
        pages = sum(walk.pages_read for walk in self._walks)
        cost_pages = sum(len(walk.beyond) / PAGE_ROWS if walk.beyond else 1 for walk in self._walks)
        if not self._walks[0].proof.is_proven:
            # The count of the last window is yet to come.
            cost_pages += 1
        return pages >= self._pages_before and cost_pages <= COST_PAGES_FREE + COST_SHARE * pages
