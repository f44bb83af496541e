"""Which rows of a table Wootric does not have any more.

The API tells nobody what was deleted. So a list is read to its end, and what the table holds beside it is asked for by
its id: only what Wootric does not have then is gone, since others have seen rows that no list shows.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from ..reading.by_id import ABSENT, ABSENT_MAX, one
from ..reading.reader import Reader
from ..tables import Table
from .ids import Held

FREE_ROWS, FREE_SHARE = 100, 0.02
"""So many rows of a table, or that share of it if that is more, may be marked or removed without a question."""
ASKED_LAST = "asked_last"
"""In the state of a table: the id behind which the next run goes on, where one could not ask for all rows."""
HIDDEN, ASKED_AT, IDS = "hidden", "asked_at", "ids"
"""In the state of a table: the ids of rows that Wootric has and its list does not show, and since when that is known,
UNIX seconds."""
HIDDEN_SECONDS = 7 * 86_400
"""So long loads believe it."""


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
        hidden: The ids of rows that are not listed, and that Wootric has.
        hidden_at: Since when that is known of the first of them, UNIX seconds.
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
    hidden: list[int] = field(default_factory=list)
    hidden_at: int = 0
    is_empty: bool = False

    @property
    def may_go(self) -> int:
        """How many rows are gone, as far as anybody knows."""
        return len(self.ids) + len(self.unasked)

    @property
    def is_much(self) -> bool:
        """Whether that is too much to believe it without a question."""
        return self._is_much(self.may_go) or bool(self.ids and self.is_empty)

    @property
    def may_be_much(self) -> bool:
        """Whether it would be, if all that is not listed were gone."""
        return self._is_much(len(self.unlisted)) or bool(self.unlisted and self.is_empty)

    def _is_much(self, rows: int) -> bool:
        return rows > max(FREE_ROWS, FREE_SHARE * self.rows)


def compared(shown: Set[int], known: Held, state: Mapping[str, Any], now: int, *, believes_marks: bool) -> Gone:
    """What of a table its list does not show.

    Args:
        shown: The ids of those of its rows that the list shows.
        known: What the table holds.
        state: Of the table.
        now: UNIX seconds.
        believes_marks: Whether rows that are marked as gone are left alone, unless they are listed again.
    """
    return Gone(
        rows=len(known.ids),
        unlisted=sorted(known.ids - shown - (known.marked if believes_marks else frozenset())),
        back=sorted(known.marked & shown),
        absent=sorted(set(state.get(ABSENT, ())) - shown),
        hidden_at=now,
        is_empty=not shown,
    )


def leave_out_known(gone: Gone, state: Mapping[str, Any], *, asks_again: bool) -> None:
    """Leaves alone what is not listed and was asked for before: rows that were there not long ago, or are gone.

    Args:
        gone: What is known, with the time it is.
        state: Of the table.
        asks_again: Whether to ask for those that Wootric did not have before.
    """
    kept = state.get(HIDDEN, {IDS: [], ASKED_AT: 0})
    unlisted = set(gone.unlisted)
    # A clock that was ahead tells nothing.
    if (hidden := unlisted.intersection(kept[IDS])) and 0 <= gone.hidden_at - kept[ASKED_AT] < HIDDEN_SECONDS:
        gone.hidden, gone.hidden_at = sorted(hidden), kept[ASKED_AT]
    known = {*gone.hidden, *(() if asks_again else gone.absent)}
    gone.unlisted = sorted(unlisted - known)


def kept_of(gone: Gone) -> dict[str, Any]:
    """What the state of a table keeps of it, by key; nothing of some is None."""
    hidden = {ASKED_AT: gone.hidden_at, IDS: gone.hidden} if gone.hidden else None
    return {ABSENT: gone.absent or None, ASKED_LAST: gone.asked_last or None, HIDDEN: hidden}


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
    gone.hidden = sorted({*gone.hidden, *gone.there})[-ABSENT_MAX:]
