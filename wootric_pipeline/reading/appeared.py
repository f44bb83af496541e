"""Finds rows that have appeared in a part of a list that was read before, with times older than that reading.

Neither their times nor their ids tell them from rows that were there. What tells is the sum of ids that the part had:
where another one comes, whether by a row more or one less, all of its rows are loaded again.
"""

from collections.abc import Iterable
from itertools import accumulate
from typing import NamedTuple

from ..tables import PRIMARY_KEY
from .history import SUMS, History, sum_of_ids
from .listing import CREATED, Page, Row


class Compared(NamedTuple):
    """Rows of intervals that have been read to their end.

    Attributes:
        rows: All of them.
        to_load: Those that may have appeared, and that are not loaded otherwise.
    """

    rows: Page
    to_load: Page


class Appeared:
    """Compares the rows of a range, in the order of their creation, with what was known of each interval in it.

    Args:
        history: What was known.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._number: int | None = None
        self._closed: int | None = None
        self._rows: dict[int, tuple[Row, bool]] = {}

    @property
    def since(self) -> int | None:
        """Where the interval begins whose end has not been reached, UNIX seconds; None if there is none."""
        return None if self._number is None else self._history.intervals[self._number].since

    def take(self, rows: Iterable[tuple[Row, bool]]) -> Compared:
        """Takes further rows, each with whether it is loaded already."""
        compared = Compared([], [])
        for row, is_loaded in self._further(rows):
            second = CREATED.second(row)
            number = self._history.number_at(second)
            interval = self._history.intervals[number]
            is_known = interval.reading is not None and interval.ids is not None and second < interval.reading.began
            if is_known and self._closed is not None and number <= self._closed:
                # It was counted when its interval was read; that it has changed since is loaded by its time.
                continue
            if self._number is not None and (number != self._number or not is_known):
                self._close(compared)
            if is_known:
                self._number = number
                self._rows[row[PRIMARY_KEY]] = row, is_loaded
            else:
                compared.rows.append(row)
        return compared

    def _further(self, rows: Iterable[tuple[Row, bool]]) -> list[tuple[Row, bool]]:
        """Those that are not among the rows of the interval at hand, once each: one that changes comes again, newer."""
        further: dict[int, tuple[Row, bool]] = {}
        for row, is_loaded in rows:
            known = self._rows if row[PRIMARY_KEY] in self._rows else further
            _, was_loaded = known.get(row[PRIMARY_KEY], (row, False))
            known[row[PRIMARY_KEY]] = row, is_loaded or was_loaded
        return sorted(further.values(), key=lambda each: CREATED.second(each[0]))

    def end(self) -> Compared:
        """Ends the range."""
        compared = Compared([], [])
        if self._number is not None:
            self._close(compared)
        return compared

    def forget(self) -> None:
        """Gives up the interval whose end has not been reached; another range may follow."""
        self._number, self._closed = None, None
        self._rows.clear()

    def _close(self, compared: Compared) -> None:
        compared.rows.extend(row for row, _ in self._rows.values())
        if self._number is not None and not self._explains(self._history.intervals[self._number].ids):
            compared.to_load.extend(row for row, is_loaded in self._rows.values() if not is_loaded)
        self._number, self._closed = None, self._number
        self._rows.clear()

    def _explains(self, known: int | None) -> bool:
        """Whether these rows were there; those with the highest ids that are loaded anyway may be new."""
        found = sum_of_ids(row[PRIMARY_KEY] for row, _ in self._rows.values())
        loaded = sorted((row[PRIMARY_KEY] for row, is_loaded in self._rows.values() if is_loaded), reverse=True)
        without = accumulate(loaded, lambda left, row_id: (left - sum_of_ids([row_id])) % SUMS, initial=found)
        return any(known == each for each in without)
