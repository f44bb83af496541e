"""Which rows of a table Wootric does not have any more.

The API tells nobody what was deleted. So a list is read to its end, and what the table holds beside it is asked for by
its id: only what Wootric does not have then is gone, since others have seen rows that no list shows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..reading.by_id import ABSENT, ABSENT_MAX, one
from ..reading.reader import Reader
from ..tables import Table
from .ids import Held, listed

FREE_ROWS, FREE_SHARE = 100, 0.02
"""So many rows of a table, or that share of it if that is more, may be marked or removed without a question."""
ASKED_LAST = "asked_last"
"""In the state of a table: the id behind which the next run goes on, where one could not ask for all rows."""


@dataclass
class Gone:
    """What is known of the rows of a table that its list does not show.

    Attributes:
        rows: How many the table holds.
        unlisted: The ids of those that the list does not show; not of those whose marks are believed.
        there: The ids of those of them that Wootric has all the same, as far as anybody can ask for them.
        ids: The ids of those of them that it does not have.
        unasked: The ids of those of them that were not asked for.
        nameless: The ids of those of them that nobody can ask for, since they do not say whose they are.
        back: The ids of rows that are marked, and listed again.
        absent: The ids of all rows that Wootric is known not to have.
        asked_last: The id that was asked for last, where not all were; else 0.
        is_empty: Whether the list shows none of the rows.
    """

    rows: int
    unlisted: list[int] = field(default_factory=list)
    there: list[int] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    unasked: list[int] = field(default_factory=list)
    nameless: list[int] = field(default_factory=list)
    back: list[int] = field(default_factory=list)
    absent: list[int] = field(default_factory=list)
    asked_last: int = 0
    is_empty: bool = False

    @property
    def may_go(self) -> int:
        """How many rows are gone, as far as anybody knows."""
        return len(self.ids) + len(self.unasked)

    @property
    def is_much(self) -> bool:
        """Whether that is too much to believe it without a question."""
        return self.may_go > max(FREE_ROWS, FREE_SHARE * self.rows) or bool(self.ids and self.is_empty)


def compared(
    reader: Reader, table: Table, known: Held, state: Mapping[str, Any], start: datetime | None, *, believes_marks: bool
) -> Gone:
    """What of a table its list does not show; see `ids.listed` for what it raises.

    Args:
        reader: Reads the list.
        table: Which.
        known: What the table held before.
        state: Of the table.
        start: The first day that was to be loaded; None is all history.
        believes_marks: Whether rows that are marked as gone are left alone, unless they are listed again.
    """
    shown = listed(reader, table, known, start=start).held
    return Gone(
        rows=len(known.ids),
        unlisted=sorted(known.ids - shown - (known.marked if believes_marks else frozenset())),
        back=sorted(known.marked & shown),
        absent=sorted(set(state.get(ABSENT, ())) - shown),
        is_empty=not shown,
    )


def ask(
    gone: Gone,
    reader: Reader,
    table: Table,
    where: Mapping[int, str],
    state: Mapping[str, Any],
    *,
    requests_max: int,
    asks_again: bool,
) -> None:
    """Asks for rows that are not listed by their ids, first for those that the last run has not come to.

    Args:
        gone: What is known; gets what is found out.
        reader: Its client is asked.
        table: Which.
        where: Where the API has the rows.
        state: Of the table.
        requests_max: How many to ask for.
        asks_again: Whether to ask for those that Wootric did not have before.

    Raises:
        WootricError: Wootric does not answer, or does not let the account ask.
    """
    known = set() if asks_again else set(gone.absent)
    gone.ids = [row_id for row_id in gone.unlisted if row_id in known]
    gone.nameless = [row_id for row_id in gone.unlisted if row_id not in known and row_id not in where]
    last: int = state.get(ASKED_LAST, 0)
    asking = sorted(where.keys() - known, key=lambda row_id: (row_id <= last, row_id))
    for row_id in asking[:requests_max]:
        is_there = one(reader.client, reader.notes, table, row_id, where[row_id]) is not None
        (gone.there if is_there else gone.ids).append(row_id)
    gone.unasked = asking[requests_max:]
    gone.asked_last = asking[requests_max - 1] if gone.unasked else 0
    gone.absent = sorted({*gone.absent, *gone.ids} - set(gone.there))[-ABSENT_MAX:]
