"""The account a sandbox serves: rows in the order of each of their sort keys.

Nothing here is shared with the loader. Times are integers, microseconds since 1970 in UTC: the service, too, stores
fractions of a second that it does not show.
"""

import threading
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from ..tables import TABLES

Row = dict[str, Any]
Key = tuple[Any, int]

SECOND = 1_000_000


class Account:
    """Lists of rows in memory, ordered by each of their sort keys.

    Every method may be called while a server reads from the account.

    Args:
        time_zone: In which times are shown, an IANA name.

    Attributes:
        segments, survey_templates, email_sources: What the account is set up with; the first template is the default.
    """

    def __init__(self, time_zone: str = "America/Los_Angeles") -> None:
        self.time_zone = ZoneInfo(time_zone)
        self.rows: dict[str, dict[int, Row]] = {name: {} for name in TABLES}
        self.segments: list[Row] = []
        self.survey_templates: list[Row] = []
        self.email_sources: dict[str, list[Row]] = {"ongoing": [], "sends": []}
        self.lock = threading.RLock()
        self._orders: dict[str, dict[str, list[Key]]] = {
            name: {key: [] for key in ("created_at", "updated_at", "email")} for name in TABLES
        }

    def put(self, table: str, row: Row) -> Row:
        """Adds a row, or replaces the one with its id."""
        with self.lock:
            self.delete(table, row["id"])
            self.rows[table][row["id"]] = row
            for key, order in self._orders[table].items():
                insort(order, _key(row, key))
            return row

    def fill(self, table: str, rows: Iterable[Row]) -> None:
        """Adds many new rows at once."""
        with self.lock:
            self.rows[table].update((row["id"], row) for row in rows)
            for key, order in self._orders[table].items():
                order[:] = sorted(_key(row, key) for row in self.rows[table].values())

    def change(self, table: str, row_id: int, at: int, **fields: Any) -> Row:
        """Updates a row at a moment in microseconds."""
        with self.lock:
            return self.put(table, {**self.rows[table][row_id], **fields, "updated_at": at})

    def delete(self, table: str, row_id: int) -> None:
        """Removes a row, if there is one with the id."""
        with self.lock:
            row = self.rows[table].pop(row_id, None)
            if row is not None:
                for key, order in self._orders[table].items():
                    del order[bisect_left(order, _key(row, key))]

    def query(
        self,
        table: str,
        ranges: dict[str, tuple[int, int]],
        sort_key: str,
        descending: bool,
        matches: Callable[[Row], bool] | None = None,
    ) -> Iterator[Row]:
        """Rows whose times lie in closed-open ranges of microseconds, in order; call it with the lock held."""
        rows, orders = self.rows[table], self._orders[table]
        slices = {
            key: (bisect_left(orders[key], (low,)), bisect_left(orders[key], (high,)))
            for key, (low, high) in ranges.items()
        }
        first, last = slices.get(sort_key, (0, len(rows)))
        in_order: Iterable[Key] = (
            orders[sort_key][index] for index in (range(last - 1, first - 1, -1) if descending else range(first, last))
        )
        narrowest = min(slices, key=lambda key: slices[key][1] - slices[key][0], default=sort_key)
        if narrowest != sort_key and (slices[narrowest][1] - slices[narrowest][0]) * 4 < last - first:
            start, end = slices[narrowest]
            ids = [row_id for _, row_id in orders[narrowest][start:end]]
            in_order = sorted((_key(rows[row_id], sort_key) for row_id in ids), reverse=descending)
        for _, row_id in in_order:
            row = rows[row_id]
            if all(low <= row[key] < high for key, (low, high) in ranges.items()) and (matches is None or matches(row)):
                yield row

    def created(self, table: str) -> list[Key]:
        """When rows were created, and their ids, in order."""
        return self._orders[table]["created_at"]

    def shown(self, row: Row) -> Row:
        """A row as the API shows it: whole seconds, in the account's time zone."""
        return {
            **row,
            **{
                key: self._show(row[key])
                for key in ("created_at", "updated_at", "last_surveyed", "last_seen_at")
                if row.get(key)
            },
        }

    def _show(self, moment: int) -> str:
        text = datetime.fromtimestamp(moment // SECOND, self.time_zone).isoformat(" ")
        return f"{text[:19]} {text[19:22]}{text[23:]}"


def _key(row: Row, key: str) -> Key:
    value = row.get(key)
    return (value.lower() if isinstance(value, str) else (value or ("" if key == "email" else 0)), row["id"])
