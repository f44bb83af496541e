"""Reads the tables of one account for dlt: reads ahead of it, moves the cursor, pauses for commits.

The cursor is dlt's own (`dlt.sources.incremental`), moved by this module only: a page's last time is committed with
the page where rows come in the order of the cursor, and only after the last page where they do not. There the state
keeps how far the reading has come, so that a run that is broken off need not begin again.
"""

import logging
import threading
from collections import Counter, defaultdict
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

import dlt

from ..api.client import Client
from ..dlt_internals import (
    Cursor,
    committed_cursor,
    first_start,
    let_all_rows_pass,
    move_cursor,
    move_start_back,
    raise_if_signalled,
    show_wait,
)
from ..errors import (
    AuthenticationFailed,
    ConfigurationError,
    HostUnreachable,
    ListRefused,
    WootricError,
)
from ..records import foreign, usable
from ..tables import CURSOR, END_USERS, PRIMARY_KEY, RESPONSES, Table
from .history import DEFAULT_PACE, History, Pace
from .last_responses import LastResponses, newest
from .listing import Listing, Page, Params
from .notes import TableNotes
from .offsets import Offsets
from .overlap import Overlap
from .pool import Pool
from .progress import Progress, kept_without
from .row_filter import ALL, RowFilter
from .scan import Batch, Clocks, Scan
from .span import Span
from .supervision import Supervision

LOOK_AHEAD_PAGES = 240
"""Of all tables, read and not yet taken."""
HISTORY, EMPTY, OVERLAP, ASKED, OFFSETS = "history", "empty", "overlap", "asked", "offsets"
FORMER = ("halfway",)
"""What former versions kept in the state of a table."""

OF_ALL = (AuthenticationFailed, ConfigurationError, HostUnreachable)
"""What stops one table stops all."""

RATE_LIMIT_WAIT = "Seconds waited for Wootric's rate limit"
RETRY_WAIT = "Seconds waited for Wootric to answer"
"""Counters of dlt's progress display."""

log = logging.getLogger("wootric_pipeline.reading")


@dataclass
class _Reading:
    """One reading of a table, which may pause.

    Attributes:
        batches: What is read.
        overlap: What is known of the rows that come again.
        wanted: What of its rows is loaded.
        has_ended: Whether all that was to be read has been.
        progress: How far it has come along `created_at`, if that is the way.
    """

    batches: Generator[Batch | None, None, None]
    overlap: Overlap
    wanted: RowFilter
    has_ended: bool = False
    progress: Progress | None = None


class Rereading(NamedTuple):
    """How to read what was read before.

    Attributes:
        lookback_seconds: How far before its cursor a table is read.
        pace: How stale rows may become on lists that do not honour `updated`.
        last_responses_max: How many responses to ask for by their ids there.
        row_shape: Tells settings apart that change the form in which rows are loaded.
        digest_key: Of digests in the state, where values are hashed with a key; else empty.
    """

    lookback_seconds: int = 300
    pace: Pace = DEFAULT_PACE
    last_responses_max: int = 0
    row_shape: str = ""
    digest_key: bytes = b""


class Reader:
    """The tables of one account, read completely.

    Args:
        client: Asks the API.
        supervision: Takes note of what is done, and says when to pause.
        how: To read what was read before.
    """

    is_whole = True
    """Whether tables are complete once they are read."""

    def __init__(self, client: Client, supervision: Supervision, how: Rereading) -> None:
        self._how = how
        self._lookback = timedelta(seconds=how.lookback_seconds)
        self.client = client
        self.notes = supervision.notes
        self._checkpoint = supervision.checkpoint
        self._last_responses = LastResponses(how.last_responses_max, client.get_one, how.digest_key)
        self._active: set[str] = set()
        self._postponed: dict[str, datetime] = {}
        self._waits_shown: Counter[str] = Counter()
        self._pool = Pool(client.connections, LOOK_AHEAD_PAGES)
        self._counting = threading.Lock()
        self._paused: dict[str, _Reading] = {}
        self._offsets = defaultdict[str, Offsets](Offsets)
        self._checkpoint.on_end(self._give_up_paused)

    def pages(
        self, table: Table, cursor: Cursor, wanted: RowFilter = ALL, *, once: bool = False
    ) -> Iterator[Page | None]:
        """The pages dlt shall load now, moving the cursor along with them.

        Where the checkpoint is due, the next call for the same table goes on behind the last page: whoever began it
        commits that page before, or ends the checkpoint.

        Args:
            table: Which.
            cursor: dlt's, bound to the table's resource.
            wanted: What of the rows is loaded.
            once: Leave a second version of a row out of a load, because the destination cannot take it, and keep the
                cursor before it, so that the next run brings it.

        Raises:
            WootricError: The table cannot be read to its end. A run that isolates tables gets it in its notes.
        """
        let_all_rows_pass(cursor)
        move_start_back(cursor)
        committed, backfill = committed_cursor(cursor), cursor.end_value is not None
        state = {} if backfill else dlt.current.resource_state(table.name)
        notes = self.notes.table(table.name)
        notes.begin(None if backfill else committed)
        was_empty = EMPTY in state
        reading = self._paused.pop(table.name, None) or self._begun(table, cursor, state, wanted)
        reached: datetime | None = None
        self._active.add(table.name)
        try:
            loaded: dict[int, datetime] = {}
            for batch in self._awaited(reading.batches):
                if batch is None:
                    yield None
                    continue
                if rows := self._to_load(batch, reading, table, loaded if once else None):
                    yield rows
                reading.progress = batch.progress
                reached = self._moved(table, committed, reached, batch.cursor)
                reading.overlap.note(rows, reached or committed)
                if self._checkpoint.is_due() and (reached or batch.progress):
                    self._paused[table.name] = reading
                    return
            yield from self._asked_for(table, state, reading)
            _note_end(reading, state, is_empty=committed is None and reached is None and notes.found_none)
            self._end(table, notes, reading.progress)
        except WootricError as error:
            self._end(table, notes, error=error)
        finally:
            # Also where dlt closes this for a limit.
            self._active.discard(table.name)
            self._leave(table, cursor, reading, reached, committed)
        if reached is None and notes.complete and committed is None and not was_empty:
            # The table and its columns shall exist although it has never had a row.
            yield dlt.mark.materialize_table_schema()

    def _asked_for(self, table: Table, state: dict[str, Any], reading: _Reading) -> Iterator[Page | None]:
        """Responses that `end_users` tells of and that no page has shown like that; none in a first load."""
        progress = reading.progress
        if table.name != RESPONSES.name or HISTORY not in state or progress is None:
            return
        notes = self.notes.table(table.name)
        while END_USERS.name in self._active:
            yield None
        kept, rows = dict(state.get(ASKED, {})), Page()
        try:
            for page in self._last_responses.pages(kept, reading.wanted):
                notes.requests += 1
                # What has not changed since the list was read is loaded, or was newer then.
                rows += filter(progress.is_changed, page)
                yield None
        except WootricError as refused:
            notes.requests += 1
            self.notes.warn(f"{refused} No more responses were asked for by their ids; their list is complete.")
        if rows:
            notes.count(rows, are_compared=True)
            notes.rows_by_id += len(rows)
            yield rows
        if kept:
            state[ASKED] = newest(kept)

    def _begun(self, table: Table, cursor: Cursor, state: Mapping[str, Any], wanted: RowFilter) -> _Reading:
        span = self._span(cursor, state.get(HISTORY), known_empty=EMPTY in state)
        self._offsets[table.name] = Offsets(state.get(OFFSETS))
        batches = self.batches(table, span, wanted)
        how = self._how
        overlap = Overlap(state.get(OVERLAP), how.row_shape, self._lookback, wanted.dropped, how.digest_key)
        return _Reading(batches, overlap, wanted)

    def _leave(
        self, table: Table, cursor: Cursor, reading: _Reading, reached: datetime | None, committed: datetime | None
    ) -> None:
        """Moves the cursor to where a reading has come, and ends that unless it is to go on."""
        backfill = cursor.end_value is not None
        if table.name not in self._paused:
            reading.batches.close()
        if reached is not None:
            move_cursor(cursor, reached)
            self.notes.table(table.name).cursor_after = None if backfill else reached
        self._keep_overlap(table, reading, reached or committed, backfill=backfill)
        self._keep_history(table, reading, backfill=backfill)

    def _end(
        self,
        table: Table,
        notes: TableNotes,
        progress: Progress | None = None,
        error: WootricError | None = None,
    ) -> None:
        """Notes how a reading has ended; raises the error, unless it leaves the other tables alone."""
        if error is None:
            notes.complete = not notes.left_out
            notes.listed = progress.listed if progress and notes.complete else None
            notes.error = notes.left_out_sentence(table.name)
            how = "completely" if notes.complete else "to its end"
            log.info("%s: read %s; %s rows with %s requests.", table.name, how, notes.rows, notes.requests)
            if notes.error is not None:
                log.warning(notes.error)
            return
        is_of_all = isinstance(error, OF_ALL) and not isinstance(error, ListRefused)
        if is_of_all or not self.notes.isolates_tables:
            raise error
        notes.error = str(error)
        self.notes.needs_change |= isinstance(error, ListRefused)
        log.warning("%s: cannot be read completely. %s", table.name, error)

    def _to_load(self, batch: Batch, reading: _Reading, table: Table, loaded: dict[int, datetime] | None) -> Page:
        """Those of a batch that were not loaded as they are, counted; with `loaded`, of each row one version."""
        notes = self.notes.table(table.name)
        rows, unchanged = reading.overlap.parted(list(filter(reading.wanted.keeps, batch.rows)))
        notes.rows_unchanged += len(unchanged)
        reading.overlap.note(unchanged)
        rows = rows if loaded is None else self._not_in(loaded, table, rows)
        # Along creation, rows come by when their part of the list was read, and not by the cursor.
        notes.count(rows, are_compared=reading.overlap.compares or batch.progress is not None)
        self._checkpoint.count(table.name, len(rows))
        return rows

    def _keep_overlap(self, table: Table, reading: _Reading, cursor: datetime | None, *, backfill: bool) -> None:
        """Keeps in the state what the next run has to know of the rows that come again."""
        if backfill and not self.notes.table(table.name).rows:
            return
        state = dlt.current.resource_state(table.name)
        state.pop(OVERLAP, None)
        if not backfill and (noted := self._offsets[table.name].noted):
            state[OFFSETS] = noted
        # What a backfill loads may be older than what was known, or have another form.
        if not backfill and (kept := reading.overlap.kept(cursor, is_complete=reading.has_ended)):
            state[OVERLAP] = kept

    def _keep_history(self, table: Table, reading: _Reading, *, backfill: bool) -> None:
        """Keeps in the state when which part of the list was read; nothing where the cursor tells it."""
        if backfill:
            return
        state, notes = dlt.current.resource_state(table.name), self.notes.table(table.name)
        for former in FORMER:
            state.pop(former, None)
        before = History.of_state(state.pop(HISTORY)) if HISTORY in state else None
        kept = kept_without(before, has_ended=reading.has_ended, rows_answered=notes.rows_answered)
        if (progress := reading.progress) is not None:
            if (postponed := self._postponed.get(table.name)) is not None:
                progress.hold(postponed)
            kept = progress.kept(before, has_rows=bool(notes.rows), has_ended=reading.has_ended)
            notes.note_history(progress.history, progress.began)
        if kept is not None:
            state[HISTORY] = kept.as_state()

    def _not_in(self, loaded: dict[int, datetime], table: Table, rows: Page) -> Page:
        fresh = []
        for row in rows:
            if loaded.get(row[PRIMARY_KEY]) == row[CURSOR]:
                continue
            if row[PRIMARY_KEY] in loaded:
                oldest = self._postponed.get(table.name, row[CURSOR])
                self._postponed[table.name] = min(oldest, row[CURSOR])
            else:
                loaded[row[PRIMARY_KEY]] = row[CURSOR]
                fresh.append(row)
        return fresh

    def _moved(
        self, table: Table, committed: datetime | None, reached: datetime | None, to: datetime | None
    ) -> datetime | None:
        """Where the cursor may move by now: never back, and never past a version that was left out."""
        postponed, before = self._postponed.get(table.name), reached or committed
        if to is None or (before is not None and to <= before) or (postponed is not None and to >= postponed):
            return reached
        return to

    def _span(self, cursor: Cursor, kept: dict[str, Any] | None, *, known_empty: bool) -> Span:
        # The start of the first run, not what the setting says by now: moved on, it would leave rows out.
        first, committed, end = first_start(cursor), committed_cursor(cursor), cursor.end_value
        begin = _second(first)
        if end is not None:
            # A range in the past says when rows were updated, which leaves open when they were created.
            return Span(begin, _second(end), lookback_seconds=self._lookback.total_seconds())
        span = Span(
            created_since=begin,
            pace=self._how.pace,
            lookback_seconds=self._lookback.total_seconds(),
            known_empty=known_empty,
        )
        history = None if kept is None else History.of_state(kept)
        return span.behind(None if committed is None else committed.timestamp(), history, begin)

    def _give_up_paused(self) -> None:
        while self._paused:
            self._paused.popitem()[1].batches.close()

    def _awaited(self, batches: Iterator[Batch | None]) -> Iterator[Batch | None]:
        """The batches; None where dlt shall turn to the other tables meanwhile, whose readings then begin, too."""
        yield None
        for batch in batches:
            if batch is None:
                raise_if_signalled()
                self._show_waiting()
            yield batch

    def _show_waiting(self) -> None:
        """Tells dlt's progress display of waits for the rate limit, and before requests are repeated."""
        limit_seconds = self.client.rate_limit.waited_seconds
        waits = {RATE_LIMIT_WAIT: limit_seconds, RETRY_WAIT: self.client.waited_seconds - limit_seconds}
        for name, seconds in waits.items():
            if (new := int(seconds) - self._waits_shown[name]) > 0:
                show_wait(name, new)
                self._waits_shown[name] += new

    def batches(self, table: Table, span: Span, wanted: RowFilter = ALL) -> Generator[Batch | None, None, None]:
        """What a span of a table holds, whoever takes it; None where the next is not there yet. See `Scan.read`."""
        notes = self.notes.table(table.name)

        def fetch(params: Params) -> Page:
            with self._counting:
                notes.requests += 1
            elements = [wanted.left(row) for row in self.client.get(table.path, params, partial(foreign, table))]
            self._offsets[table.name].note(elements)
            rows, unusable = usable(table, elements)
            with self._counting:
                notes.note_page(len(elements), unusable)
                if span.known_until is not None:
                    # A first load brings all responses as they are.
                    self._last_responses.note(table.name, rows)
            return rows

        started = self.client.now()

        def clocks() -> Clocks:
            return Clocks(started + self.client.server_ahead_seconds, started)

        def may_split() -> bool:
            # Where the API limits requests, more at once are no faster.
            return self.client.connections > 1 and not self.client.rate_limit.stated

        log.info("%s: reads %s.", table.name, span)
        scan = Scan(Listing(table, fetch), self._pool, clocks, may_split)
        for batch in scan.read(span):
            _note(table, notes, scan)
            # Of a range, other rows may have changed before.
            notes.began = int(min(clocks())) if span.until is None else None
            if batch is not None:
                self.notes.warn_of_clocks(clocks())
            yield batch
        _note(table, notes, scan)


def _note_end(reading: _Reading, state: dict[str, Any], *, is_empty: bool) -> None:
    """Notes that all of a table has been read, and in its state whether that was nothing."""
    reading.has_ended = True
    if is_empty:
        state[EMPTY] = True


def _note(table: Table, notes: TableNotes, scan: Scan) -> None:
    if scan.mode == "created" and notes.mode != "created":
        log.warning(
            "%s: the updated filter or the sort_key is ignored; it is read along created_at instead.", table.name
        )
    notes.mode, notes.filtered_by = scan.mode, scan.filtered_by
    notes.changes_first |= scan.changes_first


def _second(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() // 1)
