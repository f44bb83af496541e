"""Reads the tables of one account for dlt: reads ahead of it, moves the cursor, pauses for commits.

The cursor is dlt's own (`dlt.sources.incremental`), moved by this room alone: a page's last time is committed with
the page where rows come in the order of the cursor, and only after the last page where they do not.
"""

import queue
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import dlt

from .client import Client
from .errors import AuthenticationFailed, ConfigurationError, WootricError
from .records import to_record
from .report import Mode, Run, TableRun
from .scan import Batch, Page, Params, Scan, Span, honours_updated
from .tables import CURSOR, PRIMARY_KEY, Table

LOOK_AHEAD_PAGES = 8

Cursor = dlt.sources.incremental[datetime]


def check(client: Client, table: Table) -> Mode:
    """Asks a table for one row and tells along which time it will be read; see `Client.get` for what it raises."""

    def fetch(params: Params) -> Page:
        return [to_record(table, row) for row in client.get(table.path, params)]

    fetch({"per_page": 1})
    return "updated" if honours_updated(fetch) else "created"


class Reading:
    """The tables of one account, read completely.

    Args:
        client: Asks the API.
        run: Takes note of what is done, and says when to pause.
        lookback_seconds: How far before its cursor a table is read.
        rescan_days: How far back to look, in days of `created_at`, on lists that do not honour `updated`; None is
            all history.
    """

    def __init__(
        self, client: Client, run: Run, *, lookback_seconds: int = 300, rescan_days: int | None = None
    ) -> None:
        self._lookback = timedelta(seconds=lookback_seconds)
        self._client = client
        self.run = run
        self._rescan_days = rescan_days
        self._held: dict[str, datetime] = {}
        self._paused: dict[str, tuple[datetime, Iterator[Batch]]] = {}

    def pages(self, table: Table, cursor: Cursor, *, once: bool = False) -> Iterator[Page | None]:
        """The pages dlt shall load now, moving the cursor along with them.

        Where the run pauses, the next call for the same table goes on behind the last page, provided that page's
        commit has come about; else it begins at the cursor again.

        Args:
            table: Which.
            cursor: dlt's, bound to the table's resource.
            once: Leave a second version of a row out of a load, because the destination cannot take it, and keep the
                cursor before it, so that the next run brings it.

        Raises:
            WootricError: The table cannot be read to its end. A run that isolates tables gets it in its notes.
        """
        cursor.advance(None)  # type: ignore[arg-type]  # None only turns off dlt's own filter
        committed: datetime | None = cursor.get_state()["last_value"]
        notes = self.run.table(table.name)
        notes.begin(None if cursor.end_value else committed)
        batches = self._resumed(table, committed) or _read_ahead(self._batches(table, self._span(cursor), notes))
        reached: datetime | None = None
        # Nothing yet: dlt turns to the other tables, whose readings then begin, too, before it waits for this one.
        yield None
        try:
            loaded: set[int] = set()
            for batch in batches:
                rows = self._not_in(loaded, table, batch.rows) if once else batch.rows
                if rows:
                    notes.rows += len(rows)
                    yield rows
                if batch.cursor is not None and self._may_move(table, committed, batch.cursor):
                    reached = max(reached or batch.cursor, batch.cursor)
                    notes.cursor_after = None if cursor.end_value else batch.cursor
                    if self.run.pause_due() and cursor.end_value is None:
                        self._paused[table.name] = (batch.cursor, batches)
                        return
        except (AuthenticationFailed, ConfigurationError):
            raise
        except WootricError as error:
            if not self.run.isolates_tables:
                raise
            notes.error = str(error)
            return
        finally:
            # Once, since dlt parses the cursor's path each time; also where dlt closes this for a limit.
            if reached is not None:
                cursor.advance(reached)
        notes.complete = True
        if reached is None and committed == cursor.get_state()["initial_value"]:
            # The table and its columns shall exist although it has never had a row.
            yield dlt.mark.materialize_table_schema()

    def _not_in(self, loaded: set[int], table: Table, rows: Page) -> Page:
        fresh = []
        for row in rows:
            if row[PRIMARY_KEY] in loaded:
                held = self._held.get(table.name, row[CURSOR])
                self._held[table.name] = min(held, row[CURSOR])
            else:
                loaded.add(row[PRIMARY_KEY])
                fresh.append(row)
        return fresh

    def _may_move(self, table: Table, committed: datetime | None, to: datetime) -> bool:
        held = self._held.get(table.name)
        return (committed is None or to > committed) and (held is None or to < held)

    def _span(self, cursor: Cursor) -> Span:
        state, end = cursor.get_state(), cursor.end_value
        first, committed = state["initial_value"], state["last_value"]
        # The start of the first run, not what the setting says by now: moved on, it would leave rows out.
        since = max(committed - self._lookback, first or committed - self._lookback) if committed else first
        return Span(
            since=int(since.timestamp()) if since else 0,
            until=int(end.timestamp()) if end else None,
            # A range in the past says when rows were updated, which leaves open when they were created.
            created_since=int(first.timestamp()) if first and not end else 0,
            rescan_days=self._rescan_days,
        )

    def _resumed(self, table: Table, committed: datetime | None) -> Iterator[Batch] | None:
        at, batches = self._paused.pop(table.name, (None, None))
        return batches if at is not None and at == committed else None

    def _batches(self, table: Table, span: Span, notes: TableRun) -> Iterator[Batch]:
        def fetch(params: Params) -> Page:
            notes.requests += 1
            return [to_record(table, row) for row in self._client.get(table.path, params)]

        scan = Scan(table, fetch)
        for batch in scan.read(span, self._client.server_now):
            notes.mode = scan.mode
            yield batch
        notes.mode = scan.mode


def _read_ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The same batches, read by a thread of its own, at most `LOOK_AHEAD_PAGES` ahead."""
    ready: queue.Queue[Any] = queue.Queue(LOOK_AHEAD_PAGES)
    abandoned = threading.Event()

    def read() -> None:
        last: BaseException | None = None
        try:
            for batch in batches:
                if not _put(ready, batch, abandoned):
                    return
        except BaseException as error:
            last = error
        _put(ready, last, abandoned)

    threading.Thread(target=read, name="wootric-read-ahead", daemon=True).start()
    try:
        while isinstance(item := ready.get(), Batch):
            yield item
    finally:
        abandoned.set()
    if item is not None:
        raise item


def _put(ready: "queue.Queue[Any]", item: Any, abandoned: threading.Event) -> bool:
    while not abandoned.is_set():
        try:
            ready.put(item, timeout=0.5)
            return True
        except queue.Full:
            pass
    return False
