"""What a walk through a list has seen: by that it tells whether pages are joined, and what of them is new."""

from collections import OrderedDict
from datetime import datetime
from itertools import islice

from ..errors import IncompleteScan
from ..tables import PRIMARY_KEY, Table
from .listing import UPDATED, Axis, Bounds, Page, Row

SEEN_ROWS_MAX = 5_000
"""More than one query reaches."""


class Seen:
    """The rows seen last, by where they stand in the list and in which version.

    Attributes:
        position: The last second of the list that was seen, UNIX time; None before there is a row.
        last: The keys of the rows seen in that second.
        taken: How many rows were new when they came.
    """

    def __init__(self, axis: Axis) -> None:
        self._axis = axis
        self._rows: OrderedDict[int, tuple[int, datetime]] = OrderedDict()
        self._gone: dict[int, datetime] = {}
        self.position: int | None = None
        self.last: set[int] = set()
        self.taken = 0

    def has(self, row: Row) -> bool:
        """Whether a row was seen in this version, or in a later one, the place of which this must not take."""
        known = self._version(row[PRIMARY_KEY])
        return known is not None and known >= row[UPDATED.field]

    def _version(self, row_id: int) -> datetime | None:
        known = self._rows.get(row_id)
        return self._gone.get(row_id) if known is None else known[1]

    def knows(self, row: Row) -> bool:
        """Whether a row was seen, wherever and in whatever version."""
        return row[PRIMARY_KEY] in self._rows

    def stands(self, row: Row) -> bool:
        """Whether a row was seen in this second of the list, in whatever version."""
        known = self._rows.get(row[PRIMARY_KEY])
        return known is not None and known[0] == self._axis.second(row)

    def take(self, page: Page, *, moves: bool = True) -> Page:
        """Remembers the rows of an ascending page; those that are new.

        Args:
            page: The rows.
            moves: Whether they are the next ones, so that the position moves to the last of them.
        """
        fresh, rows = [], self._rows
        for row in page:
            row_id, second, version = row[PRIMARY_KEY], self._axis.second(row), row[UPDATED.field]
            if (before := self._version(row_id)) is None or before < version:
                fresh.append(row)
            # Where it is known, it is now the one that was seen last.
            known = rows.pop(row_id, None)
            rows[row_id] = (second, version) if known is None or known[1] <= version else known
            if moves and (self.position is None or second > self.position):
                self.position, self.last = second, set()
            if second == self.position:
                self.last.add(row_id)
        while len(self._rows) > SEEN_ROWS_MAX:
            self._rows.popitem(last=False)
        self.taken += len(fresh)
        return fresh

    def retreat(self, second: int) -> None:
        """Goes back to a second in which a row was seen: those behind it have gone from there."""
        self._gone |= {row_id: version for row_id, (stood, version) in self._rows.items() if stood > second}
        self._rows = OrderedDict((row_id, known) for row_id, known in self._rows.items() if known[0] <= second)
        self.position = second
        self.last = {row_id for row_id, known in self._rows.items() if known[0] == second}

    def second_before(self, rows: int) -> int | None:
        """The second of the row that was seen so many rows before the last one."""
        row_id = next(islice(reversed(self._rows), rows, None), None)
        return None if row_id is None else self._rows[row_id][0]

    def count(self, bounds: Bounds) -> int:
        """How many of the rows lie in a range of seconds."""
        return sum(map(bounds.has, (second for second, _ in self._rows.values())))

    def lost(self, table: Table, newest_second: int | None = None) -> IncompleteScan:
        """The error where rows that were seen do not come again, or none come although there are newer ones."""
        field = self._axis.field
        if self.position is None:
            return IncompleteScan(
                f"{table.name} shows rows of the second {newest_second} (UNIX time of {field}), and none of those "
                "before; nothing was read."
            )
        return IncompleteScan(
            f"{table.name} does not show the rows of the second {self.position} (UNIX time of {field}) again; nothing "
            "after that second was read."
        )
