"""Parts of a range that can be read at the same time: where each ends, and what of its pages belongs to it.

Where a part ends is a guess by the pace of its first page: it may be any second. Each end costs half a request.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

from .listing import Page, Range, split_at

PAGES_BEFORE_PARTS, PAGES_BEFORE_PARTS_OF_CHANGES = 16, 100
"""A range of fewer pages is read in one piece: each end of a part costs half a request. What has changed since the last
run is seldom more, and comes in bursts: where one ends, a part begins for nothing."""
PAGES_OF_A_PART_MIN, PAGES_OF_A_PART_MAX = 28, 100
SHARE_OF_A_PART = 0.4
"""Of what remains, as far as the pace of the last page tells."""
PARTS_REMAINING_MIN = 1.5
"""Where fewer parts remain, they become one: each costs half a request, but a single one at the end takes long."""

InOrder = Callable[[Iterator[Iterator[Page]]], Iterator[Page]]
"""Makes one sequence of parts that may be read at the same time."""


class Part(NamedTuple):
    """A part of a range.

    Attributes:
        wanted: The range, ended where the part ends.
        pages: How many pages the part is likely to have.
        rest: What of the range follows; None behind the last part.
    """

    wanted: Range
    pages: int
    rest: Range | None


def pages_before_parts(*, changes: bool) -> int:
    """How many pages of a range are read before what remains falls into parts.

    Args:
        changes: The range is what has changed since the last run.
    """
    return PAGES_BEFORE_PARTS_OF_CHANGES if changes else PAGES_BEFORE_PARTS


def first_part(rest: Range, position: int) -> Part:
    """The part a range begins with, whose first page reaches to the second `position`, UNIX time."""
    seconds_a_page = max(position - rest.since, 1)
    pages_remaining = ((rest.end or position) - position) // seconds_a_page
    pages = min(max(int(pages_remaining * SHARE_OF_A_PART), PAGES_OF_A_PART_MIN), PAGES_OF_A_PART_MAX)
    end = position + pages * seconds_a_page if pages_remaining >= PARTS_REMAINING_MIN * pages else rest.end
    following = None if end is None or end == rest.end else rest.starting(end)
    return Part(replace(rest, part_until=end), pages + 1, following)


def pages_of_part(part: Part, pages: Iterator[Page]) -> Iterator[Page]:
    """What of ascending pages lies before a part's end."""
    end = part.wanted.part_until
    for page in pages:
        rows = page if end is None else split_at(page, part.wanted.axis, end)[0]
        if rows:
            yield rows
        if len(rows) < len(page):
            return
