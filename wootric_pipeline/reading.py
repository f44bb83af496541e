"""Reads the tables of one account for dlt: decides how each can be read, reads ahead, and moves the cursor.

The cursor is dlt's own (`dlt.sources.incremental`), moved by this room alone: a page's last time is committed with
the page where rows come in the order of the cursor, and only after the last page where they do not.
"""

import queue
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import dlt

from .client import Client
from .errors import AuthenticationFailed, ConfigurationError, UnexpectedAnswer, WootricError
from .records import to_record
from .report import Mode, Run, TableRun
from .scan import CREATED, UPDATED, Bounds, OrderIgnored, Page, Scan, honours_updated
from .tables import CURSOR, Table

LOOK_AHEAD_PAGES = 8
SECONDS_PER_DAY = 86_400

Cursor = dlt.sources.incremental[datetime]


class Batch(NamedTuple):
    """Rows, and how far the cursor may move once they are committed; None leaves it where it is."""

    rows: Page
    cursor: datetime | None


def check(client: Client, table: Table) -> Mode:
    """Asks a table for one row and tells along which time it will be read; see `Client.get` for what it raises."""

    def fetch(params: Mapping[str, str | int]) -> Page:
        return [to_record(table, row) for row in client.get(table.path, params)]

    fetch({"per_page": 1})
    return "updated" if honours_updated(fetch) else "created"


@dataclass(frozen=True)
class Span:
    """What a run wants of a table, in UNIX seconds, closed-open on `updated_at`.

    Attributes:
        since: Where to begin.
        until: Where to end; None is the start of the reading, by the server's clock.
        created_since: Where to begin on `created_at`, should the list have to be read along that.
    """

    since: int
    until: int | None
    created_since: int


class Reading:
    """The tables of one account, read completely.

    Args:
        client: Asks the API.
        run: Takes note of what is done, and says when to pause.
        rescan_days: How far back to look, in days of `created_at`, on lists that do not honour `updated`; None is
            all history.
    """

    def __init__(self, client: Client, run: Run, rescan_days: int | None = None) -> None:
        self._client = client
        self._run = run
        self._rescan_days = rescan_days
        self._paused: dict[str, tuple[datetime, Iterator[Batch]]] = {}

    def pages(self, table: Table, cursor: Cursor) -> Iterator[Page]:
        """The pages dlt shall load now, moving the cursor along with them.

        Where the run pauses, the next call for the same table goes on behind the last page, provided that page's
        commit has come about; else it begins at the cursor again.

        Raises:
            WootricError: The table cannot be read to its end. A run that isolates tables gets it in its notes.
        """
        cursor.advance(None)  # type: ignore[arg-type]  # None only turns off dlt's own filter
        committed: datetime | None = cursor.get_state()["last_value"]
        notes = self._run.table(table.name)
        notes.begin(committed)
        batches = self._resumed(table, committed) or _read_ahead(self._batches(table, _span(cursor), notes))
        try:
            for batch in batches:
                if batch.rows:
                    notes.rows += len(batch.rows)
                    yield batch.rows
                if batch.cursor is not None and (committed is None or batch.cursor > committed):
                    cursor.advance(batch.cursor)
                    notes.cursor_after = batch.cursor
                    if self._run.pause_due():
                        self._paused[table.name] = (batch.cursor, batches)
                        return
        except (AuthenticationFailed, ConfigurationError):
            raise
        except WootricError as error:
            if not self._run.isolates_tables:
                raise
            notes.error = str(error)
            return
        notes.complete = True
        if committed is None and notes.cursor_after is None:
            # The table and its columns shall exist although it has never had a row.
            yield dlt.mark.materialize_table_schema()

    def _resumed(self, table: Table, committed: datetime | None) -> Iterator[Batch] | None:
        at, batches = self._paused.pop(table.name, (None, None))
        return batches if at is not None and at == committed else None

    def _batches(self, table: Table, span: Span, notes: TableRun) -> Iterator[Batch]:
        def fetch(params: Mapping[str, str | int]) -> Page:
            notes.requests += 1
            return [to_record(table, row) for row in self._client.get(table.path, params)]

        honours = honours_updated(fetch)
        now = int(self._client.server_now())
        updated = Bounds(UPDATED, span.since, now if span.until is None else min(span.until, now))
        notes.mode = "updated" if honours else "created"
        scan = Scan(table, fetch)
        if honours:
            try:
                for page in scan.pages(updated, Bounds(CREATED, 0)):
                    yield Batch(page, max(row[CURSOR] for row in page))
                return
            except OrderIgnored as ignored:
                updated = Bounds(UPDATED, ignored.second, updated.until)
                notes.mode = "created"
        yield from self._along_created(table, scan, updated, 0 if honours else self._created_since(span, now), honours)

    def _created_since(self, span: Span, now: int) -> int:
        if self._rescan_days is None:
            return span.created_since
        return max(span.created_since, now - self._rescan_days * SECONDS_PER_DAY)

    def _along_created(
        self, table: Table, scan: Scan, updated: Bounds, created_since: int, honours_updated: bool
    ) -> Iterator[Batch]:
        """Rows in the order of their creation; what lies outside the range of updates is read and left out.

        A row updated after the reading began is left out, too: kept, it would move the cursor past the updates
        meanwhile of rows that were already read.
        """
        newest: datetime | None = None
        try:
            for page in scan.pages(
                Bounds(CREATED, created_since, updated.until), *([updated] if honours_updated else [])
            ):
                wanted = [row for row in page if updated.holds(row)]
                newest = max([row[CURSOR] for row in wanted] + ([newest] if newest else []), default=None)
                yield Batch(wanted, None)
        except OrderIgnored:
            raise UnexpectedAnswer(f"Wootric sorts {table.name} neither by updated_at nor by created_at.") from None
        yield Batch([], newest)


def _span(cursor: Cursor) -> Span:
    initial, start, end = cursor.initial_value, cursor.start_value, cursor.end_value
    return Span(
        since=int(start.timestamp()) if start else 0,
        until=int(end.timestamp()) if end else None,
        # A range in the past says when rows were updated, which leaves open when they were created.
        created_since=int(initial.timestamp()) if initial and not end else 0,
    )


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
