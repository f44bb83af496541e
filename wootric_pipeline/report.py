"""What a run did: noted while it reads, then a table for people or JSON for machines."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Literal, NamedTuple

from .client import Client

Mode = Literal["updated", "created"]


@dataclass
class TableRun:
    """What a run did with one table.

    Attributes:
        rows: Rows handed to dlt.
        requests: Pages asked for.
        mode: The time the table was read along.
        cursor_before, cursor_after: The newest `updated_at` committed before and by the run, UTC.
        as_of: The reading went on with one that was broken off and had begun then, UNIX seconds.
        complete: Whether everything that was to be read has been.
        error: Why it is not complete.
    """

    rows: int = 0
    requests: int = 0
    mode: Mode | None = None
    cursor_before: datetime | None = None
    cursor_after: datetime | None = None
    as_of: int | None = None
    complete: bool = False
    error: str | None = None
    begun: bool = False
    _committed: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to do in this run."""
        return self.complete or self.error is not None

    def begin(self, committed: datetime | None) -> None:
        """Notes where a reading starts; one that goes on after a pause keeps its first start."""
        if not self.begun:
            self.begun, self.cursor_before = True, committed
        self.cursor_after, self.complete, self.error = committed, False, None
        self._committed = committed

    def not_loaded(self) -> None:
        """Takes back what was noted of rows that were read and could not be loaded."""
        self.cursor_after, self.complete = self._committed, False

    def as_json(self) -> dict[str, Any]:
        """The part of the JSON report about this table."""
        return {
            "rows": self.rows,
            "requests": self.requests,
            "mode": self.mode,
            "cursor_before": _iso(self.cursor_before),
            "cursor_after": _iso(self.cursor_after),
            "complete": self.complete,
            **({"error": self.error} if self.error else {}),
        }


class SchemaChange(NamedTuple):
    """A column the destination got that no documentation announced."""

    table: str
    column: str
    data_type: str | None


@dataclass
class Run:
    """Notes of one run, shared by the source, which writes them, and whoever started it.

    Attributes:
        isolates_tables: Whether a table that cannot be read is noted and the others go on; else it raises.
        client: The source's, once there is one; it counts requests.
        tables: By name.
        schema_changes: In the order in which they came about.
        appends: Whether the destination keeps each version of a row, because plain files cannot be merged into.
        checked: For a run that only checks: along which time each table will be read; None if it cannot be.
        started_at: UTC.
        give_up_paused: What the sources made with these notes do when a load is over: none of their readings that are
            paused may go on in another, which cannot know whether their rows were committed.
    """

    isolates_tables: bool = False
    client: Client | None = None
    tables: dict[str, TableRun] = field(default_factory=dict)
    appends: bool = False
    schema_changes: list[SchemaChange] = field(default_factory=list)
    checked: dict[str, Mode | None] = field(default_factory=dict)
    started_at: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    give_up_paused: list[Callable[[], None]] = field(default_factory=list)
    _started: float = field(default_factory=time.monotonic)
    _pause_at: float | None = None
    _pause_rows: int = 0
    _rows_before: dict[str, int] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._started

    @property
    def ok(self) -> bool:
        """Whether all tables are complete, or readable if that was all to be found out."""
        return (
            bool(self.tables or self.checked)
            and all(notes.complete for notes in self.tables.values())
            and all(self.checked.values())
        )

    def connected(self) -> Client:
        """The source's client; a source has to have been made with these notes."""
        if self.client is None:
            raise ValueError("no source was made with this run")
        return self.client

    def table(self, name: str) -> TableRun:
        """The notes of a table."""
        return self.tables.setdefault(name, TableRun())

    def forget(self, name: str) -> None:
        """Takes back all that was noted of a table, but for how often it was asked for."""
        self.tables[name] = TableRun(requests=self.table(name).requests)

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(notes.rows for notes in self.tables.values())

    def pause_in(self, seconds: float, rows: int) -> None:
        """After that time, or that many more rows of one table, `pause_due` says so."""
        self._pause_at = time.monotonic() + seconds
        self._pause_rows = rows
        self._rows_before = {name: notes.rows for name, notes in self.tables.items()}

    def pause_no_more(self) -> None:
        """From then on `pause_due` does not say so, and what is paused is given up."""
        self._pause_at = None
        for give_up in self.give_up_paused:
            give_up()

    def pause_due(self) -> bool:
        """Whether to stop for a moment, so that what was read so far is committed."""
        return self._pause_at is not None and (
            time.monotonic() >= self._pause_at
            or any(
                notes.rows - self._rows_before.get(name, 0) >= self._pause_rows for name, notes in self.tables.items()
            )
        )


def as_json(run: Run, *, pipeline: str, destination: str, dataset: str, error: str | None = None) -> dict[str, Any]:
    """The report for machines."""
    return {
        "ok": run.ok and error is None,
        "pipeline": pipeline,
        "destination": destination,
        "dataset": dataset,
        "started_at": _iso(run.started_at),
        "seconds": round(run.seconds, 3),
        "requests": run.client.requests if run.client else 0,
        "rate_limit_wait_seconds": round(run.client.rate_limit.waited_seconds, 3) if run.client else 0.0,
        "tables": {name: {"readable": mode is not None, "mode": mode} for name, mode in run.checked.items()}
        or {name: notes.as_json() for name, notes in run.tables.items()},
        "schema_changes": [change._asdict() for change in run.schema_changes],
        **({"appends": True} if run.appends else {}),
        **({"error": error} if error else {}),
    }


def as_text(run: Run, *, destination: str, dataset: str) -> str:
    """The report for people."""
    if run.checked:
        rows = [[name, "yes" if mode else "NO", mode or "-"] for name, mode in run.checked.items()]
        return "\n".join(
            [*as_table(["table", "readable", "read along"], rows), f"The destination {destination} answers."]
        )
    lines = _tables(run)
    if run.appends:
        lines.append("Plain files cannot be merged into: each new version of a row was appended to the older ones.")
    # A column for each property is no surprise; one for another type of it is.
    surprising = [
        change for change in run.schema_changes if "properties__" not in change.column or "__v_" in change.column
    ]
    if surprising:
        shown = ", ".join(f"{change.table}.{change.column}" for change in surprising[:12])
        more = len(surprising) - 12
        lines.append(f"New columns: {shown}{f' and {more} more' if more > 0 else ''}.")
    requests = run.client.requests if run.client else 0
    waited = run.client.rate_limit.waited_seconds if run.client else 0.0
    lines.append(
        f"{run.rows:,} {'row' if run.rows == 1 else 'rows'} into {destination}, dataset {dataset}, "
        f"in {run.seconds:.1f} s with {requests:,} requests"
        + (f" ({waited:.0f} s of them waiting for the rate limit)." if waited else ".")
    )
    return "\n".join(lines)


def _tables(run: Run) -> list[str]:
    """A line for each table, and what is to be said of some."""
    lines = as_table(
        ["table", "rows", "requests", "read along", "cursor (UTC)", "complete"],
        [
            [
                name,
                f"{notes.rows:,}",
                f"{notes.requests:,}",
                notes.mode or "-",
                _short(notes.cursor_after),
                "yes" if notes.complete else "NO",
            ]
            for name, notes in run.tables.items()
        ],
    )
    for name, notes in run.tables.items():
        if notes.mode == "created":
            lines.append(f"{name}: the API does not filter or sort it by updated_at, so it was read along created_at.")
        if notes.as_of is not None:
            begun = datetime.fromtimestamp(notes.as_of, timezone.utc)
            lines.append(
                f"{name}: went on with a reading of {_short(begun)}; later changes may come with the next run."
            )
    return lines


def as_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Lines of a table with its columns aligned."""
    cells = [list(head), *(["" if cell is None else str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[index]) for row in cells) for index in range(len(head))]
    ruled = [cells[0], ["-" * width for width in widths], *cells[1:]]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in ruled]


def _short(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else "-"


def _iso(moment: datetime | None) -> str | None:
    return moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z") if moment else None
