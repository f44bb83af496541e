"""What the last runs did, and how fresh each table is, as the dataset itself tells."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from dlt import Pipeline

from ..descriptions import RUNS
from ..destinations.queries import Queries, in_utc, is_missing_file
from .report import as_table, iso, short

NEVER = datetime.min.replace(tzinfo=timezone.utc)
RUNS_SHOWN = 10
SHOWN = ("started_at", "table_name", "complete", "kind", "rows", "requests", "seconds", "error")

ROWS_OF_A_RUN_MAX = 10
LAST_RUNS = f"""
SELECT {", ".join(SHOWN)} FROM {RUNS} ORDER BY started_at DESC LIMIT {RUNS_SHOWN * ROWS_OF_A_RUN_MAX}
"""  # noqa: S608
FRESHNESS = f"""
SELECT table_name, max(started_at), max(CASE WHEN complete THEN started_at END),
    max(CASE WHEN complete THEN read_up_to END), max("cursor")
FROM {RUNS} WHERE kind = 'load' GROUP BY table_name
"""  # noqa: S608


@dataclass(frozen=True)
class Freshness:
    """Of a table; times are UTC.

    Attributes:
        table: Its name.
        last_run_at: When the last run that was to load it began.
        last_complete_at: When the last run began that loaded all of it; None if there is none.
        read_up_to: All that was updated before is loaded; None where some of it was never read.
        cursor: The latest `updated_at` that is loaded.
    """

    table: str
    last_run_at: datetime
    last_complete_at: datetime | None
    read_up_to: datetime | None
    cursor: datetime | None


@dataclass(frozen=True)
class Status:
    """Of a dataset.

    Attributes:
        runs: The values of `SHOWN` of the last runs' tables, the newest first.
        tables: How fresh they are.
    """

    runs: Sequence[tuple[Any, ...]]
    tables: Sequence[Freshness]

    def stale(self, hours_max: float, now: datetime, named: Sequence[str]) -> str:
        """The tables that no run has loaded completely for so many hours, in a sentence; nothing if there are none.

        Args:
            hours_max: How many may have passed since the last complete run began.
            now: UTC.
            named: Tables that must have been loaded; all others only if they ever were to be.
        """
        since = now - timedelta(hours=hours_max)
        complete = {each.table: each.last_complete_at for each in self.tables}
        stale = [name for name in {**complete, **dict.fromkeys(named)} if (complete.get(name) or NEVER) < since]
        if not complete or stale:
            what = ", ".join(stale) or "any table"
            hours = "hour" if hours_max == 1 else f"{hours_max:g} hours"
            return f"No run that began in the last {hours} has loaded {what} completely."
        return ""


def status(pipeline: Pipeline, tables: Sequence[str]) -> Status:
    """Of those of some tables that were ever to be loaded.

    Raises:
        Exception: Whatever the destination raises when it cannot be reached.
    """
    if is_missing_file(pipeline):
        return Status([], [])
    queries = Queries(pipeline, RUNS)
    if RUNS not in queries.tables:
        return Status([], [])
    runs = [
        (in_utc(started_at), table, bool(complete), *rest)
        for started_at, table, complete, *rest in queries.rows(LAST_RUNS)
        if table in tables
    ]
    fresh = {name: _freshness(name, *times) for name, *times in queries.rows(FRESHNESS)}
    starts = sorted({run[0] for run in runs}, reverse=True)[:RUNS_SHOWN]
    runs = sorted(
        (run for run in runs if run[0] in starts), key=lambda run: (starts.index(run[0]), tables.index(run[1]))
    )
    return Status(runs, [fresh[name] for name in tables if name in fresh])


def _freshness(table: str, last_run: Any, *times: Any) -> Freshness:
    return Freshness(table, in_utc(last_run) or NEVER, *map(in_utc, times))


def as_text(found: Status, *, dataset: str, now: datetime) -> str:
    """For people."""
    if not found.runs:
        return f"No run is noted in the dataset {dataset}."
    runs = as_table(
        ["run (UTC)", "table", "complete", "kind", "rows", "requests", "seconds", "error"],
        [
            [short(run[0]), run[1], "yes" if run[2] else "NO", run[3], *map(_number, run[4:7]), run[7]]
            for run in found.runs
        ],
    )
    if not found.tables:
        # Nothing but ranges was loaded.
        return "\n".join(runs)
    fresh = as_table(
        ["table", "last complete run (UTC)", "ago", "changes are in up to (UTC)", "latest change (UTC)"],
        [
            [each.table, short(each.last_complete_at), _ago(each.last_complete_at, now), short(each.read_up_to),
             short(each.cursor)]
            for each in found.tables
        ],
    )  # fmt: skip
    return "\n".join([*runs, "", *fresh])


def as_json(found: Status) -> dict[str, Any]:
    """For machines."""
    return {
        "tables": {
            each.table: {
                "last_run_at": iso(each.last_run_at),
                "last_complete_at": iso(each.last_complete_at),
                "read_up_to": iso(each.read_up_to),
                "cursor": iso(each.cursor),
            }
            for each in found.tables
        },
        "runs": [{**dict(zip(SHOWN, run, strict=True)), "started_at": iso(run[0])} for run in found.runs],
    }


def _number(number: float) -> str:
    return f"{number:,.1f}" if isinstance(number, float) else f"{number:,}"


def _ago(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return "never"
    hours = (now - moment).total_seconds() / 3_600
    return f"{hours:.1f} hours" if hours < 48 else f"{hours / 24:.1f} days"
