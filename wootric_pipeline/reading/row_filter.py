"""What of the rows of an answer goes on: the wishes of whoever loads them, as far as reading has to know these."""

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from .listing import Row


def whole(row: Any) -> Any:
    """All of a row."""
    return row


def every(_row: Row) -> bool:
    """Each row."""
    return True


class RowFilter(NamedTuple):
    """What goes on.

    Attributes:
        left: Takes from a row what nobody is to see, as it comes, and may change it.
        keeps: Says which rows are loaded, once they are read; nothing is noted of all others.
        dropped: Columns that are still in the rows, and will be dropped, too.
    """

    left: Callable[[Any], Any] = whole
    keeps: Callable[[Row], bool] = every
    dropped: Collection[str] = ()


ALL = RowFilter()
