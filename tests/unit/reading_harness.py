"""Has the product read a `LyingServer`: the only place where the tests of lying servers touch it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from operator import itemgetter
from typing import Any
from unittest.mock import patch

from tests.unit.lying_server import LyingServer, Refused
from wootric_pipeline.api.answers import Answer, list_of
from wootric_pipeline.errors import ApiUnavailable, WootricError
from wootric_pipeline.reading import parts
from wootric_pipeline.reading.history import History
from wootric_pipeline.reading.listing import Listing, Page, Params
from wootric_pipeline.reading.pool import Pool
from wootric_pipeline.reading.progress import Progress
from wootric_pipeline.reading.scan import Clocks, Scan
from wootric_pipeline.reading.span import Span
from wootric_pipeline.records import to_record
from wootric_pipeline.tables import TABLES, Table

LOOKBACK = timedelta(seconds=300)
PARTS_FREE = 20


@dataclass(frozen=True)
class State:
    """What a run leaves to the next one."""

    cursor: datetime | None = None
    history: History | None = None
    was_empty: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a run brought: the newest version of each row by id, and what it says of itself."""

    rows: dict[Any, dict[str, Any]]
    error: str | None
    complete: bool
    requests: int
    warnings: list[str]
    state: State


def read(
    server: LyingServer,
    table: str,
    *,
    since: int | None = None,
    until: int | None = None,
    connections: int = 1,
    state: State | None = None,
    batches_max: int | None = None,
) -> Outcome:
    """One run over one table; with both bounds a backfill, with a state the run after the one that left it.

    Over several connections it is read in more parts than so few rows are worth. With a number of batches it is broken
    off behind them, each of which may have been committed.
    """
    scan = _scan(server, TABLES[table], connections)
    rows: dict[Any, dict[str, Any]] = {}
    state, error, asked_before = state or State(), None, server.requests
    progress: Progress | None = None
    try:
        with patch.object(parts, "COST_PAGES_FREE", PARTS_FREE):
            for number, batch in enumerate(filter(None, scan.read(_span(since, until, state))), 1):
                _merge(rows, batch.rows)
                progress = batch.progress
                state = replace(state, cursor=max(filter(None, (state.cursor, batch.cursor)), default=None))
                if number == batches_max:
                    error = f"broken off behind {number} batches"
                    break
    except WootricError as raised:
        error = str(raised)
    kept = state.history if error else None
    kept = progress.kept(state.history, has_rows=True, has_ended=error is None) if progress else kept
    state = replace(state, history=kept, was_empty=error is None and not rows and state.cursor is None)
    warnings = list(filter(None, [Clocks(server.date(), server.local_time()).warning()]))
    return Outcome(rows, error, error is None, server.requests - asked_before, warnings, state)


def _scan(server: LyingServer, table: Table, connections: int) -> Scan:
    began = server.local_time()

    def clocks() -> Clocks:
        return Clocks(began + server.date() - server.local_time(), began)

    listing = Listing(table, partial(_fetched, server, table))
    return Scan(listing, Pool(connections, 240), clocks, lambda: connections > 1)


def _fetched(server: LyingServer, table: Table, params: Params) -> Page:
    assert int(params["per_page"]) > 0
    assert int(params.get("page", 1)) > 0
    try:
        page = server.get(table.path, params)
    except Refused as refused:
        if refused.status >= 500:
            raise ApiUnavailable(f"Wootric gave no usable answer to {table.path}.") from None
        page = list_of(Answer(refused.status, {}, True), table.path, "localhost")
    return [to_record(table, row) for row in page]


def _merge(rows: dict[Any, dict[str, Any]], page: Page) -> None:
    """Of two versions of a row in one load the newer wins, and else the one that is loaded later: each page may be."""
    for row in sorted(page, key=itemgetter("updated_at")):
        before = rows.get(row["id"])
        assert before is None or before["updated_at"] <= row["updated_at"], "an older version takes a newer one's place"
        rows[row["id"]] = row


def _span(since: int | None, until: int | None, state: State) -> Span:
    lookback_seconds = LOOKBACK.total_seconds()
    if until is not None:
        return Span(since, until, lookback_seconds=lookback_seconds)
    cursor = None if state.cursor is None else state.cursor.timestamp()
    span = Span(created_since=since, lookback_seconds=lookback_seconds, known_empty=state.was_empty)
    return span.behind(cursor, state.history, since)
