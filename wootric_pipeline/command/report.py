"""The report of a run: JSON for machines, a table for people."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import Any

from ..reading.notes import TableNotes
from .run import Run


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
        or {name: _table_as_json(notes) for name, notes in run.tables.items()},
        "schema_changes": [change._asdict() for change in run.schema_changes],
        **({"appends": True} if run.appends else {}),
        **({"error": error} if error else {}),
    }


def _table_as_json(notes: TableNotes) -> dict[str, Any]:
    return {
        "rows": notes.rows,
        "requests": notes.requests,
        "mode": notes.mode,
        "cursor_before": _iso(notes.cursor_before),
        "cursor_after": _iso(notes.cursor_after),
        "complete": notes.complete,
        **({"error": notes.error} if notes.error else {}),
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
