"""The report of a run: JSON for machines, a table for people."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timezone
from math import floor
from typing import Any

from ..reading.notes import NAMED_MAX, Mode, TableNotes
from ..tables import ALL_TABLES
from .run import Refreshed, Run, SchemaChange

COLUMNS_NAMED = 12
MODE_COLUMNS: Mapping[Mode, str] = {
    "updated": "updated_at",
    "created": "created_at",
    "whole": "reading it whole",
    "days": "reading days again",
}


def as_json(run: Run, *, pipeline: str, destination: str, dataset: str, error: str | None = None) -> dict[str, Any]:
    """The report for machines."""
    place = {"pipeline": pipeline, "destination": destination, "dataset": dataset}
    failed = {"error": error} if error else {}
    made = {name: what for name, what in (("marts", run.marts), ("report", run.page)) if what is not None}
    if run.found is not None:
        return {"ok": error is None, **place, **run.found, "warnings": warnings(run), **made, **failed}
    return {
        "ok": run.ok and error is None,
        **place,
        "started_at": iso(run.started_at),
        "seconds": round(run.seconds, 3),
        "requests": run.client.requests if run.client else 0,
        "rate_limit_wait_seconds": round(run.client.rate_limit.waited_seconds, 3) if run.client else 0.0,
        "tables": {name: {"readable": mode is not None, "mode": mode} for name, mode in run.checked.items()}
        or {name: _table_as_json(notes, run.refreshed.get(name)) for name, notes in run.tables.items()},
        "schema_changes": [change._asdict() for change in run.schema_changes],
        "warnings": warnings(run),
        **({"deleted": run.deleted} if run.deleted else {}),
        **({"verification": run.verification} if run.verification else {}),
        **({"appends": True} if run.appends else {}),
        **made,
        **failed,
    }


def _table_as_json(notes: TableNotes, refreshed: Refreshed | None) -> dict[str, Any]:
    return {
        "rows": notes.rows,
        "rows_unchanged": notes.rows_unchanged,
        "requests": notes.requests,
        "mode": notes.mode,
        "cursor_before": iso(notes.cursor_before),
        "cursor_after": iso(notes.cursor_after),
        "read_up_to": iso(notes.read_up_to),
        **({"read_up_to_by_age": _by_age(notes)} if len(notes.ages_read) > 1 else {}),
        "complete": notes.complete,
        "odd_values": notes.odd_values,
        **(refreshed._asdict() if refreshed else {}),
        **({"changes_first": True} if notes.changes_first else {}),
        **({"rows_by_id": notes.rows_by_id} if notes.rows_by_id else {}),
        **({"history_from": notes.history_from.isoformat()} if notes.history_from else {}),
        **({} if notes.is_history_complete is None else {"history_complete": notes.is_history_complete}),
        **({"refused": True} if notes.is_refused else {}),
        **({"rows_left_out": len(notes.left_out)} if notes.left_out else {}),
        **({"error": notes.error} if notes.error else {}),
    }


def _by_age(notes: TableNotes) -> list[dict[str, Any]]:
    """Of rows up to an age in days, the youngest first, up to when their changes are in; null is any age, and never."""
    return [
        {
            # Rounded up, it would promise something of older rows.
            "age_days_max": None if age_seconds is None else floor(age_seconds / 86.4) / 1_000,
            "read_up_to": None if began is None else iso(datetime.fromtimestamp(began, timezone.utc)),
        }
        for age_seconds, began in notes.ages_read
    ]


def as_text(run: Run, *, destination: str, dataset: str) -> str:
    """The report for people."""
    if run.checked:
        told = [f"Warning: {warning}" for warning in run.warnings]
        return "\n".join([*_checked(run), *told, f"The destination {destination} answers."])
    lines = [*_tables(run), *_remarks(run), *(f"Warning: {warning}" for warning in warnings(run))]
    if run.appends:
        lines.append("Plain files cannot be merged into: each new version of a row was appended to the older ones.")
    if surprising := _surprising(run.schema_changes):
        lines.append(f"New columns: {new_columns(surprising)}.")
    requests = run.client.requests if run.client else 0
    waited_seconds = run.client.rate_limit.waited_seconds if run.client else 0.0
    waited = f", {waited_seconds:.0f} s of them waiting for Wootric's rate limit," if waited_seconds else ""
    lines.append(
        f"{run.rows:,} {'row' if run.rows == 1 else 'rows'} into {destination}, dataset {dataset}, "
        f"in {run.seconds:.1f} s{waited} with {requests:,} requests."
    )
    return "\n".join(lines)


def _checked(run: Run) -> list[str]:
    """A line for each table that was checked, and what is to be said of some."""
    cells = [[name, "yes" if mode else "NO", MODE_COLUMNS[mode] if mode else "-"] for name, mode in run.checked.items()]
    created = [name for name, mode in run.checked.items() if mode == "created"]
    return [*as_table(["table", "readable", "changes are found by"], cells), *map(_along_created, created)]


def _tables(run: Run) -> list[str]:
    """A line for each table; only where some went on from an earlier run can rows be read again."""
    goes_on = any(notes.cursor_before or notes.rows_unchanged for notes in run.tables.values())
    head = ["table", *(["new or changed", "read again"] if goes_on else ["rows"])]
    return as_table(
        [*head, "requests", "latest change (UTC)", "complete"],
        [
            [
                name,
                *([f"{notes.rows_new:,}", f"{notes.rows_read_again:,}"] if goes_on else [f"{notes.rows:,}"]),
                f"{notes.requests:,}",
                short(notes.cursor_after),
                "yes" if notes.complete else "-" if notes.is_refused else "NO",
            ]
            for name, notes in run.tables.items()
        ],
    )


def _remarks(run: Run) -> list[str]:
    """What is to be said of some tables, and whether anything has changed."""
    lines = _remarks_on_tables(run)
    unchanged = [name for name, notes in run.tables.items() if notes.complete and not notes.rows_new]
    before = [notes.cursor_before for notes in run.tables.values() if notes.cursor_before]
    if len(unchanged) < len(run.tables):
        unchanged = [name for name in unchanged if run.tables[name].cursor_before]
        return [*lines, f"Nothing has changed in {', '.join(unchanged)}."] if unchanged else lines
    if not before:
        return [*lines, f"{'Nothing has changed' if run.rows_unchanged else 'No rows were found'}."]
    since = short(max(before))
    return [*lines, f"Nothing has changed since {since} (UTC); each run reads the last rows before that again."]


def _remarks_on_tables(run: Run) -> list[str]:
    """What is to be said of some tables."""
    lines = []
    for name, notes in run.tables.items():
        if (refreshed := run.refreshed.get(name)) and refreshed.rows_before is not None:
            lines.append(f"{name}: refreshed; {refreshed}.")
        if notes.odd_values:
            lines.append(_replaced(name, notes.odd_values))
        if notes.mode == "created":
            lines.append(_along_created(name))
        if notes.changes_first:
            lines.append(f"{name}: Wootric can sort it by updated_at all the same, so the newest changes came first.")
        if notes.rows_by_id:
            lines.append(f"{name}: {notes.rows_by_id:,} came by their ids, since end_users told of another answer.")
        if len(notes.ages_read) > 1:
            lines.append(_ages_read(name, notes.ages_read))
        if notes.is_history_complete is False:
            lines.append(_history_under_way(name, notes.history_from))
    return lines


def warnings(run: Run) -> list[str]:
    """What is not as it should be and stops nothing, a sentence each."""
    odd = (
        (name, field, ids)
        for name, notes in run.tables.items()
        for field, ids in notes.odd_fields.items()
        if not _is_hashed(run, name, field)
    )
    # In one order, whichever of the tables that are read at once had them first.
    return [*sorted(run.warnings), *(_odd_field(*each) for each in odd)]


def _is_hashed(run: Run, table: str, field: str) -> bool:
    """Whether an odd value went into its column all the same, as a hash."""
    return field in ALL_TABLES[table].documented and run.hashing.names(ALL_TABLES[table], field)


def _odd_field(table: str, field: str, ids: Sequence[int]) -> str:
    """Which rows have an odd value in a field; never the value."""
    shown = f"{', '.join(map(str, ids[:NAMED_MAX]))}{' and others' if len(ids) > NAMED_MAX else ''}"
    rows = f"of the row with id {shown}" if len(ids) == 1 else f"of {len(ids):,} rows (ids {shown})"
    if field in ALL_TABLES[table].documented:
        return f"{table}: the {field} {rows} does not fit its type; it is null there, and kept in {field}__v_..."
    return f"{table}: what {_printable(field)} {rows} holds was changed so that a database can hold it."


def _printable(name: str) -> str:
    """A name of the API's, or of a destination's, without what would move a terminal's cursor."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def _replaced(table: str, odd_values: int) -> str:
    if odd_values == 1:
        return f"{table}: 1 value is not loaded as it came."
    return f"{table}: {odd_values:,} values are not loaded as they came."


def _along_created(table: str) -> str:
    return (
        f"{table}: Wootric does not filter or sort it by updated_at, so it is read along created_at: young rows by "
        "each run, older ones more rarely."
    )


def _history_under_way(name: str, history_from: date | None) -> str:
    """From when on days are loaded while others are to come."""
    if history_from is None:
        return f"{name}: the first day that has figures is still looked for; the next runs go on."
    return f"{name}: days from {history_from:%Y-%m-%d} on are in; the next runs bring older ones."


def _ages_read(table: str, ages: Sequence[tuple[int | None, int | None]]) -> str:
    """Up to when changes of young and of older rows are in."""
    age_seconds = ages[0][0] or 0
    if any(began is None for _, began in ages):
        return f"{table}: changes of the last {_age(age_seconds)} are in; some older rows have not been read yet."
    oldest = datetime.fromtimestamp(min(began for _, began in ages if began is not None), timezone.utc)
    return (
        f"{table}: changes of rows of the last {_age(age_seconds)} are in; of older ones those before {short(oldest)} "
        "(UTC) at the least."
    )


def _age(seconds: int) -> str:
    """In the largest unit that leaves two digits or so."""
    for unit, length in (("days", 86_400), ("hours", 3_600)):
        if seconds >= 2 * length:
            return f"{seconds // length:,} {unit}"
    return f"{seconds // 60} minutes"


def _surprising(changes: Iterable[SchemaChange]) -> list[SchemaChange]:
    """A column for each property is no surprise; one for another type of it is."""
    return [change for change in changes if "properties__" not in change.column or "__v_" in change.column]


def new_columns(changes: Sequence[SchemaChange]) -> str:
    """Their names, of many the first."""
    named = [_printable(f"{change.table}.{change.column}") for change in changes[:COLUMNS_NAMED]]
    more = len(changes) - len(named)
    return f"{', '.join(named)}{f' and {more} more' if more else ''}"


def as_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Lines of a table with its columns aligned."""
    cells = [list(head), *(["" if cell is None else str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[index]) for row in cells) for index in range(len(head))]
    ruled = [cells[0], ["-" * width for width in widths], *cells[1:]]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in ruled]


def short(moment: datetime | None) -> str:
    """A time for people, UTC."""
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else "-"


def iso(moment: datetime | None) -> str | None:
    """A time for machines."""
    return moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z") if moment else None
