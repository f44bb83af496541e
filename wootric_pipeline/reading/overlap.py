"""The seconds before the cursor that each run reads again: rows in them that have not changed are not loaded again."""

import hashlib
import json
from base64 import b64encode
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

from ..tables import CURSOR, PRIMARY_KEY
from .listing import Page, Row

ROWS_MAX = 1_000
"""More are loaded again: a digest of each row goes to the destination with the state, in some 30 bytes."""
ROWS_NOTED_MAX = 4 * ROWS_MAX
DIGEST_BYTES = 9


class Overlap:
    """What was loaded of the rows that the next run will read again.

    Args:
        kept: What `kept` told when rows were loaded last; None if nothing was.
        shape: Tells apart what changes the form in which rows are loaded: of rows in another form nothing is known.
        lookback: How far before its cursor a run begins.
        dropped: Columns that nobody is to see, not even by a digest with which a guess could be compared.
        key: Of the digests, where nobody without it shall compare guesses; else empty.

    Attributes:
        compares: Whether all rows that are read again are known, so that any other is new or has changed.
    """

    def __init__(
        self,
        kept: Mapping[str, Any] | None,
        shape: str,
        lookback: timedelta,
        dropped: Collection[str] = (),
        key: bytes = b"",
    ) -> None:
        self._key = key
        self._shape = digest(shape)
        self._known: dict[str, str] = dict(kept["rows"]) if kept and kept["shape"] == self._shape else {}
        self.compares = 0 < len(self._known) < ROWS_MAX
        self._lookback = lookback
        self._dropped = frozenset(dropped)
        self._unchanged: dict[int, datetime] = {}
        self._noted: dict[int, Row] = {}
        self._doubtful: set[int] = set()
        self._oldest: datetime | None = None

    def parted(self, rows: Page) -> tuple[Page, Page]:
        """The rows that have to be loaded, and those that were loaded as they are."""
        if not self._known:
            return rows, Page()
        changed, unchanged = Page(), Page()
        for row in rows:
            (unchanged if self._is_loaded(row) else changed).append(row)
        return changed, unchanged

    def _is_loaded(self, row: Row) -> bool:
        key, row_id = str(row[PRIMARY_KEY]), row[PRIMARY_KEY]
        if (known := self._known.get(key)) is None:
            return False
        if known == self._digest_of(row):
            self._unchanged[row_id] = row[CURSOR]
            return True
        if row_id in self._unchanged and row[CURSOR] < self._unchanged[row_id]:
            # An older version would take the place of the one that is there.
            return True
        # From now on, what comes of it has to compete with this one.
        del self._known[key]
        return False

    def note(self, rows: Page, cursor: datetime | None = None) -> None:
        """Notes rows that are loaded as they are, by now or with what is committed next.

        Args:
            rows: Which.
            cursor: Where the next run begins at the earliest, but for the lookback.
        """
        if cursor is not None and (self._oldest is None or self._begin(cursor) > self._oldest):
            self._oldest = self._begin(cursor)
        for row in rows:
            row_id, updated = row[PRIMARY_KEY], row[CURSOR]
            noted = self._noted.get(row_id)
            if noted is not None and updated <= noted[CURSOR]:
                if row != noted:
                    # Which of the two is in the destination, depends on it.
                    self._doubtful.add(row_id)
            elif self._oldest is None or updated >= self._oldest:
                self._noted[row_id] = row
        if len(self._noted) > ROWS_NOTED_MAX:
            newest = self._newest(self._noted.values())
            self._oldest = newest[-1][CURSOR]
            self._noted = {row[PRIMARY_KEY]: row for row in newest}

    def kept(self, cursor: datetime | None, *, is_complete: bool) -> dict[str, Any]:
        """What to keep for the next run, to be committed with the rows; nothing before there is a cursor.

        Args:
            cursor: Where that run begins, but for the lookback.
            is_complete: Whether all that was to be read has been. Else rows that have not come again are still loaded.
        """
        if cursor is None:
            return {}
        begin = self._begin(cursor)
        rows = self._newest(row for row in self._noted.values() if row[CURSOR] >= begin)
        digests = {
            str(row[PRIMARY_KEY]): self._digest_of(row) for row in rows if row[PRIMARY_KEY] not in self._doubtful
        }
        if not is_complete:
            doubtful = set(map(str, self._doubtful))
            others = [each for each in self._known.items() if each[0] not in digests and each[0] not in doubtful]
            digests.update(others[: ROWS_MAX - len(digests)])
        # In one order, since a state that is the same is not written again.
        return {"shape": self._shape, "rows": dict(sorted(digests.items()))} if digests else {}

    def _begin(self, cursor: datetime) -> datetime:
        return (cursor - self._lookback).replace(microsecond=0)

    def _newest(self, rows: Any) -> Page:
        return sorted(rows, key=itemgetter(CURSOR), reverse=True)[:ROWS_MAX]

    def _digest_of(self, row: Row) -> str:
        return digest({name: value for name, value in row.items() if name not in self._dropped}, self._key)


def without(kept: Mapping[str, Any] | None, ids: Collection[int]) -> dict[str, Any]:
    """What `Overlap.kept` told, without rows of some ids: they are loaded when they come again as they were.

    Args:
        kept: What it told; None if it told nothing.
        ids: Of the rows.
    """
    gone = set(map(str, ids))
    rows = {row_id: content for row_id, content in kept["rows"].items() if row_id not in gone} if kept else {}
    return {**kept, "rows": rows} if kept and rows else {}


def digest(content: Any, key: bytes = b"") -> str:
    """Tells the content of a row from others; with a key, nobody without it can compare guesses."""
    text = json.dumps(content, sort_keys=True, default=str)
    return b64encode(hashlib.blake2b(text.encode(), digest_size=DIGEST_BYTES, key=key).digest()).decode()
