"""The seconds before the cursor that each run reads again: rows in them that have not changed are not loaded again."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from ..tables import CURSOR, PRIMARY_KEY
from .listing import Page, Row

ROWS_MAX = 1_000
"""More are loaded again: what is kept of each row goes to the destination with the state."""
DIGEST_BYTES = 9


class Overlap:
    """What was loaded of the rows that the next run will read again.

    Args:
        kept: What the runs before have kept; None if there is nothing.
        shape: Tells apart what changes the form in which rows are loaded: kept of another one, nothing is known.
        lookback: How far before its cursor a run begins.
    """

    def __init__(self, kept: Mapping[str, Any] | None, shape: str, lookback: timedelta) -> None:
        self._shape = hashlib.blake2b(shape.encode(), digest_size=DIGEST_BYTES).hexdigest()
        self._known: Mapping[str, str] = kept["rows"] if kept and kept["shape"] == self._shape else {}
        self._lookback = lookback
        self._newest: datetime | None = None
        self._rows: OrderedDict[str, Row] = OrderedDict()

    def parted(self, rows: Page) -> tuple[Page, Page]:
        """The rows that have to be loaded, and those that were loaded as they are."""
        if not self._known:
            return rows, []
        changed, unchanged = Page(), Page()
        for row in rows:
            is_known = self._known.get(str(row[PRIMARY_KEY])) == _digest(row)
            (unchanged if is_known else changed).append(row)
        return changed, unchanged

    def note(self, rows: Page) -> None:
        """Notes rows that are loaded as they are, by now or with what is committed next."""
        for row in rows:
            if self._newest is None or row[CURSOR] > self._newest:
                self._newest = row[CURSOR]
            if row[CURSOR] >= self._newest - self._lookback:
                key = str(row[PRIMARY_KEY])
                self._rows[key] = row
                self._rows.move_to_end(key)
        while len(self._rows) > ROWS_MAX:
            self._rows.popitem(last=False)

    def kept(self, cursor: datetime | None) -> dict[str, Any]:
        """What to keep for the run that begins at a cursor; nothing before there is one."""
        begin = None if cursor is None else cursor - self._lookback
        rows = {key: _digest(row) for key, row in self._rows.items() if begin is not None and row[CURSOR] >= begin}
        # In one order, since a state that is the same is not written again.
        return {"shape": self._shape, "rows": dict(sorted(rows.items()))} if rows else {}


def _digest(row: Row) -> str:
    text = json.dumps(row, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=DIGEST_BYTES).hexdigest()
